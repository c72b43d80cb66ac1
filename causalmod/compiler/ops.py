"""What the compiler knows about single operations of an exported graph."""

from __future__ import annotations

from torch import fx

#: Nothing but a new name for the same values.
IDENTITY = frozenset(
    {"site", "alias", "clone", "contiguous", "detach", "lift_fresh_copy", "lift_fresh"}
)

#: Elementwise and nonlinear: each starts a new default site.
NONLINEAR = frozenset(
    """
    relu relu6 gelu silu mish elu selu celu leaky_relu hardtanh hardswish hardsigmoid sigmoid tanh
    softplus softsign logsigmoid log_sigmoid threshold hardshrink softshrink tanhshrink
    gt ge lt le eq ne sign abs exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal square pow
    sin cos tan asin acos atan sinh cosh asinh acosh atanh erf erfc round floor ceil trunc frac
    clamp clamp_min clamp_max remainder fmod floor_divide
    logical_and logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor bitwise_not
    heaviside minimum maximum where prelu rrelu_with_noise
    """.split()
)

#: Elementwise, and linear in each batch-dependent argument taken alone.
ARITHMETIC = frozenset(
    """
    add sub rsub mul div neg true_divide addcmul addcdiv lerp _to_copy to type_as float double half
    positive batch_norm _native_batch_norm_legit_no_training dropout feature_dropout alpha_dropout
    masked_fill nan_to_num copy
    """.split()
)

ELEMENTWISE = IDENTITY | NONLINEAR | ARITHMETIC

#: Only moves values: running it on a 0/1 pattern gives the pattern of its result.
VIEWS = frozenset(
    """
    view _unsafe_view reshape view_as reshape_as flatten unflatten permute transpose t movedim
    unsqueeze squeeze expand expand_as slice select narrow cat concat stack split
    split_with_sizes chunk unbind getitem repeat flip roll tile repeat_interleave index_select
    constant_pad_nd pad swapaxes swapdims numpy_T mT diagonal unfold
    """.split()
)

#: Mixes every coordinate along the dimensions in its second argument (or the whole row).
REDUCTIONS = frozenset(
    """
    sum mean amax amin max min prod any all var std var_mean logsumexp argmax argmin norm
    linalg_vector_norm cumsum median
    """.split()
)


def op_name(node: fx.Node) -> str:
    """Return the short name of a node's operation, such as ``"linear"``."""
    schema = getattr(node.target, "_schema", None)
    if schema is not None:
        return schema.name.split("::")[-1].rstrip("_") or schema.name
    return getattr(node.target, "__name__", str(node.target))


def is_identity(node: fx.Node) -> bool:
    """True when the node's result always equals its first argument."""
    name = op_name(node)
    if name in IDENTITY:
        return True
    return name in {"dropout", "feature_dropout", "alpha_dropout"} and not _argument(
        node, 2, "train"
    )


def _argument(node: fx.Node, place: int, name: str) -> object:
    return node.args[place] if len(node.args) > place else node.kwargs.get(name)
