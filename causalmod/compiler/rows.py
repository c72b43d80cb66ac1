"""Where the rows of the data stand in each tensor of a network.

In most tensors the rows are dimension 0. A recurrent or sequence-first network has them in another
dimension, and attention folds them together with the heads, ``[rows × heads, ...]``. Both can hold
variables. Where the rows are the inner part of a merged dimension, or stand in two, nothing is
assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, fx

from causalmod.compiler.ops import op_name

_RESHAPES = frozenset({"view", "_unsafe_view", "reshape", "flatten", "unflatten"})


@dataclass(frozen=True)
class Rows:
    """The rows are (the outer part of) one dimension.

    Attributes:
        dim: the dimension.
        parts: how many entries of that dimension belong to each row, one after the other.
        shape: the shape of one row: the parts (if several), then the other dimensions.
    """

    dim: int
    parts: int
    shape: tuple[int, ...]


def find_rows(graph: fx.Graph, symbols: set[Any]) -> dict[str, Rows]:
    """Map each node in which the rows have a known place to that place.

    Args:
        graph: the operations.
        symbols: the symbols that stand for the number of rows.
    """
    found: dict[str, Rows] = {}
    for node in graph.nodes:
        place = _place(node.meta.get("val"), symbols)
        if place is not None and (place.parts == 1 or _is_outer(node, place, found)):
            found[node.name] = place
    return found


def _place(value: Any, symbols: set[Any]) -> Rows | None:
    if not isinstance(value, Tensor) or value.ndim == 0 or value.is_complex():
        return None  # complex numbers are no variables: they have no order and two parts
    moving = [dim for dim, size in enumerate(value.shape) if isinstance(size, torch.SymInt)]
    if len(moving) != 1:
        return None
    size: Any = value.shape[moving[0]]
    expression = size.node.expr
    factors = {symbol: expression / symbol for symbol in symbols}
    parts = next((int(f) for f in factors.values() if f.is_Integer), 0)
    if parts < 1:
        return None
    others = tuple(int(s) for dim, s in enumerate(value.shape) if dim != moving[0])
    if 0 in others:  # nothing in it (rotary embedding of a part of each head slices such tensors)
        return None
    return Rows(moving[0], parts, others if parts == 1 else (parts, *others))


def _is_outer(node: fx.Node, place: Rows, found: dict[str, Rows]) -> bool:
    """Do the parts of each row lie together in a merged dimension?"""
    if node.op != "call_function":
        return False
    sources = [found.get(each.name) for each in node.all_input_nodes]
    first = next((source for source in sources if source is not None), None)
    if first is None:
        return False
    if op_name(node) in _RESHAPES:
        # Counted from the end, memory within one row goes before the rows do if they are outermost.
        before = next(e for e in node.all_input_nodes if e.name in found).meta["val"].shape
        after = node.meta["val"].shape
        inner_before = prod(int(s) for s in before[first.dim + 1 :]) * first.parts
        inner_after = prod(int(s) for s in after[place.dim + 1 :]) * place.parts
        return inner_before == inner_after
    return any(source.parts == place.parts for source in sources if source is not None)


def take_rows(value: Tensor, rows: Tensor, dim: int) -> Tensor:
    """Select rows, keeping the order of dimensions in memory, on which bits may depend.

    All rows in order are the tensor itself: operations and changes leave what they read as it is.
    """
    everything = torch.arange(value.shape[dim], device=rows.device)
    if torch.equal(rows, everything):
        return value
    rows = rows.to(value.device)
    if value.is_contiguous():
        return value.index_select(dim, rows)
    order = sorted(range(value.ndim), key=value.stride, reverse=True)
    picked = value.permute(order).index_select(order.index(dim), rows)
    return picked.permute([order.index(axis) for axis in range(value.ndim)])
