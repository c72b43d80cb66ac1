"""Stages: from the units of some sites to those of the next, with linear maps told apart.

A linear map of many units is a sum over groups of units. So where some units answer for themselves
and others are held, what the held ones contribute is found once for each data row, and what a map
gives to units that nobody looks at is not computed at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from torch import Tensor, fx

from causalmod import compiler
from causalmod.compiler.ops import ELEMENTWISE, op_name
from causalmod.interventions import Held

if TYPE_CHECKING:
    from causalmod.scm import StructuralCausalModel
    from causalmod.scm.units import Units
    from causalmod.variables import FittedBasis


@dataclass(frozen=True)
class Map:
    """A linear map of the units of one site.

    Attributes:
        node: its node.
        source: position of the site that it reads.
        weight: ``[unit of the source, output]``.
        bias: ``[output]``, if it has one.
    """

    node: str
    source: int
    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True)
class Stage:
    """How the units of one site follow from those of earlier sites.

    Attributes:
        node: node of the site.
        maps: linear maps through which earlier sites are read.
        whole: positions of the sites that are read in other ways.
        outside: nodes that no unit moves, and that are read too.
        by_column: does unit ``i`` follow from output ``i`` of each map, and nothing else?
    """

    node: str
    maps: tuple[Map, ...]
    whole: tuple[int, ...]
    outside: tuple[str, ...]
    by_column: bool

    @property
    def settled(self) -> bool:
        """Does no unit move these?"""
        return not self.maps and not self.whole


#: Stages of models that are still in use, by the units that were asked for.
_KNOWN: WeakKeyDictionary[
    StructuralCausalModel, dict[tuple[str, ...], tuple[Stage, ...] | None]
] = WeakKeyDictionary()


def find_stages(scm: StructuralCausalModel, units: Units) -> tuple[Stage, ...] | None:
    """Return a stage for each site of the units; None where a model cannot be cut like that.

    It cannot when an intervention stands between the sites, or on a live unit.
    """
    known = _KNOWN.setdefault(scm, {})
    if units.names not in known:
        known[units.names] = _find(scm, units)
    return known[units.names]


def _find(scm: StructuralCausalModel, units: Units) -> tuple[Stage, ...] | None:
    if scm.views_of(None) or not _held_still(scm, units):
        return None
    program = scm.program
    nodes = [scm.node_of(name) for name in units.sites]
    maps: dict[str, Map] = {}
    for place, name in enumerate(units.sites):
        site = scm.sites[name]
        if len(site.shape) != 1 or site.width != 1:
            continue
        readers = compiler.LinearReaders(program, nodes[place], site)
        for node, weight in readers.of_vectors():
            bias, shift = _bias(program.nodes[node], scm), readers.shift(node)
            bias = bias if shift is None else shift if bias is None else bias + shift
            maps[node] = Map(node, place, weight, bias)
    moved = {each for node in nodes for each in program.descendants(node)}
    at = {node: place for place, node in enumerate(nodes)}
    found: list[Stage] = []
    for node in nodes:
        if node not in moved:
            found.append(Stage(node, (), (), (), by_column=False))
            continue
        site = scm.sites[units.sites[at[node]]]
        straight = site.width == 1 and (site.basis is None or site.basis.is_linear)
        if node in maps and straight:
            read = (maps[node] if site.basis is None else _in_basis(maps[node], site.basis),)
            found.append(Stage(node, read, (), (), by_column=True))
            continue
        ends = program.needs(
            [node],
            lambda name, node=node: (
                name != node
                and (name in at or name in maps or (name not in moved and name in program.rows_at))
            ),
        )
        read = tuple(maps[name] for name in ends if name in maps and name not in at)
        whole = tuple(at[name] for name in ends if name in at)
        outside = tuple(name for name in ends if name not in maps and name not in at)
        alone = bool(read) and not whole and not outside and site.basis is None
        narrow = alone and _by_column(program, node, set(ends))
        found.append(Stage(node, read, whole, outside, narrow))
    return tuple(found)


def _in_basis(each: Map, basis: FittedBasis) -> Map:
    """Return the map from the units of its source to the coordinates of what it gives."""
    matrix = basis.matrix.to(each.weight.device).double()
    weight = (each.weight.double() @ matrix.T).to(each.weight).contiguous()
    given = 0.0 if each.bias is None else each.bias.double()
    bias = (given - basis.offset.to(matrix.device).double()) @ matrix.T
    return Map(each.node, each.source, weight, bias.to(each.weight))


def _held_still(scm: StructuralCausalModel, units: Units) -> bool:
    """Do interventions set inert units only, to values of their own rows?"""
    for made in scm.assignments:
        if isinstance(made, Held) and _read_by_its_own_alone(scm, made.site):
            continue
        if made.is_soft or made.site not in units.sites:
            return False
        places = units.index[units.at(units.sites.index(made.site))]
        if bool((made.index[:, None] == places[None]).any()):
            return False
    return True


def _read_by_its_own_alone(scm: StructuralCausalModel, site: str) -> bool:
    """Is a pre-activation read by nothing but its activation, which is held with it?"""
    own = scm.representative[site]
    readers = {t for (s, t), edges in scm.edges.items() if s == site and bool(edges.any())}
    return own != site and readers <= {own} and not bool(scm.to_readouts[site].any())


def _bias(node: fx.Node, scm: StructuralCausalModel) -> Tensor | None:
    place = {"linear": 2, "addmm": 0}.get(op_name(node))
    if place is None or place >= len(node.args):
        return None
    held = node.args[place]
    return scm.program.constants[held.name] if isinstance(held, fx.Node) else None


def _by_column(program: compiler.Program, node: str, ends: set[str]) -> bool:
    """Are all operations from the maps to the site elementwise, on nothing but those maps?"""
    stack, seen = [node], set(ends)
    while stack:
        each = program.nodes[stack.pop()]
        if each.name in seen:
            continue
        seen.add(each.name)
        if op_name(each) not in ELEMENTWISE or any(
            read.name in program.constants for read in each.all_input_nodes
        ):
            return False
        stack.extend(read.name for read in each.all_input_nodes)
    return True
