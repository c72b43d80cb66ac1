"""Where each variable of a network stands in its picture, and which connections there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from causalmod.partition import Partition

if TYPE_CHECKING:
    from torch import Tensor

    from causalmod.scm import StructuralCausalModel

Edge = tuple[str, str, float]

_GAP = 0.08  # height left free between two modules
_WIDEST = 3.0  # a small layer is stretched to at most this multiple of the narrowest spacing
_INERT_IN_ROW = 12


@dataclass(frozen=True)
class Layout:
    """Positions and connections; heights from 0 to 1, one column per layer.

    Attributes:
        columns: names of the sites in each column; the network's inputs share the first one, and so
            do sites that stand side by side in the network.
        sizes: number of variables in each column.
        position: variable → (column, height); inert units stand in rows under their column.
        module: live unit → place of its module in the partition.
        inputs: input variables, in their order from top to bottom.
        inert: inert units.
        spacing: least distance between two live units of a column.
        edges: (source, target, strength) of every structural connection between units, or from an
            input to a unit.
    """

    columns: list[str]
    sizes: list[int]
    position: dict[str, tuple[float, float]]
    module: dict[str, int]
    inputs: list[str]
    inert: list[str]
    spacing: float
    edges: list[Edge]


def lay_out(
    scm: StructuralCausalModel, partition: Partition, strength: Tensor | None = None
) -> Layout:
    """Place every unit of a model: a column per layer, a band per module.

    Args:
        scm: the model.
        partition: a split of its live units.
        strength: ``[sender, receiver]`` over the live units, how strong each connection is; without
            it all structural connections count the same.
    """
    place_of = {name: place for place, name in enumerate(partition.modules)}
    module = {unit: place_of[name] for unit, name in partition.labels.items()}
    inputs = [variable for site in scm.inputs for variable in scm.sites[site].variables]
    known = {*module, *inputs}
    edges = [e for e in _connections(scm, strength) if e[0] in known and e[1] in module]
    layers = _layers(scm)
    columns = [[v for site in layer for v in scm.sites[site].variables] for layer in layers]
    shift = 1 if inputs else 0
    live, spacing = _live_positions(columns, module, len(partition), shift)
    inert = [variable for column in columns for variable in column if variable in scm.units.inert]
    ordered = _by_receiver(inputs, module, edges)
    return Layout(
        columns=[*([", ".join(scm.inputs)] if inputs else []), *map(", ".join, layers)],
        sizes=[*([len(inputs)] if inputs else []), *(len(column) for column in columns)],
        position={
            **live,
            **_inert_positions(columns, set(inert), shift),
            **{
                v: (0.0, _centred(rank, len(inputs), 1 / max(len(inputs), 8)))
                for rank, v in enumerate(ordered)
            },
        },
        module=module,
        inputs=ordered,
        inert=inert,
        spacing=spacing,
        edges=edges,
    )


def _layers(scm: StructuralCausalModel) -> list[list[str]]:
    """Sites of the units, those of one depth together; one without live units stays by the last."""
    found: dict[int, list[str]] = {}
    depth = 0
    for place, site in enumerate(scm.units.sites):
        units = scm.units.at(place)
        depth = int(scm.units.layer[units[0]]) if len(units) else depth
        found.setdefault(depth, []).append(site)
    return [found[depth] for depth in sorted(found)]


def _centred(rank: int, count: int, step: float, middle: float = 0.5) -> float:
    return middle + ((count - 1) / 2 - rank) * step


def _live_positions(
    columns: list[list[str]], module: dict[str, int], count: int, shift: int
) -> tuple[dict[str, tuple[float, float]], float]:
    """Each module gets a band as high as its largest layer needs."""
    cells = [
        [[v for v in column if module.get(v) == m] for m in range(count)] for column in columns
    ]
    most = [max((len(row[m]) for row in cells), default=0) or 1 for m in range(count)]
    free = max(1.0 - _GAP * (count - 1), 0.3)
    gap = (1.0 - free) / max(count - 1, 1)
    heights = [free * size / sum(most) for size in most]
    spacing = free / sum(most)
    position: dict[str, tuple[float, float]] = {}
    for place, row in enumerate(cells):
        top = 1.0
        for m, members in enumerate(row):
            step = min(heights[m] / max(len(members), 1), _WIDEST * spacing)
            for rank, variable in enumerate(members):
                height = _centred(rank, len(members), step, top - heights[m] / 2)
                position[variable] = (float(place + shift), height)
            top -= heights[m] + gap
    return position, spacing


def _inert_positions(
    columns: list[list[str]], inert: set[str], shift: int
) -> dict[str, tuple[float, float]]:
    position: dict[str, tuple[float, float]] = {}
    for place, column in enumerate(columns):
        here = [variable for variable in column if variable in inert]
        for rank, variable in enumerate(here):
            row, column_of = divmod(rank, _INERT_IN_ROW)
            wide = min(_INERT_IN_ROW, len(here) - row * _INERT_IN_ROW)
            across = place + shift - _centred(column_of, wide, 0.028, 0.0)
            position[variable] = (across, -0.07 - 0.035 * row)
    return position


def _by_receiver(inputs: list[str], module: dict[str, int], edges: list[Edge]) -> list[str]:
    """Inputs in the order of the modules that they feed, so that connections cross little."""
    fed: dict[str, list[int]] = {}
    for source, target, _ in edges:
        fed.setdefault(source, []).append(module[target])
    return sorted(inputs, key=lambda v: round(sum(fed[v]) / len(fed[v]), 1) if v in fed else 0.0)


def _connections(scm: StructuralCausalModel, strength: Tensor | None) -> list[Edge]:
    """Structural connections, where a tied site counts as the one that stands for it."""
    from causalmod.scm.units import unit_edges  # loads torch, which texts alone do not need

    found: dict[tuple[str, str], float] = {}
    place = scm.units.position
    for (start, end), matrix in unit_edges(scm).items():
        senders, receivers = scm.sites[start].variables, scm.sites[end].variables
        for i, j in matrix.nonzero().tolist():
            pair = (senders[i], receivers[j])
            found[pair] = 1.0
            if strength is not None and pair[0] in place and pair[1] in place:
                found[pair] = float(strength[place[pair[0]], place[pair[1]]])
    return [(source, target, value) for (source, target), value in found.items()]
