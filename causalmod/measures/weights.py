"""The weight from each unit to each other one, where a linear layer joins them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, fx

from causalmod.compiler.ops import ELEMENTWISE, op_name
from causalmod.errors import InputError
from causalmod.exchange import partition_of
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel
from causalmod.scm.units import unit_edges


class WeightGraph(NamedTuple):
    """Units, the weights between them, and the module of each.

    Attributes:
        names: names of the units.
        weights: ``[sender, receiver]`` absolute weights, no unit.
        labels: module of each unit.
    """

    names: tuple[str, ...]
    weights: np.ndarray
    labels: tuple[str, ...]

    @property
    def undirected(self) -> np.ndarray:
        """``[unit, unit]`` symmetric weights: both directions added."""
        return self.weights + self.weights.T

    def partition(self, numbers: Sequence[int]) -> Partition:
        """Return the partition by module numbers ``[unit]``, named ``A``, ``B``, ... in order.

        Example:
            >>> graph = WeightGraph(("fc[0]", "fc[1]"), np.zeros((2, 2)), ())
            >>> graph.partition([1, 0]).to_dict()
            {'A': ['fc[0]'], 'B': ['fc[1]']}
        """
        return partition_by_number(self.names, numbers)


def partition_by_number(names: Sequence[str], numbers: Sequence[int]) -> Partition:
    """Return a partition of named units by module numbers; modules in order of their first unit.

    Example:
        >>> partition_by_number(["fc[0]", "fc[1]", "fc[2]"], [7, 2, 7]).to_dict()
        {'A': ['fc[0]', 'fc[2]'], 'B': ['fc[1]']}
    """
    modules: dict[int, list[str]] = {}
    for name, number in zip(names, numbers, strict=True):
        modules.setdefault(int(number), []).append(name)
    letters = [chr(65 + place) if place < 26 else f"M{place + 1}" for place in range(len(modules))]
    return Partition(dict(zip(letters, modules.values(), strict=True)))


def weight_graph(scm: StructuralCausalModel, partition: Partition) -> WeightGraph:
    """Return the graph of absolute weights between the units that a partition names.

    These are the live units and those inert ones that stand in the partition as well: weights do
    not tell that a unit is inert.

    Raises:
        PartitionError: the partition does not fit the model.
        InputError: see :func:`unit_weights`.

    Example:
        >>> from causalmod import zoo
        >>> case = zoo.with_inert_units(zoo.isolated(), dead=1, unread=0)
        >>> scm = case.compile()
        >>> weight_graph(scm, case.partition).weights.shape
        (10, 10)
        >>> more = {**case.modules, "left": [*case.modules["left"], "hidden1[4]", "hidden2[4]"]}
        >>> weight_graph(scm, Partition(more)).weights.shape
        (12, 12)
    """
    labels = dict(partition_of(scm, partition).labels)
    live = scm.units.names
    inert: dict[str, str] = {}
    for module, members in partition.modules.items():
        for variable in scm.resolve(members):
            unit = scm.unit_of(variable)
            if unit in scm.units.inert:
                inert.setdefault(unit, module)
    names = (*live, *inert)
    labels |= inert
    return WeightGraph(names, unit_weights(scm, names), tuple(labels[name] for name in names))


def unit_weights(scm: StructuralCausalModel, units: Sequence[str] | None = None) -> np.ndarray:
    """Return the absolute weight from each unit to each other one.

    A linear layer gives weights where it reads the units of one site, directly or through
    elementwise operations, and the units of another are its results, likewise. Where several layers
    join the same two units, their absolute weights are added. Inputs are not units and have no row;
    biases and the scales of normalisations do not count. Between coordinates of sites in bases the
    weights are those of the effective matrix, where a layer reads, or gives, those very sites.

    Args:
        scm: the model.
        units: names of the units, ``scm.units.names`` by default; inert ones may be among them.

    Returns:
        ndarray: ``[sender, receiver]`` in the order of ``units``, no unit.

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
    names = scm.units.names if units is None else tuple(units)
    places: dict[str, list[int]] = {}
    index: dict[str, list[int]] = {}
    for place, variable in enumerate(scm.resolve(names)):
        places.setdefault(variable.site, []).append(place)
        index.setdefault(variable.site, []).append(variable.index)
    _check_complete(scm, between, index)
    found = np.zeros((len(names), len(names)))
    for (sender, receiver), weight in between.items():
        if sender in index and receiver in index:
            block = weight[index[sender]][:, index[receiver]]
            found[np.ix_(places[sender], places[receiver])] = block.numpy()
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
        plain = program.constants[weight.name].detach().double().cpu().T
        matrix = _in_bases(scm, plain, (sender, source.name), (receiver, layer.name))
        counts = (scm.sites[sender].count, scm.sites[receiver].count)
        if matrix is not None and matrix.shape == counts:
            yield sender, matrix.abs()


def _in_bases(
    scm: StructuralCausalModel, matrix: Tensor, sender: tuple[str, str], receiver: tuple[str, str]
) -> Tensor | None:
    """Weights ``[sender, receiver]`` between coordinates, by site and node; None if there are none.

    A coordinate has weights where a layer reads, or gives, the very tensor that is in the basis.
    """
    ends = [(scm.sites[name], scm.node_of(name) == node) for name, node in (sender, receiver)]
    if any(site.basis and not (straight and site.basis.is_linear) for site, straight in ends):
        return None
    (given, _), (made, _) = ends
    if given.basis is not None:
        matrix = given.basis.directions.cpu() @ matrix
    if made.basis is not None:
        matrix = matrix @ made.basis.matrix.cpu().T
    return matrix


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


def _check_complete(
    scm: StructuralCausalModel,
    between: dict[tuple[str, str], Tensor],
    index: dict[str, list[int]],
) -> None:
    """Every direct influence between the units asked for must be a weight that was found."""
    asked = {site: torch.zeros(scm.sites[site].count, dtype=torch.bool) for site in index}
    for site, members in index.items():
        asked[site][members] = True
    for (sender, receiver), influence in unit_edges(scm).items():
        if sender not in asked or receiver not in asked:
            continue
        needed = influence & asked[sender][:, None] & asked[receiver][None, :]
        weight = between.get((sender, receiver))
        if bool((needed if weight is None else needed & (weight == 0)).any()):
            raise InputError(
                f"units of {sender!r} influence units of {receiver!r} by something that is not a "
                "linear layer, so there is no weight between them; measures on weights need a "
                "network of linear layers and elementwise operations: use exchange or "
                "mutual_information here"
            )
