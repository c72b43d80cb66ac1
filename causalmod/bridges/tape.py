"""Tape: a part of a network as a list of operations that can be kept in a file."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from causalmod.compiler import Program
from causalmod.compiler.ops import op_name


@dataclass(frozen=True)
class Value:
    """Stands for the value of a node among the arguments of an operation."""

    name: str


@dataclass(frozen=True)
class Call:
    """One operation: what it is called, and its arguments."""

    name: str
    operation: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class Tape:
    """The operations from some nodes to another.

    Attributes:
        calls: the operations, in order.
        constants: node → what is the same for all data.
        sizes: nodes that are the number of rows.
        end: the node that is returned.
    """

    calls: tuple[Call, ...]
    constants: dict[str, Any]
    sizes: tuple[str, ...]
    end: str

    def __call__(self, known: Mapping[str, Tensor], rows: int) -> Tensor:
        """Compute the end from the values of the nodes that the tape starts at."""
        values: dict[str, Any] = {**self.constants, **known, **dict.fromkeys(self.sizes, rows)}
        with torch.no_grad():
            for call in self.calls:
                operation = _operation(call.operation)
                args, kwargs = _filled(call.args, values), _filled(call.kwargs, values)
                values[call.name] = operation(*args, **kwargs)
        return values[self.end]


def record(program: Program, starts: list[str], end: str) -> Tape:
    """Return the operations that lead from the nodes ``starts`` to the node ``end``."""
    needed: set[str] = set()
    constants: dict[str, Any] = {}
    sizes: list[str] = []
    stack = [end]
    while stack:
        name = stack.pop()
        if name in needed or name in starts:
            continue
        if name in program.constants:
            constants[name] = program.constants[name]
        elif program.is_row_count(name):
            sizes.append(name)
        else:
            needed.add(name)
            stack.extend(each.name for each in program.nodes[name].all_input_nodes)
    calls = tuple(_call(program.nodes[name]) for name in program.in_order(needed))
    return Tape(calls, constants, tuple(sizes), end)


def _call(node: fx.Node) -> Call:
    if op_name(node) == "site":
        return Call(node.name, operator.pos, (Value(str(node.args[0])),), {})
    operation: Any = node.target
    if operation is torch.ops.aten.view.default:  # values that are set may lie otherwise in memory
        operation = torch.ops.aten.reshape.default
    name = operation.name() if isinstance(operation, torch._ops.OpOverload) else operation
    return Call(node.name, name, _plain(tuple(node.args)), _plain(dict(node.kwargs)))


def _operation(name: Any) -> Any:
    if not isinstance(name, str):
        return name
    space, _, rest = name.partition("::")
    packet, _, overload = rest.partition(".")
    return getattr(getattr(getattr(torch.ops, space), packet), overload or "default")


def _plain(held: Any) -> Any:
    """Return arguments with nodes as :class:`Value`."""
    if isinstance(held, fx.Node):
        return Value(held.name)
    if isinstance(held, dict):
        return {key: _plain(value) for key, value in held.items()}
    if isinstance(held, list | tuple):
        return type(held)([_plain(each) for each in held])
    if isinstance(held, slice):
        return slice(*(_plain(each) for each in (held.start, held.stop, held.step)))
    return held


def _filled(held: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(held, Value):
        return values[held.name]
    if isinstance(held, dict):
        return {key: _filled(value, values) for key, value in held.items()}
    if isinstance(held, list | tuple):
        return type(held)([_filled(each, values) for each in held])
    if isinstance(held, slice):
        return slice(*(_filled(each, values) for each in (held.start, held.stop, held.step)))
    return held
