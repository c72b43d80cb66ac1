"""Regions of a graph with settings of their own, such as ``torch.no_grad`` inside a forward."""

from __future__ import annotations

from typing import Any

from torch import fx

from causalmod.compiler.ops import op_name
from causalmod.compiler.refusal import describe
from causalmod.errors import CompileError

_NO_GRAD = "wrap_with_set_grad_enabled"
_AUTOCAST = "wrap_with_autocast"


def open_regions(module: fx.GraphModule) -> None:
    """Write out regions whose settings do not change any value, and refuse all others.

    Whether gradients are wanted changes no value, nor does an autocast that is switched off.

    Raises:
        CompileError: a region that computes otherwise (autocast), or not always (``torch.cond``).
    """
    graph = module.graph
    for node in list(graph.nodes):
        held = [each for each in node.all_input_nodes if each.op == "get_attr"]
        if not held:
            continue
        inner = getattr(module, str(held[0].target), None)
        if not isinstance(inner, fx.GraphModule) or not _is_plain(node):
            raise CompileError(
                f"the forward holds a region with settings of its own ({describe(node)}), such as "
                "torch.autocast or torch.cond, which cannot be replayed step by step; take it out "
                "of the forward"
            )
        open_regions(inner)
        given: Any = node.args[node.args.index(held[0]) + 1 :]
        starts = [each for each in inner.graph.nodes if each.op == "placeholder"]
        copied: dict[fx.Node, Any] = dict(zip(starts, given, strict=True))
        with graph.inserting_before(node):
            results: Any = graph.graph_copy(inner.graph, copied)
        for user in list(node.users):  # a region returns a tuple
            user.replace_all_uses_with(results[user.args[1]])
            graph.erase_node(user)
        graph.erase_node(node)
        if not held[0].users:
            graph.erase_node(held[0])


def _is_plain(node: fx.Node) -> bool:
    if op_name(node) == _AUTOCAST:
        return node.args[2] is False  # device, dtype, enabled
    return op_name(node) == _NO_GRAD
