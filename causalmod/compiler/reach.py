"""What an operation of a graph reaches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import fx

from causalmod.compiler.ops import SHAPE_ONLY, op_name


def descendants_of(start: fx.Node) -> set[str]:
    """Names of the operations that read a node, directly or not."""
    found: set[str] = set()
    stack = [start]
    while stack:
        for user in stack.pop().users:
            if user.op == "call_function" and user.name not in found:
                found.add(user.name)
                stack.append(user)
    return found


def informed_by(inputs: Iterable[str], nodes: Mapping[str, fx.Node]) -> set[str]:
    """Names of the nodes that depend on the values of an input, not only on their number."""
    found = set(inputs)
    for name, node in nodes.items():
        if node.op != "call_function" or op_name(node) in SHAPE_ONLY:
            continue
        if any(each.name in found for each in node.all_input_nodes):
            found.add(name)
    return found
