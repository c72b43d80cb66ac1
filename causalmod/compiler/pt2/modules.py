"""Names of modules in a graph from a file: which tensor each module call gave.

A file has no record of what a module returned, but each of its operations says which module calls
it stands in. A call's result is the last tensor inside that is read outside; a marker operation
after it carries the name, as when a live network is traced. Where several results of one operation
are read, or a recurrent layer gives several, each has its number, as there.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from torch import fx

from causalmod.compiler.ops import op_name
from causalmod.compiler.pt2.graph import GraphReader, Stack

#: Modules of these operations return all that the operation gives.
_SEVERAL = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell"})


def mark_modules(reader: GraphReader, mark: Callable[..., Any]) -> None:
    """Put a marker after the result of every module call.

    Args:
        reader: a graph whose output is set.
        mark: the marker operation, called on a tensor and a name.
    """
    inside: dict[Stack, dict[fx.Node, None]] = {}
    for node, stack in reader.stacks.items():
        for depth in range(len(stack)):
            inside.setdefault(stack[: depth + 1], {})[node] = None
    order = {node: place for place, node in enumerate(reader.graph.nodes)}
    for call in sorted(inside, key=len, reverse=True):  # inner modules first, as they return first
        members = inside[call]
        read = [node for node in members if node in reader.tensors and _outside(node, members)]
        if not read:
            continue
        read.sort(key=order.__getitem__)
        label = _label(*call[-1])
        for node, name in _named(read, label):
            with reader.graph.inserting_after(node):
                marker = reader.graph.call_function(mark, (node, name))
            for user in _outside(node, members):
                if user is not marker:
                    user.replace_input_with(node, marker)
            order[marker] = order[node]
            reader.stacks[marker] = call[:-1]
            reader.tensors[marker] = None
            for depth in range(len(call) - 1):
                inside[call[: depth + 1]][marker] = None


def _outside(node: fx.Node, members: dict[fx.Node, None]) -> list[fx.Node]:
    return [user for user in node.users if user not in members]


def _named(read: list[fx.Node], label: str) -> list[tuple[fx.Node, str]]:
    """Return the results among tensors that are read outside, with their names."""
    last = read[-1]
    whole = last.args[0] if last.target is operator.getitem else None
    if not isinstance(whole, fx.Node):
        return [(last, label)]
    parts = [each for each in whole.users if each.target is operator.getitem]
    given = [each for each in parts if each in read]
    if op_name(whole) in _SEVERAL:
        given = parts
    if len(given) == 1:
        return [(last, label)]
    return [(each, f"{label}.{each.args[1]}") for each in given]


def _label(key: str, path: str) -> str:
    """``L__self__cell@1``, ``cell`` → ``cell@2``: the second call."""
    plain = path.partition("@")[0]
    call = (path if "@" in path else key).rpartition("@")[2]
    repeat = "@" in path or "@" in key
    return f"{plain}@{int(call) + 1}" if repeat and call.isdecimal() and len(call) < 9 else plain
