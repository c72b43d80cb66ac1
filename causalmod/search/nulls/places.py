"""Which unit each entry of a tensor belongs to, seen through views, activations and norms.

The units of a site keep their places through views, elementwise functions, norms and pools. So what
a matrix reads (a flattened image, say) can be traced back to channels, heads or units, and what it
gives can be traced on to the site that it is the pre-activation of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import Tensor, fx

from causalmod.compiler.ops import (
    ELEMENTWISE,
    POOLS,
    REDUCTIONS,
    SUMS,
    VIEWS,
    argument,
    is_rename,
    op_name,
)  # fmt: skip
from causalmod.compiler.patterns import Spread, UncoveredError
from causalmod.compiler.roles import Roles
from causalmod.scm import StructuralCausalModel
from causalmod.variables import Site

_PROBE = 2  # rows with which places are followed; operations drop a dimension of one
_NORMS = frozenset({"layer_norm", "rms_norm", "group_norm", "instance_norm"})
_NONE = 0  # place of an entry that belongs to no unit


@dataclass(frozen=True)
class Side:
    """The senders, or the receivers, of a matrix.

    Attributes:
        unit: ``[entry]`` entries with the same number belong to one unit.
        live: bool ``[entry]``: does it belong to a live unit, or to no unit at all?
        turn: where the site is in a basis, and entries are its coordinates: ``[coordinate, entry of
            the matrix]`` what reads a coordinate, and what a coordinate writes.
    """

    unit: Tensor
    live: Tensor
    turn: tuple[Tensor, Tensor] | None = None

    def joined(self, other: Side) -> Side:
        """Return the same entries, live where they are in either."""
        return replace(self, live=self.live | other.live)

    def tiled(self, times: int) -> Side:
        """Return the entries several times over: the gates of a recurrent unit."""
        return Side(self.unit.repeat(times), self.live.repeat(times))


class Places:
    """Traces the entries of tensors to units.

    Args:
        scm: the model. In a submodel only its own units are live.
    """

    def __init__(self, scm: StructuralCausalModel) -> None:
        self._scm = scm
        self.program = scm.program
        self._spread = Spread(self.program, _PROBE)
        self._inside = bool(getattr(scm, "members", ()))
        self._numbers: dict[str, Tensor] = {}
        live: list[Tensor] = [torch.tensor([True])]  # entries of no unit
        self._features: dict[str, int] = {}  # node in a basis → number of its first feature
        for node, (site, alive) in self._cuts().items():
            if site.basis is not None and not site.basis.is_identity:
                continue
            start = sum(len(each) for each in live)
            own = torch.arange(start, start + site.count)[:, None].expand(-1, site.width)
            if site.count * site.width:
                self._numbers[node] = self._like(site, own)
                live.append(alive)
        self._last_unit = sum(len(each) for each in live) - 1
        for site in scm.sites.values():
            if site.basis is not None and not site.basis.is_identity:
                start = sum(len(each) for each in live)
                self._features[scm.node_of(site.name)] = start
                self._numbers[scm.node_of(site.name)] = self._by_feature(site, start)
                live.append(torch.ones(site.basis.features, dtype=torch.bool))
        self._live = torch.cat(live)

    def value(self, node: str) -> Tensor:
        """Return a tensor, constant or on the data, as the network has it."""
        held = self.program.constants.get(node)
        return held if held is not None else self._scm.recorded(node)

    def values(self, node: str) -> Tensor | None:
        """Return numbers that depend on the data; None when a tensor holds none."""
        if node not in self.program.informed:
            return None
        value = self._scm.recorded(node)
        return value if value.is_floating_point() else None

    def senders(self, node: str, *dims: int) -> Side:
        """Tell which units the entries along some dimensions of a tensor belong to.

        Args:
            node: what a matrix reads.
            dims: dimensions, flattened in this order.
        """
        found = self._senders.get(node)
        if found is None:
            found = torch.zeros(self._spread.shape(self._node(node)), dtype=torch.long)
        found = last(found, dims)
        turned = self._coordinates_of(found)
        if turned is not None:
            return turned
        found = torch.where(found > self._last_unit, _NONE, found)
        alive = (self._live[found] & (found != _NONE)).any(0) | (found == _NONE).all(0)
        return Side(_blocks(found), alive)

    def receivers(self, node: str, *dims: int) -> Side:
        """Tell which units the entries along some dimensions of a result drive before all others.

        What drives no site is no unit, and counts as live.

        Args:
            node: what a matrix gives.
            dims: dimensions, flattened in this order.
        """
        shape = self._spread.shape(self._node(node))
        sizes = [shape[dim] for dim in dims]
        size = prod(sizes)
        numbers = torch.arange(1, size + 1).reshape(sizes)
        places = [dim % len(shape) for dim in dims]
        numbers = numbers.permute(sorted(range(len(dims)), key=places.__getitem__))
        for place in sorted(set(range(len(shape))) - set(places)):
            numbers = numbers.unsqueeze(place)
        owner = torch.full((size + 1,), -1)  # no site met yet
        alive = torch.zeros(size + 1, dtype=torch.bool)
        start = {node: numbers.expand(shape)}
        straight = self._follow(start, through_sums=True, straight=True) if self._features else {}
        for reached in straight.keys() & self._features.keys():
            turned = self._coordinates_met(reached, straight[reached], size)
            if turned is not None:
                return turned
        known = node in self._numbers  # what is a site itself needs no search
        met = start if known else self._follow(start, through_sums=True)
        for reached, entries in met.items():
            if reached in self._numbers and reached not in self._features:
                held = entries.flatten()
                chosen = held != _NONE
                entry, unit = held[chosen], self._numbers[reached].flatten()[chosen]
                alive[entry[self._live[unit]]] = True
                owner = torch.where(owner == -1, _only(entry, unit, size + 1), owner)
        return Side(_blocks(owner[None, 1:].clamp_min(_NONE)), (alive | (owner == -1))[1:])

    def _node(self, name: str) -> fx.Node:
        return self.program.nodes[name]

    # --- where units stand ------------------------------------------------------------------------

    def _cuts(self) -> Mapping[str, tuple[Site, Tensor]]:
        """Node → how it is cut into units, and which of them are live."""
        scm, found = self._scm, {}
        for name, site in scm.sites.items():
            found[scm.node_of(name)] = (site, self._live_of(name))
        roles = Roles(self.program)
        for each in roles.attentions:  # heads are heads, chosen as variables or not
            whole = found.get(each.heads)
            for part in (each.query, each.key, each.value, each.heads):
                axis = roles.head_axis.get(part)
                if part in found or part not in self.program.rows or axis is None:
                    continue
                rows = self.program.rows[part]
                site = Site("", (), rows.shape, (axis,), "", "", rows.shape, rows.dim, "head")
                alive = torch.full((site.count,), not self._inside or whole is None)
                if whole is not None and whole[0].count == site.count:
                    alive = whole[1]
                found[part] = (site, alive)
        return found

    def _live_of(self, name: str) -> Tensor:
        scm = self._scm
        if name in scm.inputs:
            return torch.full((scm.sites[name].count,), not self._inside)
        chosen, live = scm.representative[name], scm.units.position
        return torch.tensor([unit in live for unit in scm.sites[chosen].variables])

    def _like(self, site: Site, own: Tensor) -> Tensor:
        """Lay numbers ``[variable, coordinate]`` out as the network's own tensor has them."""
        return self._laid_out(site, site.paste(own[None].expand(_PROBE, -1, -1)))

    def _laid_out(self, site: Site, several: Tensor) -> Tensor:
        node = self._scm.node_of(site.name) if site.name else None
        rank = self._node(node).meta["val"].ndim if node else several.ndim
        flat = several.flatten(0, 1) if rank < several.ndim else several
        return flat.movedim(0, site.rows_at) if site.rows_at else flat

    # --- sites in a basis -------------------------------------------------------------------------

    def _by_feature(self, site: Site, start: int) -> Tensor:
        """Number the features of a site in a basis, as the network's own tensor has them."""
        assert site.basis is not None
        assert site.neurons is not None
        plain, axis = site.neurons.shape, site.axes[0]
        numbers = torch.arange(start, start + site.basis.features)
        numbers = numbers.reshape(-1, *[1] * (len(plain) - axis - 1))
        return self._laid_out(site.neurons, numbers.expand(_PROBE, *plain))

    def _coordinates_of(self, found: Tensor) -> Side | None:
        """The coordinates of a site in a basis, if ``[sample, entry]`` are all its features."""
        numbers = found[0]
        for node, start in self._features.items():
            site = self._scm.sites[str(self._scm.site_at(node))]
            assert site.basis is not None
            features = numbers - start
            every = torch.arange(site.basis.features)
            if features.sort().values.equal(every) and bool((found == numbers).all()):
                return self._turned(site, features)
        return None

    def _coordinates_met(self, node: str, entries: Tensor, size: int) -> Side | None:
        """The same for what a matrix gives, if its entries ``1 ... size`` are those features."""
        site = self._scm.sites[str(self._scm.site_at(node))]
        held, features = entries.flatten(), self._numbers[node].flatten() - self._features[node]
        assert site.basis is not None
        if site.basis.features != size or not bool((held != _NONE).all()):
            return None
        feature_of = torch.full((size,), -1).scatter_(0, held - 1, features)
        same = bool((feature_of[held - 1] == features).all())
        every = torch.arange(size)
        return (
            self._turned(site, feature_of)
            if same and feature_of.sort().values.equal(every)
            else None
        )

    def _turned(self, site: Site, features: Tensor) -> Side | None:
        """Units and matrices of a site in a basis, whose entries are these features."""
        assert site.basis is not None
        if not site.basis.is_linear:
            return None
        unit = torch.arange(site.count).repeat_interleave(torch.tensor(site.basis.sizes)) + 1
        live = self._live_of(site.name)[unit - 1]
        turn = (site.basis.matrix.cpu()[:, features], site.basis.directions.cpu()[:, features])
        return Side(unit, live, turn)

    # --- how they keep their places ---------------------------------------------------------------

    @cached_property
    def _senders(self) -> dict[str, Any]:
        return self._follow(self._numbers, through_sums=False)

    def _follow(
        self, start: Mapping[str, Tensor], through_sums: bool, straight: bool = False
    ) -> dict[str, Any]:
        """Carry numbers on through the graph, up to the next units.

        Args:
            start: node → numbers, 0 for none.
            through_sums: does what is added to something else keep its number?
            straight: follow views and sums only, along which what is given stays as it is.
        """
        found: dict[str, Any] = dict(start)  # operations such as split give several tensors
        ends = self._numbers.keys() - start.keys()
        for name, node in self.program.nodes.items():
            if name in start or node.op != "call_function":
                continue
            given = [each for each in node.all_input_nodes if each.name in found]
            given = [each for each in given if each.name not in ends]
            moves = op_name(node) in VIEWS | SUMS or is_rename(node)
            if not given or (straight and not moves):
                continue
            try:
                made = self._through(node, {g.name: found[g.name] for g in given}, through_sums)
            except (UncoveredError, RuntimeError, TypeError, ValueError, IndexError):
                continue  # no rule covers this use of the operation: its entries are no units
            parts = [made] if isinstance(made, Tensor) else made or []
            if any(bool((part != _NONE).any()) for part in parts):
                found[name] = made
        return found

    def _through(self, node: fx.Node, given: Mapping[str, Tensor], through_sums: bool) -> Any:
        name = op_name(node)
        if name in VIEWS:
            return self._spread.run(node, lambda each: self._moved(each, given))
        if not all(isinstance(value, Tensor) for value in given.values()):
            return None
        if not through_sums and not is_rename(node):  # what is made of a feature is no feature
            given = {k: torch.where(v > self._last_unit, _NONE, v) for k, v in given.items()}
        if name in SUMS and not through_sums:
            return self._agreeing(node, given)
        if name in ELEMENTWISE:
            shape = self._spread.shape(node)
            return _common([value.expand(shape) for value in given.values()])
        first = node.args[0]
        if not isinstance(first, fx.Node) or first.name not in given:
            return None
        value = given[first.name]
        if name in _NORMS:
            return value
        if name in POOLS:
            spatial = value.ndim - 2
            return value[(..., *[slice(0, 1)] * spatial)].expand(self._spread.shape(node))
        if name in REDUCTIONS and argument(node, "dim") is not None:
            dims = argument(node, "dim")
            chosen = tuple(dims) if isinstance(dims, (list, tuple)) else (dims,)
            low, high = value.amin(chosen, keepdim=True), value.amax(chosen, keepdim=True)
            same = torch.where(low == high, low, _NONE)
            shape = self._spread.shape(node)
            return same.expand(shape) if same.ndim == len(shape) else same.squeeze(chosen)
        return None

    def _moved(self, each: fx.Node, given: Mapping[str, Tensor]) -> Any:
        if each.name in given:
            return given[each.name]
        if each.name in self.program.constants:
            constant = self.program.constants[each.name].cpu()
            if not constant.is_floating_point():
                return constant
            return torch.zeros(constant.shape, dtype=torch.long)
        return torch.zeros(self._spread.shape(each), dtype=torch.long)

    def _agreeing(self, node: fx.Node, given: Mapping[str, Tensor]) -> Tensor:
        """A sum is of a unit where all that is added is of that unit, or the same for all."""
        shape = self._spread.shape(node)
        parts: list[Tensor] = []
        for each in node.all_input_nodes:
            value = each.meta.get("val")
            if not isinstance(value, Tensor) or each.name in self.program.constants:
                continue
            own = self._spread.shape(each)
            if each.name in given:
                parts.append(given[each.name].expand(shape))
            elif own == shape:
                parts.append(torch.zeros(shape, dtype=torch.long))
        stacked = torch.stack(parts)
        return torch.where((stacked == stacked[0]).all(0), stacked[0], _NONE)


