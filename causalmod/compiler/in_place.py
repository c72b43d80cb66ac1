"""Which operations of a replay may write over what they read.

Fresh memory costs more than arithmetic on it. An elementwise operation whose argument was made in
the same replay, and is read by nobody later, writes its result there; the bits are the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from causalmod.compiler.ops import CASTS, IDENTITY, MULTILINEAR, NONLINEAR, VIEWS, op_name

#: Elementwise, with a variant that writes over its first argument.
_WRITERS = frozenset(
    """
    relu gelu silu tanh sigmoid elu selu celu leaky_relu hardtanh hardswish hardsigmoid mish
    exp sin cos erf sqrt rsqrt square pow neg abs add sub mul div masked_fill clamp
    """.split()
)

#: The result lies in memory of its own.
_FRESH = (
    (MULTILINEAR.keys() - {"einsum"})
    | (NONLINEAR - {"where"})
    | {"add", "sub", "rsub", "mul", "div", "neg", "addcmul", "addcdiv", "lerp", "masked_fill"}
    | {"layer_norm", "rms_norm", "batch_norm", "group_norm", "scaled_dot_product_attention"}
)

#: The result may be another look at the first argument.
_LOOKS = VIEWS | IDENTITY | CASTS | {"dropout", "getitem"}


def writers(
    nodes: Mapping[str, fx.Node],
    order: Sequence[str],
    reads: Mapping[str, Iterable[str]],
    kept: Collection[str],
    owned: Collection[str],
    fixed: Collection[str],
) -> Writing:
    """Find the steps that may write over an argument.

    Args:
        nodes: name → operation.
        order: names of the steps, in order.
        reads: step → what it reads, private views included.
        kept: nodes whose values must outlive the replay, or that somebody else looks at.
        owned: known values that the replay may write over.
        fixed: steps that must leave their arguments as they are.
    """
    memory: dict[str, str | None] = {name: name for name in owned}  # node → who made its memory
    for name in order:
        if op_name(nodes[name]) in _LOOKS:
            memory[name] = memory.get(_first(nodes[name]))
        else:
            memory[name] = name if op_name(nodes[name]) in _FRESH else None
    last: dict[str | None, int] = {}
    for place, name in enumerate(order):
        last.update(dict.fromkeys([memory.get(each) for each in reads[name]], place))
    last.update(dict.fromkeys([memory.get(name) for name in kept], len(order)))
    found: dict[str, tuple[Any, bool]] = {}
    for place, name in enumerate(order):
        for argument, target, swapped in _candidates(nodes[name]):
            held = memory.get(argument)
            others = [e.name for e in nodes[name].all_input_nodes if e.name != argument]
            shared = any(memory.get(other) == held for other in others)
            if held is None or last[held] != place or shared or name in fixed:
                continue
            found[name] = (target, swapped)
            made = memory[name]  # whoever looks at the result looks at the old memory now
            memory.update({each: held for each, where in memory.items() if where == made})
            last[held] = last.get(made, place)
            break
    homes: dict[str, str] = {}
    for name in kept:
        home = _home(nodes, name, found)
        if home is not None and home == memory.get(name):
            homes[name] = home
    return Writing(found, homes)


@dataclass(frozen=True)
class Writing:
    """Where the steps of a replay write.

    Attributes:
        over: step → the operation that writes in place, and whether its arguments change places.
        homes: kept node → the step (or owned value) whose memory it ends up in, element by element
            in the same order.
    """

    over: dict[str, tuple[Any, bool]]
    homes: dict[str, str]


def writes_into(node: fx.Node) -> Any:
    """Return the variant of an operation that writes into memory that it is given, or None."""
    if op_name(node) not in {"linear", "addmm", "mm"} or node.kwargs:
        return None
    return getattr(getattr(torch.ops.aten, op_name(node)), "out", None)


def _home(
    nodes: Mapping[str, fx.Node], name: str, over: Mapping[str, tuple[Any, bool]]
) -> str | None:
    """Walk back over reshapes and what is written in place to where the memory came from."""
    while True:
        node = nodes[name]
        if name in over:
            first = node.args[1 if over[name][1] else 0]
        elif op_name(node) in {"view", "reshape", "_unsafe_view", "flatten", "unflatten"}:
            first = node.args[0]
        else:
            return name
        if not isinstance(first, fx.Node):
            return None
        name = first.name


def _first(node: fx.Node) -> str:
    first = node.args[0] if node.args else None
    return first.name if isinstance(first, fx.Node) else ""


def _candidates(node: fx.Node) -> Iterable[tuple[str, Any, bool]]:
    """Yield arguments that may be written over, the operation for it, and whether to swap."""
    name = op_name(node)
    target = getattr(torch.ops.aten, f"{name}_", None)
    if node.op != "call_function" or name not in _WRITERS or target is None:
        return
    overload = str(getattr(node.target, "_overloadname", "default"))
    overload = {"Tensor_Scalar": "Scalar", "Tensor_Tensor": "Tensor"}.get(overload, overload)
    if overload not in target.overloads():
        return
    operation = getattr(target, overload)
    first = node.args[0]
    if isinstance(first, fx.Node) and _alike(first, node):
        yield first.name, operation, False
    if name in {"add", "mul"} and overload == "Tensor" and not node.kwargs and len(node.args) == 2:
        second = node.args[1]
        if isinstance(second, fx.Node) and isinstance(first, fx.Node) and _alike(second, node):
            yield second.name, operation, True


def _alike(argument: fx.Node, result: fx.Node) -> bool:
    one, two = argument.meta.get("val"), result.meta.get("val")
    if not isinstance(one, Tensor) or not isinstance(two, Tensor) or one.dtype != two.dtype:
        return False
    return [str(size) for size in one.shape] == [str(size) for size in two.shape]
