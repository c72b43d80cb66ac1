"""Which variables can influence which: 0/1 patterns pushed through the operations.

A pattern marks the coordinates that may change when one source variable changes. Weights count as
they are (zero or not), elementwise operations keep a pattern, reductions spread it along their
dimensions, an unknown operation spreads it over the whole row. So no influence is ever missed; an
edge says *may*, not *does on this data*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from causalmod.compiler.ops import ELEMENTWISE, REDUCTIONS, VIEWS
from causalmod.compiler.ops import op_name as _op
from causalmod.compiler.program import Program
from causalmod.variables import Site


def direct_edges(
    program: Program, sites: Mapping[str, Site], nodes: Mapping[str, str], source: str
) -> dict[str, Tensor]:
    """Return, for each site that reads ``source`` directly, which variable reaches which.

    Args:
        program: the network.
        sites: site name → site.
        nodes: site name → node name.
        source: name of the source site.

    Returns:
        dict: target site → bool tensor ``[source variable, target variable]``. *Directly* means
        along a path that passes no other site.
    """
    site = sites[source]
    seed = torch.eye(site.count).unsqueeze(-1).expand(-1, -1, site.width)
    patterns: dict[str, Any] = {nodes[source]: site.join(seed.contiguous())}
    site_at: dict[str, list[str]] = {}
    for name, node in nodes.items():
        site_at.setdefault(node, []).append(name)
    found: dict[str, Tensor] = {}
    for name in program.in_order(program.descendants(nodes[source])):
        node = program.nodes[name]
        if not any(argument.name in patterns for argument in node.all_input_nodes):
            continue
        pattern = _spread(program, node, patterns, site.count)
        if name in site_at:
            for target in site_at[name]:
                full = _as_tensor(program, name, pattern, site.count)
                found[target] = sites[target].split(full).amax(-1) > 0
        else:
            patterns[name] = pattern
    return found


def _spread(program: Program, node: fx.Node, patterns: Mapping[str, Any], count: int) -> Any:
    """Return the pattern of a node's result: a tensor ``[source, *row]``, or one flag per source."""
    name = _op(node)
    touched = [a.name for a in node.all_input_nodes if a.name in patterns]
    regular = program.by_row[node.name] and all(
        isinstance(patterns[t], (Tensor, list, tuple)) and not _is_flag(patterns[t])
        for t in touched
    )
    multiple = not isinstance(node.meta.get("val"), Tensor)
    if name in VIEWS and (regular or multiple) and not any(_is_flag(patterns[t]) for t in touched):
        result = _run_on_patterns(program, node, patterns, count)
        if result is not None:
            return result
    if regular:
        rule = _RULES.get(name) or ("batch_norm" in name and _elementwise) or None
        if name in ELEMENTWISE:
            rule = _elementwise
        elif name in REDUCTIONS or name in {"softmax", "log_softmax", "_softmax", "_log_softmax"}:
            rule = _reduction
        if rule:
            return rule(program, node, patterns, count)
    return _everything(patterns, touched)


def _is_flag(pattern: Any) -> bool:
    return isinstance(pattern, Tensor) and pattern.ndim == 1


def _everything(patterns: Mapping[str, Any], touched: list[str]) -> Tensor:
    flags = [_flag(patterns[name]) for name in touched]
    return torch.stack(flags).amax(0)


def _flag(pattern: Any) -> Tensor:
    if isinstance(pattern, (list, tuple)):
        return torch.stack([_flag(part) for part in pattern if isinstance(part, Tensor)]).amax(0)
    return pattern if pattern.ndim == 1 else pattern.flatten(1).amax(1)


def _as_tensor(program: Program, name: str, pattern: Any, count: int) -> Tensor:
    shape = program.row_shape(name)
    flat = _flag(pattern) if _is_flag(pattern) or isinstance(pattern, (list, tuple)) else pattern
    if flat.ndim == 1 and shape:
        return flat.reshape(count, *[1] * len(shape)).expand(count, *shape)
    return flat.reshape(count, *shape) if not shape else flat.expand(count, *shape)


def _run_on_patterns(
    program: Program, node: fx.Node, patterns: Mapping[str, Any], count: int
) -> Any:
    def value(argument: fx.Node) -> Any:
        if argument.name in patterns:
            return patterns[argument.name]
        if argument.name in program.constants:
            return torch.zeros_like(program.constants[argument.name], dtype=torch.float32)
        if isinstance(argument.meta.get("val"), Tensor):
            return torch.zeros(count, *program.row_shape(argument.name))
        return count  # the number of rows

    target: Any = node.target
    try:
        args = torch.fx.node.map_arg(node.args, value)
        return target(*args, **torch.fx.node.map_arg(node.kwargs, value))
    except (RuntimeError, ValueError, TypeError, IndexError):
        return None  # not expressible on patterns; the caller falls back to "everything"


# --- rules for operations that compute ------------------------------------------------------------


def _pattern_of(program: Program, argument: Any, patterns: Mapping[str, Any]) -> Tensor | None:
    return patterns.get(argument.name) if isinstance(argument, fx.Node) else None


def _elementwise(
    program: Program, node: fx.Node, patterns: Mapping[str, Any], count: int
) -> Tensor:
    shape = program.row_shape(node.name)
    result = torch.zeros(count, *shape)
    for argument in node.all_input_nodes:
        pattern = patterns.get(argument.name)
        if pattern is None:
            continue
        aligned = pattern
        if aligned.ndim < len(shape) + 1:  # broadcast over leading row dimensions
            gap = len(shape) + 1 - aligned.ndim
            aligned = aligned.reshape(count, *[1] * gap, *aligned.shape[1:])
        result = torch.maximum(result, aligned.expand(count, *shape))
    if _op(node) == "mul":  # a constant factor of exactly zero cuts the influence
        for argument in node.args:
            if isinstance(argument, fx.Node) and argument.name in program.constants:
                factor = program.constants[argument.name] != 0
                result = result * factor
    return result


