"""What the compiler knows about single operations of an exported graph."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from torch import Tensor, fx

#: Same values, same layout: nothing but a new name, so the operation can be taken out.
RENAMES = frozenset({"site", "alias", "detach", "lift_fresh", "lift_fresh_copy"})

#: Same values, perhaps in another layout.
IDENTITY = RENAMES | {"clone", "contiguous"}

#: Same values up to a change of dtype.
CASTS = frozenset({"_to_copy", "to", "type_as", "float", "double", "half", "bfloat16"})

#: Elementwise and nonlinear: each starts a new default site.
NONLINEAR = frozenset(
    """
    relu relu6 gelu silu mish elu selu celu leaky_relu hardtanh hardswish hardsigmoid sigmoid tanh
    softplus softsign logsigmoid log_sigmoid threshold hardshrink softshrink tanhshrink
    gt ge lt le eq ne sign abs exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal square pow
    sin cos tan asin acos atan sinh cosh asinh acosh atanh erf erfc round floor ceil trunc frac
    clamp clamp_min clamp_max remainder fmod floor_divide
    logical_and logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor bitwise_not
    heaviside minimum maximum where prelu
    """.split()
)

#: Nonlinear, and more than elementwise: each result is a default site.
OPAQUE = frozenset(
    """
    lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell
    scaled_dot_product_attention softmax log_softmax _softmax _log_softmax glu
    """.split()
)

#: Elementwise, and linear in each batch-dependent argument taken alone.
ARITHMETIC = CASTS | frozenset(
    """
    add sub rsub mul div neg true_divide addcmul addcdiv lerp positive batch_norm
    dropout feature_dropout alpha_dropout masked_fill nan_to_num copy
    """.split()
)

ELEMENTWISE = IDENTITY | NONLINEAR | ARITHMETIC

#: Read the shape of a tensor and none of its values.
SHAPE_ONLY = frozenset(
    """
    sym_size sym_stride sym_numel size zeros_like ones_like full_like empty_like
    new_zeros new_ones new_full new_empty
    """.split()
)

#: Only moves values: running it on a 0/1 pattern gives the pattern of its result.
VIEWS = frozenset(
    """
    view _unsafe_view reshape view_as reshape_as flatten unflatten permute transpose t movedim
    unsqueeze squeeze expand expand_as slice select narrow cat concat stack split
    split_with_sizes chunk unbind getitem repeat flip roll tile repeat_interleave index_select
    constant_pad_nd pad swapaxes swapdims numpy_T mT diagonal unfold select_scatter slice_scatter
    index
    """.split()
)

#: Read and write ``[rows, channel, position]``.
CHANNEL_FIRST = frozenset(
    """
    conv1d conv_transpose1d max_pool1d avg_pool1d adaptive_avg_pool1d adaptive_max_pool1d batch_norm
    """.split()
)

#: Maxima and means over windows: likewise, up to what is positive.
POOLS = frozenset(
    """
    max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
    upsample_nearest1d upsample_nearest2d upsample_nearest3d
    """.split()
)

#: Mixes every coordinate along its ``dim`` (or the whole row).
REDUCTIONS = frozenset(
    """
    sum mean amax amin prod any all var std logsumexp argmax argmin norm linalg_vector_norm
    cumsum cumprod softmax log_softmax _softmax _log_softmax
    """.split()
)

#: Statistics by which a normalisation scales.
STATISTICS = frozenset({"mean", "var", "std", "var_mean", "norm", "linalg_vector_norm"})

#: Linear in each tensor argument -> position of the argument that is only added.
MULTILINEAR = {
    "linear": 2, "bilinear": 3, "mm": None, "bmm": None, "matmul": None, "einsum": None,
    "addmm": 0, "baddbmm": 0, "conv1d": 2, "conv2d": 2, "conv3d": 2,
    "conv_transpose1d": 2, "conv_transpose2d": 2, "conv_transpose3d": 2,
}  # fmt: skip


#: Sums of tensors: the residual stream runs through them.
SUMS = frozenset({"add", "sub", "rsub"})


def op_name(node: fx.Node) -> str:
    """Return the short name of a node's operation, such as ``"linear"``."""
    schema = getattr(node.target, "_schema", None)
    if schema is not None:
        return schema.name.split("::")[-1].rstrip("_") or schema.name
    return getattr(node.target, "__name__", str(node.target))


def argument(node: fx.Node, name: str) -> Any:
    """Return an argument of a node by the name that the operation's schema gives it, or None."""
    if name in node.kwargs:
        return node.kwargs[name]
    schema = getattr(node.target, "_schema", None)
    names = [each.name for each in schema.arguments] if schema is not None else []
    place = names.index(name) if name in names else len(node.args)
    return node.args[place] if place < len(node.args) else None


def is_rename(node: fx.Node) -> bool:
    """True when the node's result always equals its first argument, layout included."""
    name = op_name(node)
    if name in {"dropout", "feature_dropout", "alpha_dropout"}:
        return argument(node, "train") is False
    return name in RENAMES


def moving(node: fx.Node, constants: Container[str]) -> list[fx.Node]:
    """Return the arguments whose values depend on the data (not on its shape alone).

    Args:
        node: an operation.
        constants: names of the nodes that are the same for all data.
    """
    return [
        each
        for each in node.all_input_nodes
        if each.name not in constants
        and not (each.op == "call_function" and op_name(each) in SHAPE_ONLY)
        and isinstance(each.meta.get("val"), (Tensor, tuple, list))
    ]


def module_path(node: fx.Node) -> str:
    """Return the path of the innermost module in which an operation stands."""
    stack = node.meta.get("nn_module_stack") or {}
    entries = [entry[0] for entry in stack.values()]
    path = str(entries[-1]) if entries else ""
    return path.partition("@")[0]


def is_linear(node: fx.Node, constants: Container[str]) -> bool:
    """True for a product of one tensor that depends on the data with constant weights."""
    if node.op != "call_function" or op_name(node) not in {"linear", "addmm", "mm", "matmul"}:
        return False
    return len(moving(node, constants)) == 1
