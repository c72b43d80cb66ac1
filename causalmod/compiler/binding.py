"""Bind the operations of a graph to functions of a table of values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx

from causalmod.compiler.in_place import writes_into
from causalmod.compiler.ops import op_name
from causalmod.compiler.refusal import describe
from causalmod.errors import InputError

Run = Callable[[Mapping[str, Any]], Any]


def bind(node: fx.Node, target: Any = None, swapped: bool = False) -> Run:
    """Return a function that looks up the node's arguments and calls its operation.

    Args:
        node: the operation.
        target: another operation to call in its place.
        swapped: exchange the first two arguments.
    """
    if op_name(node) == "site":
        return _reader(node.args[0])
    target = node.target if target is None else target
    # a patched tensor may lie otherwise in memory; the method is called faster than the operation
    if target in {torch.ops.aten.view.default, torch.ops.aten.reshape.default}:
        target = Tensor.reshape
    args = (node.args[1], node.args[0], *node.args[2:]) if swapped else tuple(node.args)
    read_args = _filler(args)
    if not node.kwargs:
        if op_name(node) == "embedding":
            return _looking_up(node, target, read_args)
        return lambda values: target(*read_args(values))
    read_kwargs = _reader(dict(node.kwargs))
    return lambda values: target(*read_args(values), **read_kwargs(values))


def _looking_up(node: fx.Node, target: Callable[..., Tensor], read: Run) -> Run:
    """Bind a look-up, which fails when an intervention sets a number that the table lacks."""

    def run(values: Mapping[str, Any]) -> Any:
        table, numbers, *rest = read(values)
        try:
            return target(table, numbers, *rest)
        except IndexError as error:
            raise InputError(
                f"an intervention leads to the numbers {int(numbers.min())} to "
                f"{int(numbers.max())}, which are looked up in a table of {len(table)} rows "
                f"({describe(node)}); set whole numbers from 0 to {len(table) - 1}"
            ) from error

    return run


def bind_into(node: fx.Node) -> Callable[[Mapping[str, Any], Tensor], Tensor]:
    """Return a function that calls the node's operation on memory for its result."""
    target = writes_into(node)
    read = _filler(tuple(node.args))
    return lambda values, out: target(*read(values), out=out)


def _filler(args: tuple[Any, ...] | list[Any]) -> Callable[[Mapping[str, Any]], list[Any]]:
    """Return a function that fills the nodes among some arguments; most are plain, or nodes."""
    plain = [None if _holds_nodes(each) else each for each in args]
    names = [(at, each.name) for at, each in enumerate(args) if isinstance(each, fx.Node)]
    nested = [
        (at, _reader(each))
        for at, each in enumerate(args)
        if _holds_nodes(each) and not isinstance(each, fx.Node)
    ]

    def fill(values: Mapping[str, Any]) -> list[Any]:
        found = plain.copy()
        for at, name in names:
            found[at] = values[name]
        for at, read in nested:
            found[at] = read(values)
        return found

    return fill


def _holds_nodes(held: Any) -> bool:
    if isinstance(held, slice):
        return _holds_nodes((held.start, held.stop, held.step))
    if isinstance(held, dict):
        return _holds_nodes(tuple(held.values()))
    if isinstance(held, (tuple, list)):
        return any(map(_holds_nodes, held))
    return isinstance(held, fx.Node)


def _reader(held: Any) -> Run:
    """Return a function that fills the nodes in an argument with their values."""
    if isinstance(held, fx.Node):
        name = held.name
        return lambda values: values[name]
    if isinstance(held, tuple):
        fill = _filler(held)
        return lambda values: tuple(fill(values))
    if isinstance(held, list):
        return _filler(held)
    if isinstance(held, dict):
        named = {key: _reader(part) for key, part in held.items()}
        return lambda values: {key: part(values) for key, part in named.items()}
    if isinstance(held, slice):
        ends = [_reader(end) for end in (held.start, held.stop, held.step)]
        return lambda values: slice(*(end(values) for end in ends))
    return lambda values: held