def _reduction(program: Program, node: fx.Node, patterns: Mapping[str, Any], count: int) -> Tensor:
    source = node.args[0]
    pattern = (
        patterns[source.name] if isinstance(source, fx.Node) and source.name in patterns else None
    )
    dims = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    if pattern is None:
        return _everything(patterns, [a.name for a in node.all_input_nodes if a.name in patterns])
    chosen = (
        [dims] if isinstance(dims, int) else list(dims) if isinstance(dims, (list, tuple)) else []
    )
    chosen = [d % pattern.ndim for d in chosen if isinstance(d, int)]
    if not chosen or 0 in chosen:
        return _flag(pattern)
    spread = pattern.amax(dim=tuple(chosen), keepdim=True)
    shape = program.row_shape(node.name)
    if len(shape) + 1 == pattern.ndim:
        return spread.expand(count, *shape)
    return spread.squeeze(tuple(chosen)).expand(count, *shape)


def _linear(
    program: Program, node: fx.Node, patterns: Mapping[str, Any], count: int
) -> Tensor | None:
    pattern = _pattern_of(program, node.args[0], patterns)
    weight = node.args[1]
    if pattern is None or not isinstance(weight, fx.Node) or weight.name not in program.constants:
        return _everything(patterns, [a.name for a in node.all_input_nodes if a.name in patterns])
    support = (program.constants[weight.name] != 0).float()
    return (pattern @ support.T > 0).float()


def _matmul(program: Program, node: fx.Node, patterns: Mapping[str, Any], count: int) -> Tensor:
    """``mm``, ``matmul``, ``bmm``, ``addmm``: constants by their support, the rest as all ones."""
    names = [a for a in node.args if isinstance(a, fx.Node)]
    offset = 1 if _op(node) in {"addmm", "baddbmm"} else 0
    left, right = names[offset], names[offset + 1]

    def support(argument: fx.Node) -> Tensor:
        if argument.name in program.constants:
            return (program.constants[argument.name] != 0).float()
        return torch.ones(count, *program.row_shape(argument.name))

    shape = program.row_shape(node.name)
    total = torch.zeros(count, *shape)
    if left.name in patterns:
        total = total + _product(patterns[left.name], support(right), count, shape)
    if right.name in patterns:
        total = total + _product(support(left), patterns[right.name], count, shape)
    if offset and names[0].name in patterns:
        total = total + patterns[names[0].name].expand(count, *shape)
    return (total > 0).float()


def _product(left: Tensor, right: Tensor, count: int, shape: tuple[int, ...]) -> Tensor:
    if left.ndim == 2 and right.ndim == 2 and left.shape[0] == count and len(shape) == 1:
        return left @ right
    return torch.matmul(left, right).reshape(count, *shape)


def _convolution(
    program: Program, node: fx.Node, patterns: Mapping[str, Any], count: int
) -> Tensor:
    pattern = _pattern_of(program, node.args[0], patterns)
    weight = node.args[1]
    if pattern is None or not isinstance(weight, fx.Node) or weight.name not in program.constants:
        return _everything(patterns, [a.name for a in node.all_input_nodes if a.name in patterns])
    support = (program.constants[weight.name] != 0).float()
    target: Any = node.target
    rest = node.args[3:]
    return (target(pattern, support, None, *rest) > 0).float()


def _layer_norm(program: Program, node: fx.Node, patterns: Mapping[str, Any], count: int) -> Tensor:
    pattern = _pattern_of(program, node.args[0], patterns)
    normalized = node.args[1]
    if pattern is None or not isinstance(normalized, (list, tuple)):
        return _everything(patterns, [a.name for a in node.all_input_nodes if a.name in patterns])
    dims = tuple(range(-len(normalized), 0))
    return pattern.amax(dim=dims, keepdim=True).expand_as(pattern)


def _pooling(program: Program, node: fx.Node, patterns: Mapping[str, Any], count: int) -> Tensor:
    pattern = _pattern_of(program, node.args[0], patterns)
    if pattern is None:
        return _everything(patterns, [a.name for a in node.all_input_nodes if a.name in patterns])
    name = _op(node)
    if name.startswith("adaptive_avg"):
        pool = {3: F.adaptive_avg_pool1d, 4: F.adaptive_avg_pool2d}.get(pattern.ndim)
        if pool is not None:
            return (pool(pattern, program.row_shape(node.name)[-pattern.ndim + 2 :]) > 0).float()
        return _flag(pattern)
    target: Any = node.target
    return (target(pattern, *node.args[1:]) > 0).float()


Rule = Callable[[Program, fx.Node, Mapping[str, Any], int], Any]
_RULES: dict[str, Rule] = {
    "linear": _linear,
    "mm": _matmul,
    "matmul": _matmul,
    "bmm": _matmul,
    "addmm": _matmul,
    "baddbmm": _matmul,
    "conv1d": _convolution,
    "conv2d": _convolution,
    "conv3d": _convolution,
    "layer_norm": _layer_norm,
    "max_pool1d": _pooling,
    "max_pool2d": _pooling,
    "avg_pool1d": _pooling,
    "avg_pool2d": _pooling,
    "adaptive_avg_pool1d": _pooling,
    "adaptive_avg_pool2d": _pooling,
}
