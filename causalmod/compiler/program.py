"""Program: replay any part of a traced network, with changes made on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import Tensor, fx

from causalmod.compiler.binding import Run, bind, bind_into
from causalmod.compiler.fusion import fuse
from causalmod.compiler.in_place import writers, writes_into
from causalmod.compiler.plan import Patch, Plan, Route, Step, View, patched
from causalmod.compiler.reach import descendants_of, informed_by
from causalmod.compiler.rows import find_rows
from causalmod.compiler.trace import Trace

_ROW_COUNTS = 4  # numbers of rows for which masks and the like are kept


class Program:
    """The operations of a network, replayable from any tensor to any other.

    The operations are the network's own, called in the network's own order, so a replay with the
    same rows gives the same bits. A program holds no data.

    Attributes:
        trace: the graph of operations.
        constants: node name → what it holds, for every node that is the same for all data.
        nodes: node name → node, in the order of the network.
        rows: node name → where the rows stand in it; only nodes in which that is known.
        rows_at: node name → the dimension that is the rows and nothing else.
    """

    def __init__(self, trace: Trace, constants: Mapping[str, Tensor] | None = None) -> None:
        self.trace = trace
        self._given = dict(trace.constants if constants is None else constants)
        self.constants: dict[str, Any] = dict(self._given)
        self.nodes: dict[str, fx.Node] = {node.name: node for node in trace.graph.nodes}
        self._order = {name: place for place, name in enumerate(self.nodes)}
        self._symbols = {self.nodes[n].meta["val"].shape[0].node.expr for n in _used_inputs(self)}
        # What depends on the number of rows alone (arange, say) is computed anew for any rows.
        found = find_rows(trace.graph, self._symbols)
        self.rows = {name: rows for name, rows in found.items() if name in self.informed}
        self.rows_at = {name: rows.dim for name, rows in self.rows.items() if rows.parts == 1}
        self._runners: dict[str, Run] = {}
        self._plans: dict[tuple[Any, ...], Plan] = {}
        self._counted: dict[int, dict[str, Tensor]] = {}
        self._sizes: dict[tuple[Any, int], int | None] = {}
        self._ends: dict[tuple[Any, ...], list[str]] = {}
        self._bytes: dict[str, int] = {}
        self._into: dict[str, Callable[[Mapping[str, Any], Tensor], Tensor]] = {}
        self._descendants: dict[str, frozenset[str]] = {}
        # Some kernels (GRU on a CPU) choose their algorithm by whether a weight wants a gradient,
        # so the operations see the flag that the model's own parameters have.
        self._operands = {
            name: value.detach().requires_grad_() if name in trace.trainable else value
            for name, value in self._given.items()
        }
        self._fold_static()

    def with_constants(self, changed: Mapping[str, Tensor]) -> Program:
        """Return the same program with some constants replaced, by node name.

        A result that is computed from parameters alone (a masked weight, say) may be replaced too.
        """
        return Program(self.trace, {**self._given, **changed})

    @cached_property
    def fused(self) -> tuple[Program, frozenset[str]]:
        """The same program, quicker and equal to rounding, and the nodes that may not be set in it.

        Activations that are written out run as one operation; see :mod:`causalmod.compiler.fusion`.
        """
        trace, inside = fuse(self.trace, self.constants.keys())
        return (Program(trace, self._given), inside) if inside else (self, inside)

    def held(self) -> list[tuple[str, Tensor]]:
        """Return the parameters, buffers and constants of the network, by node name, sorted."""
        return sorted(self._given.items())

    # --- facts about the graph ------------------------------------------------------------------

    def row_shape(self, name: str) -> tuple[int, ...]:
        """Shape of one row of a tensor in which the rows have a known place."""
        return self.rows[name].shape

    def size(self, value: Any, rows: int) -> int | None:
        """Return a size in the graph for a number of rows; None if it depends on the data."""
        if not isinstance(value, torch.SymInt):
            return int(value)
        key = (value.node.expr, rows)
        if key not in self._sizes:
            found = value.node.expr.subs(dict.fromkeys(self._symbols, rows))
            self._sizes[key] = int(found) if found.is_Integer else None
        return self._sizes[key]

    def bytes_per_row(self, name: str) -> int:
        """Return the memory that a node's value takes for each row."""
        if name not in self._bytes:
            self._bytes[name] = self._find_bytes(name)
        return self._bytes[name]

    def _find_bytes(self, name: str) -> int:
        value = self.nodes[name].meta.get("val")
        total = 0
        for each in value if isinstance(value, (tuple, list)) else [value]:
            if isinstance(each, Tensor):
                sizes = [self.size(size, 1) or 1 for size in each.shape]
                total += prod(sizes) * each.element_size()
        return total

    def descendants(self, name: str) -> frozenset[str]:
        """Every node that reads ``name``, directly or not."""
        if name not in self._descendants:
            self._descendants[name] = frozenset(descendants_of(self.nodes[name]))
        return self._descendants[name]

    @cached_property
    def informed(self) -> frozenset[str]:
        """Every node that depends on the values of an input, not only on their number."""
        return frozenset(informed_by(self.trace.inputs.values(), self.nodes))

    def in_order(self, names: Iterable[str]) -> list[str]:
        """Sort node names as the network computes them."""
        return sorted(names, key=self._order.__getitem__)

    def is_row_count(self, name: str) -> bool:
        """Is a node the number of rows?"""
        value = self.nodes[name].meta.get("val")
        return isinstance(value, torch.SymInt) and value.node.expr in self._symbols

    def _fold_static(self) -> None:
        """Compute what depends on no input, once."""
        dependent = set(self.trace.inputs.values())
        for name in self.trace.inputs.values():
            dependent |= self.descendants(name)
        with torch.no_grad():
            for name, node in self.nodes.items():
                if node.op != "call_function" or name in dependent or name in self._given:
                    continue
                self.constants[name] = self._operands[name] = self._runner(name)(self._operands)

    # --- replay ---------------------------------------------------------------------------------

    def run(
        self,
        known: Mapping[str, Tensor],
        wanted: Iterable[str],
        patches: Mapping[str, Patch] | None = None,
        views: Sequence[View] = (),
        *,
        rows: int,
        owned: frozenset[str] = frozenset(),
        into: Mapping[str, Tensor] | None = None,
        differentiable: bool = False,
    ) -> dict[str, Tensor]:
        """Compute ``wanted`` from ``known`` tensors, passing some through patches on the way.

        Args:
            known: node name → its value.
            wanted: node names to return.
            patches: node name → function of the node's natural value; readers see its result.
            views: what single receivers see otherwise than everybody else.
            rows: number of rows of the known tensors.
            owned: known nodes whose tensors the run may write over.
            into: step → memory in which its result is to be made, as :meth:`homes` gives them.
            differentiable: let gradients flow from the results to what the patches put in.

        Returns:
            dict: node name → tensor, as its readers see it.
        """
        patches = patches or {}
        wanted = tuple(wanted)
        routes = tuple(view.route for view in views)
        free = owned.difference(patches)
        plan = self._plan(
            frozenset(known), wanted, routes, frozenset(patches), free, keep_all=differentiable
        )
        operands = self.constants if differentiable else self._operands
        values: dict[str, Any] = {**operands, **dict.fromkeys(plan.sizes, rows)}
        seen_by: dict[str, list[View]] = {}
        for view in views:
            seen_by.setdefault(view.route.receiver, []).append(view)
        with torch.set_grad_enabled(differentiable):
            values.update((name, self._count(name, rows)) for name in plan.counted)
            for name, value in known.items():
                values[name] = patched(value, patches.get(name))
            into = into or {}
            special = {*into, *seen_by, *patches}
            changed = bool(patches or views)
            for step in plan.steps:
                name = step.name
                if name not in special:
                    values[name] = step.result(values, changed)
                else:
                    room = into.get(name)
                    if room is None:
                        natural = step.result(values, changed)
                    else:
                        natural = self._into[name](values, room)
                    if name in seen_by:
                        natural = self._seen(natural, seen_by[name], values, patches)
                    values[name] = patched(natural, patches.get(name))
                for gone in step.free:
                    del values[gone]
        return {name: self.constants.get(name, values[name]) for name in wanted}

    @cached_property
    def _by_count(self) -> frozenset[str]:
        """Tensors that are made of constants and the number of rows (a mask, positions)."""
        found: set[str] = set()
        for name, node in self.nodes.items():
            if node.op != "call_function" or name in self.constants or self.is_row_count(name):
                continue
            reads = [each.name for each in node.all_input_nodes]
            if all(r in found or r in self.constants or self.is_row_count(r) for r in reads):
                found.add(name)
        return frozenset(n for n in found if isinstance(self.nodes[n].meta.get("val"), Tensor))

    def _count(self, name: str, rows: int) -> Tensor:
        """Return such a tensor, computed once for each number of rows."""
        if rows not in self._counted:
            while len(self._counted) >= _ROW_COUNTS:
                del self._counted[next(iter(self._counted))]
            self._counted[rows] = {}
        held = self._counted[rows]
        if name not in held:
            values: dict[str, Any] = dict(self._operands)
            stack, order = [name], []
            while stack:
                each = stack.pop()
                if self.is_row_count(each):
                    values[each] = rows
                elif each not in values and self.nodes[each].op == "call_function":
                    order.append(each)
                    stack.extend(a.name for a in self.nodes[each].all_input_nodes)
            for each in self.in_order(set(order)):
                values[each] = held[each] if each in held else self._runner(each)(values)
            held[name] = values[name]
        return held[name]

    def homes(
        self, known: Iterable[str], wanted: Iterable[str], owned: frozenset[str]
    ) -> dict[str, str]:
        """Tell where the memory of wanted values comes from, in a run without patches or views.

        Returns:
            dict: wanted node → a step that can write into memory that it is given, or an owned
            known node. The wanted value ends up in that memory, in the same order.
        """
        plan = self._plan(frozenset(known), tuple(wanted), (), frozenset(), owned)
        return {w: home for w, home in plan.homes.items() if home in owned or home in self._into}

    def _seen(
        self,
        natural: Tensor,
        views: Iterable[View],
        values: Mapping[str, Any],
        patches: Mapping[str, Patch],
    ) -> Tensor:
        """Return what a receiver makes of its private views."""
        seen = natural
        for view in views:
            private = dict(values)
            for name, patch in view.senders.items():
                private[name] = patched(values[name], patch)
            for name in view.route.steps:
                private[name] = self._runner(name)(private)
                if name != view.route.receiver:
                    private[name] = patched(private[name], patches.get(name))
            own = private[view.route.receiver]
            seen = patched(seen, lambda value, own=own, view=view: view.merge(value, own))
        return seen

    def needs(
        self, wanted: Iterable[str], stop: Callable[[str], bool], routes: Sequence[Route] = ()
    ) -> list[str]:
        """Names at which a walk back from ``wanted`` ends: where ``stop`` holds, or at an input."""
        seen: set[str] = set()
        ends: list[str] = []
        more = self._routed(routes)
        stack = [name for name in wanted if name not in self.constants]
        while stack:
            name = stack.pop()
            if name in seen or self.is_row_count(name):
                continue
            seen.add(name)
            if self.nodes[name].op == "placeholder" or stop(name):
                ends.append(name)
            else:
                stack.extend(n for n in self._reads(name, more) if n not in self.constants)
        return self.in_order(ends)

    def ends(
        self, moved: frozenset[str], wanted: tuple[str, ...], routes: tuple[Route, ...] = ()
    ) -> list[str]:
        """Names of the nodes from whose values ``wanted`` follow, when only ``moved`` nodes move.

        Args:
            moved: the nodes that are computed again.
            wanted: the nodes to compute.
            routes: operations that are run again for single receivers.
        """
        key = (moved, wanted, routes)
        if key not in self._ends:
            self._ends[key] = self.needs(
                wanted, lambda name: name not in moved and name in self.rows_at, routes
            )
        return self._ends[key]

    def _routed(self, routes: Sequence[Route]) -> dict[str, set[str]]:
        """Receiver → what its routes read from outside."""
        found: dict[str, set[str]] = {}
        for route in routes:
            read = {each.name for n in route.steps for each in self.nodes[n].all_input_nodes}
            found.setdefault(route.receiver, set()).update(read - set(route.steps))
        return found

    def _reads(self, name: str, routed: Mapping[str, set[str]]) -> set[str]:
        return {each.name for each in self.nodes[name].all_input_nodes} | routed.get(name, set())

    def _plan(
        self,
        known: frozenset[str],
        wanted: tuple[str, ...],
        routes: tuple[Route, ...],
        patched: frozenset[str],
        owned: frozenset[str],
        keep_all: bool = False,
    ) -> Plan:
        key = (known, wanted, routes, patched, owned, keep_all)
        if key in self._plans:
            return self._plans[key]
        routed = self._routed(routes)
        needed: set[str] = set()
        sizes: set[str] = set()
        counted: set[str] = set()
        stack = [name for name in wanted if name not in known]
        while stack:
            name = stack.pop()
            if name in needed or name in known or name in self.constants:
                continue
            if self.is_row_count(name):
                sizes.add(name)
                continue
            if name in self._by_count:
                counted.add(name)
                continue
            needed.add(name)
            stack.extend(self._reads(name, routed))
        order = self.in_order(needed)
        last: dict[str, str] = {}
        for name in order:
            for each in self._reads(name, routed):
                if each in needed or each in known:
                    last[each] = name
        ends: dict[str, list[str]] = {}
        for name, end in last.items():
            if name not in wanted:
                ends.setdefault(end, []).append(name)
        reads = {name: self._reads(name, routed) for name in order}
        # A patch, or a private view, may keep what it was shown.
        kept = {*wanted, *patched, *(route.receiver for route in routes)}
        kept |= {*order, *known} if keep_all else set()
        kept |= {sender for route in routes for sender in route.senders}
        receivers = {route.receiver for route in routes}
        writing = writers(self.nodes, order, reads, kept, owned, receivers)
        steps = [
            Step(
                name,
                bind(self.nodes[name], *writing.over[name])
                if name in writing.over
                else self._runner(name),
                tuple(ends.get(name, ())),
            )
            for name in order
        ]
        for name in order:
            if name not in self._into and writes_into(self.nodes[name]) is not None:
                self._into[name] = bind_into(self.nodes[name])
        self._plans[key] = Plan(steps, tuple(sizes), tuple(counted), writing.homes)
        return self._plans[key]

    def _runner(self, name: str) -> Run:
        if name not in self._runners:
            self._runners[name] = bind(self.nodes[name])
        return self._runners[name]


def _used_inputs(program: Program) -> list[str]:
    """Inputs whose number of rows the graph knows by a symbol (all but unused ones, as a rule)."""
    names = program.trace.inputs.values()
    return [n for n in names if isinstance(program.nodes[n].meta["val"].shape[0], torch.SymInt)]
