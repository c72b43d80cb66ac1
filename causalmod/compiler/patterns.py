"""Patterns of influence, pushed through single operations.

A pattern marks the coordinates that may change when one source variable changes: it has the shape
of the tensor, with sources in the place of rows. Weights count as they are (zero or not),
elementwise operations keep a pattern, reductions spread it along their dimensions, an unknown
operation spreads it over the whole row. So no influence is ever missed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx

from causalmod.compiler.ops import (
    ELEMENTWISE,
    MULTILINEAR,
    POOLS,
    REDUCTIONS,
    VIEWS,
    argument,
    op_name,
)
from causalmod.compiler.program import Program


@dataclass(frozen=True)
class _Anywhere:
    """For a tensor whose rows stand in no known place: which sources may reach something in it."""

    flags: Tensor


Pattern = Any  # a Tensor, several of them, or _Anywhere
Rule = Callable[["Spread", fx.Node, dict[str, Pattern]], Pattern]


class UncoveredError(Exception):
    """A rule does not cover this use of the operation."""


class Spread:
    """Pushes the patterns of some sources through operations.

    Args:
        program: the network.
        sources: number of source variables; two at least, since operations drop dimensions of 1.
    """

    def __init__(self, program: Program, sources: int) -> None:
        self.program = program
        self.sources = sources

    def through(self, node: fx.Node, patterns: dict[str, Pattern]) -> Pattern:
        """Return the pattern of a node's result."""
        touched = [each.name for each in node.all_input_nodes if each.name in patterns]
        if not any(isinstance(patterns[name], _Anywhere) for name in touched):
            rule = _rule(node)
            try:
                return self._checked(node, rule(self, node, patterns))
            except (UncoveredError, RuntimeError, ValueError, TypeError, IndexError):
                pass  # the operation does not run on patterns: all that follows is sound
        # A source that reaches anything that is read here may reach the whole row.
        flags = torch.stack([self.flags(name, patterns[name]) for name in touched]).amax(0)
        rows = self.program.rows.get(node.name)
        if rows is None:
            return _Anywhere(flags)
        shape = self.shape(node)
        along = [-1 if place == rows.dim else 1 for place in range(len(shape))]
        return flags.repeat_interleave(rows.parts).reshape(along).expand(shape)

    def flags(self, name: str, pattern: Pattern) -> Tensor:
        """Return ``[source]``: does it reach anything in this node?"""
        if isinstance(pattern, _Anywhere):
            return pattern.flags
        if isinstance(pattern, Tensor):
            sizes = self.program.nodes[name].meta["val"].shape
            rows = [place for place, size in enumerate(sizes) if isinstance(size, torch.SymInt)]
            if len(rows) == 1 and pattern.shape[rows[0]] == self.sources:
                return pattern.movedim(rows[0], 0).reshape(self.sources, -1).amax(-1)
        return torch.ones(self.sources)  # where the sources stand is not known: assume the worst

    def shape(self, node: fx.Node) -> tuple[int, ...]:
        """Return the shape of a node's pattern."""
        return self._shape_of(node.meta["val"])

    def _shape_of(self, value: Tensor) -> tuple[int, ...]:
        sizes = [self.program.size(size, self.sources) for size in value.shape]
        if None in sizes:
            raise UncoveredError
        return tuple(size for size in sizes if size is not None)

    def _checked(self, node: fx.Node, pattern: Pattern) -> Pattern:
        """Refuse a pattern of the wrong shape, or of a tensor in which rows are not kept apart."""
        values = node.meta["val"]
        several = isinstance(pattern, (tuple, list))
        for value, part in zip(values, pattern, strict=True) if several else [(values, pattern)]:
            by_rows = any(isinstance(size, torch.SymInt) for size in value.shape)
            if not by_rows or tuple(part.shape) != self._shape_of(value):
                raise UncoveredError
        return pattern

    def run(self, node: fx.Node, value: Callable[[fx.Node], Any]) -> Any:
        """Run an operation with a value for each node that it reads; sizes are filled in."""

        def fill(each: fx.Node) -> Any:
            if isinstance(each.meta.get("val"), (torch.SymInt, int)):
                size = self.program.size(each.meta["val"], self.sources)
                if size is None:
                    raise UncoveredError
                return size
            return value(each)

        target: Any = node.target
        args = fx.map_arg(cast(Any, node.args), fill)
        return target(*args, **fx.map_arg(cast(Any, node.kwargs), fill))

    def support(self, node: fx.Node) -> Tensor:
        """Return where a tensor may be other than zero: a constant by its values, else anywhere."""
        if node.name in self.program.constants:
            return (self.program.constants[node.name] != 0).float().cpu()
        return torch.ones(self.shape(node))

    def batch_dims(self, node: fx.Node) -> set[int]:
        """Return the dimensions of a tensor along which rows stand."""
        sizes = node.meta["val"].shape
        return {place for place, size in enumerate(sizes) if isinstance(size, torch.SymInt)}


# --- rules --------------------------------------------------------------------------------------


def _rule(node: fx.Node) -> Rule:
    name = op_name(node)
    if name in _RULES:
        return _RULES[name]
    return next((rule for names, rule in _FAMILIES if name in names), _unknown)


def _unknown(spread: Spread, node: fx.Node, patterns: dict[str, Pattern]) -> Pattern:
    raise UncoveredError


