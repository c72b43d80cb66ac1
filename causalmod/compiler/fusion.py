"""Activations that a network writes out in several operations, as the single one that they are.

Hugging Face's GPT-2 computes its GELU in eight passes over memory, and much of a replay's time goes
there. torch has one operation for the same function. The results differ by rounding, so a program
with fused activations serves sweeps, which promise no more; everything else keeps the network's own
operations and their bits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional as F

from causalmod.compiler.binding import bind
from causalmod.compiler.ops import op_name
from causalmod.compiler.trace import Trace

#: Operations that a written-out activation is made of; one of the last three is at its heart.
_PARTS = frozenset({"mul", "add", "sub", "div", "neg", "pow", "tanh", "erf", "sigmoid"})
_HEARTS = frozenset({"tanh", "erf", "sigmoid"})
_MOST = 12  # operations in one
#: What counts as the same function; constants are often written with ten digits.
_CLOSE = {torch.float32: 1e-8, torch.float64: 1e-14}
#: torch's operation, and its further arguments.
_KNOWN: tuple[tuple[Any, dict[str, Any], Any], ...] = (
    (torch.ops.aten.gelu.default, {"approximate": "tanh"}, partial(F.gelu, approximate="tanh")),
    (torch.ops.aten.gelu.default, {}, F.gelu),
    (torch.ops.aten.silu.default, {}, F.silu),
)


def fuse(trace: Trace, constants: Collection[str]) -> tuple[Trace, frozenset[str]]:
    """Return a trace in which such activations are single operations.

    Args:
        trace: a network; it is left as it is.
        constants: names of the nodes that are the same for all data.

    Returns:
        tuple: the trace, whose nodes have the same names and the same meaning up to rounding, and
        the names of those that lie inside an activation: nothing may be set there, since the
        activation does not read them any more. The trace itself where there is none.
    """
    places = {node: at for at, node in enumerate(trace.graph.nodes)}
    found = {
        node.name: match
        for node in places
        if (match := _activation(node, places, constants)) is not None
    }
    if not found:
        return trace, frozenset()
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    result = graph.graph_copy(trace.graph, copies)
    graph.output(result)
    named = {old.name: new for old, new in copies.items()}
    if any(name != new.name for name, new in named.items()):
        return trace, frozenset()
    inside: set[str] = set()
    for name, (source, parts, target, keywords) in found.items():
        node = named[name]
        node.target, node.args, node.kwargs = target, (named[source],), keywords
        inside |= parts
    return replace(trace, graph=graph), frozenset(inside)


def _activation(
    node: fx.Node, places: Mapping[fx.Node, int], constants: Collection[str]
) -> tuple[str, frozenset[str], Any, dict[str, Any]] | None:
    """What a node is an activation of, the nodes between, and torch's operation for it."""
    if not _is_part(node, node) or op_name(node) != "mul":
        return None
    inner = _between(node, places, constants)
    if inner is None:
        return None
    source, parts = inner
    if sum(op_name(each) in _HEARTS for each in parts) != 1:
        return None
    probe = torch.cat([torch.linspace(-9, 9, 181), torch.tensor([0.0, -30.0, 30.0])]).double()
    values: dict[str, Any] = {source.name: probe}
    try:
        for each in (*parts, node):
            values[each.name] = bind(each)(values)
    except (RuntimeError, TypeError, KeyError):
        return None
    got = values[node.name]
    close = _CLOSE[node.meta["val"].dtype]
    for target, keywords, function in _KNOWN:
        if isinstance(got, Tensor) and torch.allclose(got, function(probe), close, close):
            names = frozenset(each.name for each in parts)
            return source.name, names, target, keywords
    return None


def _between(
    end: fx.Node, places: Mapping[fx.Node, int], constants: Collection[str]
) -> tuple[fx.Node, list[fx.Node]] | None:
    """The last node through which all that ``end`` reads has gone, and the nodes after it."""
    reads = set(end.all_input_nodes)
    parts: list[fx.Node] = []
    while len(reads) > 1 or not any(op_name(each) in _HEARTS for each in parts):
        if not reads or len(parts) == _MOST:
            return None
        last = max(reads, key=places.__getitem__)
        if last.name in constants or not _is_part(last, end):
            return None
        parts.append(last)
        reads = (reads - {last}) | set(last.all_input_nodes)
    source = next(iter(reads), None)
    if source is None or source.name in constants or not _is_alike(source, end):
        return None
    return source, parts[::-1]


def _is_part(node: fx.Node, end: fx.Node) -> bool:
    """Can a node be one of the operations of an activation that ends in another?"""
    return node.op == "call_function" and op_name(node) in _PARTS and _is_alike(node, end)


def _is_alike(node: fx.Node, end: fx.Node) -> bool:
    """Same shape and precision; in half precision one rounding in place of eight would show."""
    one, two = node.meta.get("val"), end.meta.get("val")
    if not isinstance(one, Tensor) or not isinstance(two, Tensor):
        return False
    same = [str(size) for size in one.shape] == [str(size) for size in two.shape]
    return same and one.dtype == two.dtype and one.dtype in _CLOSE
