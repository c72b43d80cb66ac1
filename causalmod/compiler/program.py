"""Program: replay any part of a traced network, with changes made on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from causalmod.compiler.ops import op_name
from causalmod.compiler.trace import Trace

Patch = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Step:
    """One operation of a plan, and the values that are needed no longer after it."""

    name: str
    run: Callable[[Mapping[str, Any]], Any]
    free: tuple[str, ...]


class Program:
    """The operations of a network, replayable from any tensor to any other.

    The operations are the network's own, called in the network's own order, so a replay with the
    same rows gives the same bits. A program holds no data.
    """

    def __init__(self, trace: Trace, constants: Mapping[str, Tensor] | None = None) -> None:
        self.trace = trace
        self._given = dict(trace.constants if constants is None else constants)
        self.constants: dict[str, Any] = dict(self._given)
        self.nodes: dict[str, fx.Node] = {node.name: node for node in trace.graph.nodes}
        self._order = {name: place for place, name in enumerate(self.nodes)}
        self._rows = _batch_symbol(self.nodes[next(iter(trace.inputs.values()))])
        self.by_row: dict[str, bool] = {n: self._is_by_row(node) for n, node in self.nodes.items()}
        self._runners: dict[str, Callable[[Mapping[str, Any]], Any]] = {}
        self._plans: dict[tuple[Any, ...], tuple[list[Step], tuple[str, ...]]] = {}
        self._descendants: dict[str, frozenset[str]] = {}
        self.static = self._fold_static()

    def with_constants(self, changed: Mapping[str, Tensor]) -> Program:
        """Return the same program with some constants replaced, by node name.

        A result that is computed from parameters alone (a masked weight, say) may be replaced too.
        """
        return Program(self.trace, {**self._given, **changed})

    # --- facts about the graph ------------------------------------------------------------------

    def row_shape(self, name: str) -> tuple[int, ...]:
        """Shape of one row of a tensor whose first dimension is the rows."""
        return tuple(int(size) for size in self.nodes[name].meta["val"].shape[1:])

    def descendants(self, name: str) -> frozenset[str]:
        """Every node that reads ``name``, directly or not."""
        if name not in self._descendants:
            found: set[str] = set()
            stack = [self.nodes[name]]
            while stack:
                for user in stack.pop().users:
                    if user.op == "call_function" and user.name not in found:
                        found.add(user.name)
                        stack.append(user)
            self._descendants[name] = frozenset(found)
        return self._descendants[name]

    def in_order(self, names: Iterable[str]) -> list[str]:
        """Sort node names as the network computes them."""
        return sorted(names, key=self._order.__getitem__)

    def _is_by_row(self, node: fx.Node) -> bool:
        value = node.meta.get("val")
        if not isinstance(value, Tensor) or value.ndim == 0:
            return False
        sizes = [size if isinstance(size, int) else size.node.expr for size in value.shape]
        return sizes[0] == self._rows and all(isinstance(size, int) for size in sizes[1:])

    def _fold_static(self) -> frozenset[str]:
        """Compute what depends on no input, once; return the names of all such nodes."""
        inputs = set(self.trace.inputs.values())
        moving = set(inputs)
        for name in inputs:
            moving |= self.descendants(name)
        static = [n for n, node in self.nodes.items() if node.op != "output" and n not in moving]
        with torch.no_grad():
            for name in static:
                node = self.nodes[name]
                if node.op == "call_function" and name not in self._given:
                    self.constants[name] = self._runner(name)(self.constants)
        return frozenset(static)

    # --- replay ---------------------------------------------------------------------------------

    def run(
        self,
        known: Mapping[str, Any],
        wanted: Iterable[str],
        patches: Mapping[str, Patch] | None = None,
    ) -> dict[str, Tensor]:
        """Compute ``wanted`` from ``known`` tensors, passing some through patches on the way.

        Args:
            known: node name → its value; all must have the same number of rows.
            wanted: node names to return.
            patches: node name → function of the node's natural value; readers see its result.

        Returns:
            dict: node name → tensor, as its readers see it.
        """
        patches = patches or {}
        wanted = tuple(wanted)
        steps, sizes = self._plan(frozenset(known), wanted)
        values: dict[str, Any] = dict(self.constants)
        rows = next(iter(known.values())).shape[0]
        values.update(dict.fromkeys(sizes, rows))
        for name, value in known.items():
            values[name] = patches[name](value) if name in patches else value
        for step in steps:
            value = step.run(values)
            values[step.name] = patches[step.name](value) if step.name in patches else value
            for name in step.free:
                del values[name]
        return {name: values[name] for name in wanted}

    def needs(self, wanted: Iterable[str], stop: Callable[[str], bool]) -> list[str]:
        """Names at which a walk back from ``wanted`` ends: where ``stop`` holds, or at an input."""
        seen: set[str] = set()
        ends: list[str] = []
        stack = [name for name in wanted if name not in self.constants]
        while stack:
            name = stack.pop()
            if name in seen or self._is_row_count(name):
                continue
            seen.add(name)
            node = self.nodes[name]
            if node.op == "placeholder" or stop(name):
                ends.append(name)
            else:
                stack.extend(a.name for a in node.all_input_nodes if a.name not in self.constants)
        return self.in_order(ends)

    def _is_row_count(self, name: str) -> bool:
        value = self.nodes[name].meta.get("val")
        return isinstance(value, torch.SymInt) and value.node.expr == self._rows

    def _plan(
        self, known: frozenset[str], wanted: tuple[str, ...]
    ) -> tuple[list[Step], tuple[str, ...]]:
        key = (known, wanted)
        if key in self._plans:
            return self._plans[key]
        needed: set[str] = set()
        sizes: set[str] = set()
        stack = [name for name in wanted if name not in known]
        while stack:
            name = stack.pop()
            if name in needed or name in known or name in self.constants:
                continue
            if self._is_row_count(name):
                sizes.add(name)
                continue
            needed.add(name)
            stack.extend(a.name for a in self.nodes[name].all_input_nodes)
        order = self.in_order(needed)
        last: dict[str, str] = {}
        for name in order:
            for argument in self.nodes[name].all_input_nodes:
                if argument.name in needed or argument.name in known:
                    last[argument.name] = name
        ends: dict[str, list[str]] = {}
        for name, end in last.items():
            if name not in wanted:
                ends.setdefault(end, []).append(name)
        steps = [Step(name, self._runner(name), tuple(ends.get(name, ()))) for name in order]
        self._plans[key] = (steps, tuple(sizes))
        return self._plans[key]

    def _runner(self, name: str) -> Callable[[Mapping[str, Any]], Any]:
        if name not in self._runners:
            node = self.nodes[name]
            if op_name(node) == "site":
                source = node.args[0].name  # type: ignore[union-attr]
                self._runners[name] = lambda values: values[source]
            else:
                self._runners[name] = _bind(node)
        return self._runners[name]


def _batch_symbol(node: fx.Node) -> Any:
    size = node.meta["val"].shape[0]
    return size if isinstance(size, int) else size.node.expr


def _bind(node: fx.Node) -> Callable[[Mapping[str, Any]], Any]:
    """Return a function that looks up the node's arguments and calls its operation."""
    target: Any = node.target
    read_args = _reader(tuple(node.args))
    if not node.kwargs:
        return lambda values: target(*read_args(values))
    read_kwargs = _reader(dict(node.kwargs))
    return lambda values: target(*read_args(values), **read_kwargs(values))


def _reader(argument: Any) -> Callable[[Mapping[str, Any]], Any]:
    if isinstance(argument, fx.Node):
        name = argument.name
        return lambda values: values[name]
    if isinstance(argument, tuple):
        parts = [_reader(part) for part in argument]
        return lambda values: tuple(part(values) for part in parts)
    if isinstance(argument, list):
        parts = [_reader(part) for part in argument]
        return lambda values: [part(values) for part in parts]
    if isinstance(argument, dict):
        named = {key: _reader(part) for key, part in argument.items()}
        return lambda values: {key: part(values) for key, part in named.items()}
    if isinstance(argument, slice):
        ends = [_reader(end) for end in (argument.start, argument.stop, argument.step)]
        return lambda values: slice(*(end(values) for end in ends))
    return lambda values: argument
