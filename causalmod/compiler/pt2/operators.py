"""Operators that a network from a file may call: an explicit list of pure ones.

A graph names its operators by text, and torch looks the text up attribute by attribute: any
function of torch can be meant, and some operators of aten itself write files (``from_file``),
draw random numbers, move memory or hold state. So nothing is looked up that is not listed here.
The list was made by hand: operators whose result follows from their arguments alone and that touch
nothing else. Operators that read beyond their arguments when these do not fit together are not
listed (``_embedding_bag``), or checked (:mod:`causalmod.compiler.pt2.bounds`). Every overload of a
listed name is checked against its schema too: no output argument, no write to any argument but an
in-place operator's own ``self``. What the list lacks is refused, harmless or not; compile the
network itself instead of its file then.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch

from causalmod.errors import CompileError, nearest

#: Names in ``torch.ops.aten``. In-place versions (``relu_``) of these are allowed too.
ATEN = frozenset(
    """
    abs absolute acos acosh angle arccos arcsin arctan arctan2 asin asinh atan atan2 atanh
    bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor ceil
    clamp clamp_max clamp_min clip conj conj_physical copysign cos cosh deg2rad diff digamma erf
    erfc erfinv exp exp2 expm1 floor frac hypot i0 imag isfinite isinf isnan isneginf isposinf
    isreal lerp lgamma log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or
    logical_xor logit nan_to_num neg negative positive polar complex rad2deg real reciprocal
    resolve_conj resolve_neg round rsqrt rsub sgn sigmoid sign signbit sin sinc sinh special_erf
    special_expit special_log1p special_xlog1py sqrt square tan tanh trunc fix view_as_complex
    view_as_real xlogy _conj

    relu relu6 gelu silu mish elu selu celu leaky_relu hardtanh hardswish hardsigmoid softplus
    log_sigmoid log_sigmoid_forward threshold hardshrink softshrink prelu
    _prelu_kernel glu softmax log_softmax _softmax _log_softmax _safe_softmax rrelu
    dropout feature_dropout alpha_dropout feature_alpha_dropout

    add addcdiv addcmul sub subtract mul multiply div divide true_divide floor_divide remainder
    fmod pow float_power maximum minimum fmax fmin eq ne lt le gt ge not_equal less
    less_equal greater greater_equal isclose where heaviside masked_fill __and__ __or__ __xor__
    __lshift__ __rshift__

    sum mean prod amax amin aminmax max min any all var std var_mean std_mean logsumexp argmax
    argmin norm linalg_vector_norm linalg_norm linalg_matrix_norm cumsum cumprod cummax cummin
    logcumsumexp median nanmedian sort argsort msort topk kthvalue count_nonzero nansum nanmean
    quantile

    alias detach lift_fresh lift_fresh_copy clone contiguous to _to_copy type_as copy fill zero
    view _unsafe_view reshape view_as reshape_as _reshape_alias flatten unflatten permute transpose
    t numpy_T mT mH adjoint matrix_H movedim moveaxis swapaxes swapdims squeeze unsqueeze expand
    expand_as broadcast_to broadcast_tensors atleast_1d atleast_2d atleast_3d slice slice_copy
    slice_scatter select select_copy select_scatter narrow narrow_copy diagonal diagonal_copy
    diagonal_scatter diag diag_embed diagflat split split_with_sizes split_copy
    split_with_sizes_copy chunk unsafe_chunk unsafe_split unsafe_split_with_sizes tensor_split
    hsplit vsplit dsplit unbind unbind_copy cat concat concatenate stack hstack vstack dstack
    column_stack row_stack block_diag meshgrid cartesian_prod flip fliplr flipud roll rot90 repeat
    tile repeat_interleave tril triu trace unfold unfold_copy pixel_shuffle pixel_unshuffle
    channel_shuffle im2col col2im pad constant_pad_nd reflection_pad1d reflection_pad2d
    reflection_pad3d replication_pad1d replication_pad2d replication_pad3d _pad_circular _pad_enum
    index index_select index_put index_add index_copy index_fill gather take take_along_dim
    scatter scatter_add scatter_reduce masked_scatter embedding
     one_hot bucketize searchsorted view_copy permute_copy
    transpose_copy expand_copy squeeze_copy unsqueeze_copy alias_copy detach_copy t_copy


    zeros ones full arange linspace logspace eye zeros_like ones_like full_like new_zeros new_ones
    new_full scalar_tensor tril_indices triu_indices hann_window hamming_window blackman_window
    bartlett_window kaiser_window

    mm bmm matmul addmm addbmm baddbmm addmv addr mv dot vdot inner outer ger linear bilinear
    einsum tensordot kron chain_matmul linalg_multi_dot linalg_matmul linalg_vecdot cross
    linalg_cross linalg_diagonal linalg_matrix_exp matrix_exp linalg_matrix_power
    linalg_householder_product linalg_solve linalg_solve_triangular linalg_inv inverse
    linalg_cholesky linalg_det linalg_slogdet linalg_qr cdist
     pairwise_distance cosine_similarity dist norm_except_dim _weight_norm _weight_norm_interface
      vander linalg_vander

    conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution _convolution
    conv_tbc
    max_pool1d max_pool2d max_pool3d max_pool1d_with_indices max_pool2d_with_indices
    max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d
    adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d
    adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d max_unpool2d max_unpool3d
    batch_norm _native_batch_norm_legit_no_training instance_norm layer_norm native_layer_norm
    group_norm native_group_norm rms_norm _fused_rms_norm
    upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d
    _upsample_nearest_exact2d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d
    upsample_bicubic2d upsample_trilinear3d _upsample_bilinear2d_aa _upsample_bicubic2d_aa
    grid_sampler grid_sampler_2d grid_sampler_3d affine_grid_generator

    lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell
    scaled_dot_product_attention _scaled_dot_product_attention_math
    _scaled_dot_product_flash_attention_for_cpu


    fft_fft fft_ifft fft_rfft fft_irfft fft_hfft fft_ihfft fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2
    fft_fftn fft_ifftn fft_rfftn fft_irfftn fft_fftshift fft_ifftshift fft_fftfreq fft_rfftfreq


    sym_size sym_stride sym_numel sym_storage_offset
    """.split()
)

#: Change the shape of their argument in place: the exporter cannot always take them apart.
_NOT_IN_PLACE = frozenset({"squeeze", "unsqueeze", "t", "transpose", "swapaxes", "swapdims"})

#: Names in ``torch.ops.prims``.
PRIMS = frozenset(
    """
    abs add sub mul div neg exp log sqrt rsqrt sin cos tanh erf maximum minimum eq ne lt le gt ge
    where pow floor ceil round trunc sign bitwise_and bitwise_or bitwise_not convert_element_type
    broadcast_in_dim transpose squeeze split_dim collapse_view cat reshape iota
    view_of amax amin sum prod var clone
    """.split()
)

#: Arithmetic on sizes: text in the file → function. Powers and shifts could grow without bounds.
SIZES: dict[str, Callable[..., Any]] = {
    f"_operator.{name}": getattr(operator, name)
    for name in "add sub mul floordiv mod neg pos eq ne lt le gt ge and_ or_ getitem".split()
} | {
    "torch.sym_max": torch.sym_max, "torch.sym_min": torch.sym_min, "torch.sym_not": torch.sym_not,
    "torch.sym_ite": torch.sym_ite, "torch.sym_int": torch.sym_int, "math.trunc": math.trunc,
}  # fmt: skip

#: Check what the graph computes and give nothing; they are left out.
CHECKS = frozenset(
    """
    _assert_async _assert_scalar _assert_tensor_metadata sym_constrain_range
    sym_constrain_range_for_size _functional_assert_async _functional_assert_scalar
    """.split()
)

#: Regions that do what their operations do, one by one.
REGIONS = frozenset({"wrap_with_set_grad_enabled", "wrap_with_autocast"})
HIGHER = "torch.ops.higher_order."

#: Arguments that must be off, or the operator is random or changes its state.
OFF = ("train", "training", "use_input_stats", "dropout_p")


#: Arguments that are texts and choose between ways to compute.
CHOICES = frozenset(
    """
    approximate equation indexing interpolation mode norm ord padding reduce rounding_mode side
    """.split()
)


def find_operator(target: str) -> Callable[..., Any] | None:
    """Return the operator that a text means; None for one that only checks.

    Args:
        target: such as ``torch.ops.aten.linear.default`` or ``_operator.mul``.

    Raises:
        CompileError: the operator is not on the list.

    Example:
        >>> find_operator("torch.ops.aten.relu.default")
        <OpOverload(op='aten.relu', overload='default')>
        >>> find_operator("torch.ops.aten.from_file.default")
        Traceback (most recent call last):
        causalmod.errors.CompileError: the network calls 'torch.ops.aten.from_file.default', ...
    """
    if target in SIZES:
        return SIZES[target]
    parts = target.split(".")
    if len(parts) == 5 and parts[:2] == ["torch", "ops"]:
        space, name, overload = parts[2:]
        if space == "aten" and name in CHECKS:
            return None
        found = _overload(space, name, overload)
        if found is not None:
            return found
    raise CompileError(
        f"the network calls {target[:120]!r}, which is not on the list of operators that a file "
        "may call: those that compute their result from their arguments and touch nothing else; "
        f"{_advice(parts)}"
    )


def _advice(parts: list[str]) -> str:
    known = ATEN if parts[:3] == ["torch", "ops", "aten"] and len(parts) == 5 else frozenset()
    if known and parts[3].rstrip("_") not in known and "did you mean" in nearest(parts[3], known):
        return f"{nearest(parts[3], known)} Or compile the network itself, not its file"
    return "if you trust it, compile the network itself, not its file"


@functools.cache
def _overload(space: str, name: str, overload: str) -> Callable[..., Any] | None:
    listed = {"aten": ATEN, "prims": PRIMS}.get(space, frozenset())
    base = name[:-1] if name.endswith("_") and not name.endswith("__") else name
    if base not in listed or (base != name and base in _NOT_IN_PLACE):
        return None
    if space == "prims":
        import_module("torch._prims")  # defines the operators
    packet = getattr(getattr(torch.ops, space), name, None)
    if packet is None or overload not in packet.overloads():
        return None
    found = getattr(packet, overload)
    return found if is_harmless(found, in_place=base != name) else None


def is_harmless(operator: Any, in_place: bool) -> bool:
    """Does the schema of an operator promise to write nowhere, or to its ``self`` alone?

    Texts may only choose between ways to compute (``mode``, ``reduce``), and the overloads for
    Python's own lists, dicts and texts are no tensor operators at all.
    """
    arguments = operator._schema.arguments
    written = [
        place
        for place, argument in enumerate(arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
    types = {argument.name: str(argument.type) for argument in arguments}
    texts = {name for name, kind in types.items() if "str" in kind}
    odd = any(kind.endswith("[t]") or "Dict" in kind for kind in types.values())
    if not operator.__name__.startswith("sym_"):
        odd |= not any("Tensor" in str(result.type) for result in operator._schema.returns)
    return written == ([0] if in_place else []) and texts <= CHOICES and not odd
