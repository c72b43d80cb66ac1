"""The weight from each unit to each other one, where a linear layer joins them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, fx

from causalmod.compiler.ops import ELEMENTWISE, op_name
from causalmod.errors import InputError
from causalmod.scm import StructuralCausalModel


def unit_weights(scm: StructuralCausalModel) -> np.ndarray:
    """Return the absolute weight from each live unit to each other one.

    A linear layer gives weights where it reads the units of one site, directly or through
    elementwise operations, and the units of another are its results, likewise. Where several layers
    join the same two units, their absolute weights are added. Inputs are not units and have no row;
    biases and the scales of normalisations do not count.

    Returns:
        ndarray: ``[sender, receiver]`` in the order of ``scm.units.names``, no unit.

    Raises:
        InputError: units influence each other directly by something that is not a linear layer (a
            product, attention, a convolution), so there is no weight to read.

    Example:
        >>> from causalmod import zoo
        >>> unit_weights(zoo.ducks_and_shadows().compile()).tolist()
        [[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    between: dict[tuple[str, str], Tensor] = {}
    for receiver in scm.units.sites:
        for sender, weight in _incoming(scm, receiver):
            pair = (sender, receiver)
            between[pair] = between.get(pair, torch.zeros_like(weight)) + weight
    _check_complete(scm, between)
    units = scm.units
    places = {site: number for number, site in enumerate(units.sites)}
    found = np.zeros((len(units), len(units)))
    for (sender, receiver), weight in between.items():
        rows, columns = units.at(places[sender]), units.at(places[receiver])
        live = weight[units.index[rows]][:, units.index[columns]]
        found[np.ix_(rows.numpy(), columns.numpy())] = live.numpy()
    return found


def _incoming(scm: StructuralCausalModel, receiver: str) -> Iterator[tuple[str, Tensor]]:
    """For each linear layer that ends in a site: the sending site, ``[sender, receiver]``."""
    program = scm.program
    start = next(node for node in program.nodes if scm.site_at(node) == receiver)
    for layer in _linear_layers(scm, start, receiver):
        source, weight = layer.args[0], layer.args[1]
        if not isinstance(source, fx.Node) or not isinstance(weight, fx.Node):
            continue
        sender = _sending_site(scm, source)
        if sender is None or sender not in scm.units.sites or weight.name not in program.constants:
            continue
        matrix = program.constants[weight.name].detach().double().cpu().abs().T
        if matrix.shape == (scm.sites[sender].count, scm.sites[receiver].count):
            yield sender, matrix


def _linear_layers(scm: StructuralCausalModel, start: str, receiver: str) -> list[fx.Node]:
    """Linear operations that enter a site through elementwise operations alone."""
    found: list[fx.Node] = []
    seen: set[str] = set()
    stack = [scm.program.nodes[start]]
    while stack:
        node = stack.pop()
        if node.name in seen or node.op != "call_function":
            continue
        seen.add(node.name)
        site = scm.site_at(node.name)
        if site is not None and scm.representative[site] != receiver:
            continue  # another unit: what comes before it is not this site's
        if op_name(node) == "linear":
            found.append(node)
        elif op_name(node) in ELEMENTWISE or "batch_norm" in op_name(node):
            stack.extend(_moving(scm, node))
    return found


def _sending_site(scm: StructuralCausalModel, node: fx.Node) -> str | None:
    """The site of the units that a tensor holds; None if it is no such tensor."""
    while True:
        site = scm.site_at(node.name)
        if site is not None:
            return scm.representative[site]
        before = _moving(scm, node)
        if node.op != "call_function" or op_name(node) not in ELEMENTWISE or len(before) != 1:
            return None
        node = before[0]


def _moving(scm: StructuralCausalModel, node: fx.Node) -> list[fx.Node]:
    return [n for n in node.all_input_nodes if n.name not in scm.program.constants]


def _check_complete(scm: StructuralCausalModel, between: dict[tuple[str, str], Tensor]) -> None:
    """Every direct influence between live units must be a weight that was found."""
    live = {site: torch.zeros(scm.sites[site].count, dtype=torch.bool) for site in scm.units.sites}
    for layer, index in zip(scm.units.site.tolist(), scm.units.index.tolist(), strict=True):
        live[scm.units.sites[layer]][index] = True
    for (source, target), influence in scm.edges.items():
        sender, receiver = scm.representative[source], scm.representative[target]
        if sender == receiver or sender not in live or receiver not in live:
            continue
        needed = influence & live[sender][:, None] & live[receiver][None, :]
        weight = between.get((sender, receiver))
        if bool((needed if weight is None else needed & (weight == 0)).any()):
            raise InputError(
                f"units of {sender!r} influence units of {receiver!r} by something that is not a "
                "linear layer, so there is no weight between them; measures on weights need a "
                "network of linear layers and elementwise operations: use exchange or "
                "mutual_information here"
            )
