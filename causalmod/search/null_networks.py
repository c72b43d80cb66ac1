"""Null networks: the same units and weights, wired at random."""

from __future__ import annotations

import torch
from torch import Tensor, fx

from causalmod.compiler.ops import op_name
from causalmod.scm import StructuralCausalModel

_FLAT = 1e-6  # relative spread under which a sender counts as constant


def null_network(scm: StructuralCausalModel, seed: int) -> StructuralCausalModel | None:
    """Permute each unit's incoming weights among its live senders, within each matrix.

    ``w'_ij = w_i,pi(j) sd_pi(j) / sd_j`` in units of the senders' standard deviations, biases kept;
    a
    fresh permutation for each receiving unit, keyed by ranks of live units. So neither ReLU
    rescaling
    nor inert units move the null.

    Returns:
        A model with the new weights, or None when the network has no weights to permute.
    """
    changed: dict[str, Tensor] = {}
    for place, (node, weight) in enumerate(_matrices(scm)):
        if weight in changed:
            continue  # a tied matrix is permuted once, for the first of its uses
        generator = torch.Generator().manual_seed(seed * 1009 + place)
        changed[weight] = _permuted(scm, node, weight, generator)
    return scm.with_parameters(changed) if changed else None


def _matrices(scm: StructuralCausalModel) -> list[tuple[fx.Node, str]]:
    """Linear operations on activations, with the node that holds their ``[out, in]`` matrix."""
    program = scm.program
    found: list[tuple[fx.Node, str]] = []
    for node in program.nodes.values():
        if (
            node.op != "call_function"
            or op_name(node) != "linear"
            or node.name in program.constants
        ):
            continue
        sender, weight = node.args[0], node.args[1]
        if not isinstance(sender, fx.Node) or not isinstance(weight, fx.Node):
            continue
        if weight.name in program.constants and program.rows_at.get(sender.name) == 0:
            found.append((node, weight.name))
    return found


def _permuted(
    scm: StructuralCausalModel, node: fx.Node, weight: str, generator: torch.Generator
) -> Tensor:
    matrix = scm.program.constants[weight].double()
    sender = node.args[0]
    assert isinstance(sender, fx.Node)
    spread, live = _senders(scm, sender.name)
    receivers = _live_units(scm, node.name, len(matrix))
    into, out = live.nonzero().flatten(), receivers.nonzero().flatten()
    if len(into) < 2 or len(out) == 0:
        return scm.program.constants[weight]
    order = torch.rand(len(out), len(into), generator=generator).argsort(1)
    scaled = (matrix * spread)[out][:, into].gather(1, order) / spread[into]
    result = matrix.clone()
    result[out[:, None], into[None, :]] = scaled
    return result.to(scm.program.constants[weight].dtype)


def _senders(scm: StructuralCausalModel, node: str) -> tuple[Tensor, Tensor]:
    """Standard deviation of each sending coordinate over the data, and which are live."""
    scm.record([node])
    values = scm.recorded(node).double().flatten(0, -2)
    spread = values.std(0, unbiased=False)
    live = spread > _FLAT * values.abs().amax(0)
    return spread.clamp_min(1e-30), live & _live_units(scm, node, len(spread))


def _live_units(scm: StructuralCausalModel, node: str, count: int) -> Tensor:
    """Which coordinates of a node belong to live units (all, if it is no site).

    In a submodel these are its own: what comes from outside keeps its weights.
    """
    site = scm.site_at(node)
    if site in scm.inputs and scm.members:
        return torch.zeros(count, dtype=torch.bool)
    if site is None or site in scm.inputs or scm.sites[site].count != count:
        return torch.ones(count, dtype=torch.bool)
    chosen, live = scm.representative[site], scm.units.position
    return torch.tensor([name in live for name in scm.sites[chosen].variables])