def _elementwise(spread: Spread, node: fx.Node, patterns: dict[str, Pattern]) -> Tensor:
    shape = spread.shape(node)
    result = torch.zeros(shape)
    for each in node.all_input_nodes:
        if each.name in patterns:
            result = torch.maximum(result, patterns[each.name].expand(shape))
    if op_name(node) == "mul":  # a constant factor of exactly zero cuts the influence
        for each in node.all_input_nodes:
            if each.name in spread.program.constants:
                result = result * spread.support(each)
    return result


def _copy(spread: Spread, node: fx.Node, patterns: dict[str, Pattern]) -> Tensor:
    """Only the second argument counts: the first is overwritten."""
    source = node.args[1]
    if isinstance(source, fx.Node) and source.name in patterns:
        return patterns[source.name].expand(spread.shape(node))
    return torch.zeros(spread.shape(node))


def _view(spread: Spread, node: fx.Node, patterns: dict[str, Pattern]) -> Pattern:
    def value(each: fx.Node) -> Any:
        if each.name in patterns:
            return patterns[each.name]
        if each.name in spread.program.constants:
            constant: Tensor = spread.program.constants[each.name].cpu()
            return torch.zeros(constant.shape) if constant.is_floating_point() else constant
        return torch.zeros(spread.shape(each))

    return spread.run(node, value)


def _pool(spread: Spread, node: fx.Node, patterns: dict[str, Pattern]) -> Tensor:
    return (spread.run(node, lambda each: patterns[each.name]) > 0).float()


def _multilinear(spread: Spread, node: fx.Node, patterns: dict[str, Pattern]) -> Tensor:
    """Sum over the factors that change, each with all others at their support."""
    place = MULTILINEAR[op_name(node)]
    added = node.args[place] if place is not None and place < len(node.args) else None
    result = torch.zeros(spread.shape(node))
    for changed in node.all_input_nodes:
        if changed.name not in patterns:
            continue
        if changed is added:
            result = result + patterns[changed.name].expand(result.shape)
            continue

        def value(each: fx.Node, changed: fx.Node = changed) -> Any:
            if each is added:
                return torch.zeros(spread.support(each).shape)
            return patterns[changed.name] if each is changed else spread.support(each)

        result = result + (spread.run(node, value) != 0)
    return (result > 0).float()


def _reduction(spread: Spread, node: fx.Node, patterns: dict[str, Pattern]) -> Tensor:
    pattern = _main(node, patterns)
    dims = argument(node, "dim")
    chosen = [dims] if isinstance(dims, int) else list(dims or [])
    chosen = [dim % pattern.ndim for dim in chosen]
    source = node.args[0]
    if not chosen or not isinstance(source, fx.Node) or spread.batch_dims(source) & set(chosen):
        raise UncoveredError
    shape = spread.shape(node)
    result = pattern.amax(dim=tuple(chosen), keepdim=len(shape) == pattern.ndim)
    return result.expand(shape)


def _layer_norm(spread: Spread, node: fx.Node, patterns: dict[str, Pattern]) -> Tensor:
    pattern = _main(node, patterns)
    count = len(argument(node, "normalized_shape"))
    return pattern.amax(dim=tuple(range(-count, 0)), keepdim=True).expand_as(pattern)


def _glu(spread: Spread, node: fx.Node, patterns: dict[str, Pattern]) -> Tensor:
    dim = argument(node, "dim")
    first, second = _main(node, patterns).chunk(2, -1 if dim is None else dim)
    return torch.maximum(first, second)


def _attention(spread: Spread, node: fx.Node, patterns: dict[str, Pattern]) -> Tensor:
    """Heads stay apart: each position may read every position of its own head."""
    result = torch.zeros(spread.shape(node))
    mixed = {"query": (-1,), "key": (-2, -1), "value": (-2,)}
    arguments = {name: argument(node, name) for name in mixed}
    if {each.name for each in node.all_input_nodes if each.name in patterns} - {
        each.name for each in arguments.values()
    }:
        raise UncoveredError  # a mask that depends on the data
    for name, each in arguments.items():
        if spread.batch_dims(each) & {result.ndim - 2, result.ndim - 1}:
            raise UncoveredError
        if each.name in patterns:
            part = patterns[each.name].amax(dim=mixed[name], keepdim=True)
            result = torch.maximum(result, part.expand(result.shape))
    return result


def _main(node: fx.Node, patterns: dict[str, Pattern]) -> Tensor:
    """Return the pattern of the first argument, which must be the only one that changes."""
    first = node.args[0]
    touched = {each.name for each in node.all_input_nodes if each.name in patterns}
    if not isinstance(first, fx.Node) or touched != {first.name}:
        raise UncoveredError
    return patterns[first.name]


_RULES: dict[str, Rule] = {
    "copy": _copy,
    "fill": _copy,
    "layer_norm": _layer_norm,
    "rms_norm": _layer_norm,
    "glu": _glu,
    "scaled_dot_product_attention": _attention,
}
_FAMILIES: list[tuple[Any, Rule]] = [
    (ELEMENTWISE, _elementwise),
    (VIEWS, _view),
    (POOLS, _pool),
    (MULTILINEAR, _multilinear),
    (REDUCTIONS, _reduction),
]
