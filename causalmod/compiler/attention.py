"""Attentions in a graph of operations, fused or written out, whatever their classes are called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx

from causalmod.compiler.ops import (
    ELEMENTWISE,
    IDENTITY,
    VIEWS,
    argument,
    module_path,
    moving,
    op_name,
)
from causalmod.compiler.program import Program

SAME = IDENTITY | {"dropout"}
_PRODUCTS = frozenset({"matmul", "bmm", "baddbmm"})
_RESHAPES = frozenset({"view", "reshape", "_unsafe_view"})
_REPEATS = frozenset({"expand", "repeat_interleave"})


@dataclass(frozen=True)
class Attention:
    """One attention: the names of the nodes that make it.

    Attributes:
        path: path of the module in which it stands.
        query: what the product reads as queries.
        key: as keys, before they are repeated for groups of queries.
        value: as values, likewise.
        heads: the result, before the output projection.
        pattern: the weights, where they are written out.
    """

    path: str
    query: str
    key: str
    value: str
    heads: str
    pattern: str | None = None


def find_attentions(program: Program) -> Iterator[Attention]:
    """Yield the attentions of a network, in order."""
    for name, node in program.nodes.items():
        if node.op != "call_function" or name in program.constants:
            continue
        if op_name(node) == "scaled_dot_product_attention":
            query, key, value = (argument(node, part) for part in ("query", "key", "value"))
            yield Attention(module_path(node), source(query), source(key), source(value), name)
        elif op_name(node) in {"softmax", "_softmax"}:
            found = _written_out(program, node)
            if found is not None:
                yield found


def _written_out(program: Program, softmax: fx.Node) -> Attention | None:
    """Softmax of a product of queries and keys, times values."""
    product = _up_to_product(softmax)
    result = next(_readers(softmax, _PRODUCTS), None)
    if product is None or result is None:
        return None
    query, key = _factors(product)
    weights, value = _factors(result)
    if not all(moving(product, program.constants) for product in (product, result)):
        return None
    if not _leads(softmax, weights):
        return None
    return Attention(
        module_path(result), source(query), source(_untransposed(key)), source(value),
        result.name, softmax.name,
    )  # fmt: skip


def source(node: fx.Node) -> str:
    """Walk back over copies, constant factors, and repeats for groups of heads."""
    while True:
        before = _one_back(node)
        if before is None:
            return node.name
        node = before


def _one_back(node: fx.Node) -> fx.Node | None:
    """The tensor before a step that changes nothing but copies, scale and repeats."""
    first = node.args[0] if node.op == "call_function" and node.args else None
    if not isinstance(first, fx.Node):
        return None
    name = op_name(node)
    if name in SAME:
        return first
    if name in {"mul", "div"}:
        return first if len(node.all_input_nodes) == 1 else None
    if name in _REPEATS:
        return first if _size(first) != _size(node) else None
    if name in _RESHAPES:
        same = _size(first) == _size(node)
        return first if same and (_repeats(first) or _flattens(first, node)) else None
    if name in {"unsqueeze", "slice"}:
        return first if any(_repeats(user) for user in node.users) else None
    return None


def _repeats(node: fx.Node) -> bool:
    """Is a tensor (a copy of) an expanded one?"""
    while node.op == "call_function" and op_name(node) in SAME | {"slice", "unsqueeze"}:
        first = node.args[0]
        if not isinstance(first, fx.Node):
            return False
        node = first
    if node.op != "call_function" or op_name(node) not in {"expand", "repeat_interleave"}:
        return False
    first = node.args[0]
    return isinstance(first, fx.Node) and _size(first) != _size(node)


def _flattens(before: fx.Node, after: fx.Node) -> bool:
    """Does a view merge leading dimensions only, as a matrix product wants them?"""
    first, second = before.meta["val"].shape, after.meta["val"].shape
    return len(second) < len(first) and first[-1] == second[-1] and len(second) == 2


def _size(node: fx.Node) -> object:
    value = node.meta.get("val")
    return value.numel() if isinstance(value, Tensor) else None


def _up_to_product(softmax: fx.Node) -> fx.Node | None:
    """Walk back from the weights over scaling and masks to the product of queries and keys."""
    stack, seen = list(softmax.all_input_nodes), set()
    while stack:
        node = stack.pop(0)
        if node.op != "call_function" or node in seen:
            continue
        seen.add(node)
        if op_name(node) in _PRODUCTS:
            return node
        if op_name(node) in ELEMENTWISE | VIEWS:
            stack.extend(node.all_input_nodes)
    return None


def _readers(node: fx.Node, wanted: frozenset[str]) -> Iterator[fx.Node]:
    """Walk on from the weights over copies and casts to the products that read them."""
    for user in node.users:
        if user.op == "call_function" and op_name(user) in wanted:
            yield user
        elif user.op == "call_function" and op_name(user) in SAME | VIEWS | {"to", "_to_copy"}:
            yield from _readers(user, wanted)


def _leads(start: fx.Node, end: fx.Node) -> bool:
    """Does walking back from ``end`` over copies, casts and views arrive at ``start``?"""
    while end is not start:
        first = end.args[0] if end.op == "call_function" and end.args else None
        if not isinstance(first, fx.Node):
            return False
        end = first
    return True


def _factors(product: fx.Node) -> tuple[fx.Node, fx.Node]:
    first: Any
    second: Any
    first, second = product.args[-2:] if op_name(product) == "baddbmm" else product.args[:2]
    return first, second


def _untransposed(node: fx.Node) -> fx.Node:
    first = node.args[0] if node.args else None
    turned = node.op == "call_function" and op_name(node) in {"transpose", "permute", "mT"}
    return first if turned and isinstance(first, fx.Node) else node