def last(tensor: Tensor, dims: Sequence[int]) -> Tensor:
    """Move some dimensions to the end and flatten them, and all others: ``[sample, entry]``."""
    moved = tensor.movedim(list(dims), list(range(-len(dims), 0)))
    size = prod(moved.shape[-len(dims) :])
    return moved.reshape(-1, size)


def _only(entry: Tensor, unit: Tensor, size: int) -> Tensor:
    """Return the one unit of each entry: none if there are several, -1 if there is no unit."""
    empty = torch.full((size,), -1)
    low = empty.scatter_reduce(0, entry, unit, "amin", include_self=False)
    high = empty.scatter_reduce(0, entry, unit, "amax", include_self=False)
    return torch.where(low == high, low, _NONE)


def _common(parts: list[Tensor]) -> Tensor:
    """Number of each entry where all parts that have one agree, else none."""
    stacked = torch.stack(parts)
    high = stacked.amax(0)
    low = torch.where(stacked == _NONE, high, stacked).amin(0)
    return torch.where(low == high, high, _NONE)


def _blocks(found: Tensor) -> Tensor:
    """Number the units of ``[sample, entry]``; an entry of none, or of several, is its own."""
    low, high = found.amin(0), found.amax(0)
    single = (low != high) | (low == _NONE)
    own = int(found.max()) + 1 + torch.arange(found.shape[1])
    return torch.where(single, own, low)
