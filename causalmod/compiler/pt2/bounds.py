"""Checks before operators that trust their arguments.

A few kernels of torch do not check that their arguments fit together, and read beyond the end of a
tensor when they do not: found by calling the listed operators with arguments that do not fit
(torch 2.13). A network that was exported never calls them so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from causalmod.errors import CompileError


def check_call(target: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    """Check the arguments of an operator that does not do so itself.

    Raises:
        CompileError: they do not fit together.
    """
    schema: Any = getattr(target, "_schema", target)  # Python's own functions have none
    check = _CHECKS.get(getattr(schema, "name", "").rpartition("::")[2])
    if check is None:
        return
    names = [argument.name for argument in schema.arguments]
    given = dict(zip(names, args, strict=False)) | kwargs
    try:
        fits = check(given)
    except (KeyError, TypeError, IndexError, ValueError, AttributeError, ZeroDivisionError):
        fits = False
    if not fits:
        raise CompileError(f"{target} is called with arguments that do not fit together")


def _batch_norm(given: dict[str, Any]) -> bool:
    """One mean, variance, weight and bias for each channel."""
    channels = given["input"].shape[1]
    each = (given[name] for name in ("weight", "bias", "running_mean", "running_var"))
    return all(tensor is None or tuple(tensor.shape) == (channels,) for tensor in each)


def _recurrent(gates: int, states: int) -> Callable[[dict[str, Any]], bool]:
    """Weights of each layer and direction: ``[gates * hidden, what it reads]``."""

    def check(given: dict[str, Any]) -> bool:
        state = given["hx"]
        if len(state) != states if isinstance(state, (list, tuple)) else states != 1:
            return False
        hidden, *cell = state if isinstance(state, (list, tuple)) else [state]
        params: Sequence[Tensor] = given["params"]
        ways = 2 if given["bidirectional"] else 1
        size = (cell[0] if cell else hidden).shape[-1]
        sent, reads = hidden.shape[-1], given["input"].shape[-1]
        per_layer = 2 + 2 * bool(given["has_biases"]) + (sent != size)
        count = given["num_layers"] * ways
        if len(params) != count * per_layer or hidden.shape[0] != count or given["input"].ndim != 3:
            return False
        for place in range(count):
            first, second, *rest = params[place * per_layer : (place + 1) * per_layer]
            wide = reads if place < ways else sent * ways
            biases = rest[: 2 * bool(given["has_biases"])]
            if tuple(first.shape) != (gates * size, wide):
                return False
            if tuple(second.shape) != (gates * size, sent):
                return False
            if any(tuple(bias.shape) != (gates * size,) for bias in biases):
                return False
            if sent != size and tuple(rest[-1].shape) != (sent, size):
                return False
        return all(each.shape[:2] == hidden.shape[:2] for each in cell)

    return check


def _upsample(given: dict[str, Any]) -> bool:
    """A scale that is the ratio of the sizes, as far as these are whole."""
    factors = given.get("scale_factors") or [
        given.get(name) for name in ("scales", "scales_d", "scales_h", "scales_w") if name in given
    ]
    sizes = given["input" if "input" in given else "self"].shape[2:]
    wanted = given.get("output_size") or [None] * len(sizes)
    for size, out, factor in zip(sizes[::-1], wanted[::-1], factors[::-1], strict=False):
        if factor is None:
            continue
        if not 1e-3 < factor < 1e4 or (out is not None and abs(size * factor - out) > 1):
            return False
    return True


def _group_norm(given: dict[str, Any]) -> bool:
    """Sizes that are those of the input, and one weight for each channel."""
    rows, channels, inside = given["N"], given["C"], given["HxW"]
    shape = given["input"].shape
    each = (given.get(name) for name in ("weight", "bias"))
    return (
        tuple(shape[:2]) == (rows, channels)
        and given["input"][0, 0].numel() == inside
        and channels % given["group"] == 0
        and all(tensor is None or tuple(tensor.shape) == (channels,) for tensor in each)
    )


def _rms_norm(given: dict[str, Any]) -> bool:
    shape, weight = tuple(given["normalized_shape"]), given.get("weight")
    fits = tuple(given["input"].shape[-len(shape) :]) == shape
    return fits and (weight is None or tuple(weight.shape) == shape)


def _weight_norm(given: dict[str, Any]) -> bool:
    """One length for each slice, in the shape that torch gives them."""
    dim, shape = given.get("dim", 0), given["v"].shape
    wanted = [size if axis == dim else 1 for axis, size in enumerate(shape)]
    return dim in {0, len(shape) - 1} and list(given["g"].shape) == wanted


def _attention(given: dict[str, Any]) -> bool:
    """As many rows and heads in each, and a mask that has the scores' sizes."""
    query, key, value = given["query"].shape, given["key"].shape, given["value"].shape
    mask = given.get("attn_mask")
    scores = (*query[:-1], key[-2])
    fits = len(query) == 4 and query[:2] == key[:2] == value[:2]
    fits = fits and query[-1] == key[-1] == value[-1] and key[-2] == value[-2]
    if fits and mask is not None:
        wanted = scores[-mask.ndim :]
        fits = mask.ndim in {2, 4} and all(
            size in (1, full) for size, full in zip(mask.shape, wanted, strict=True)
        )
    return fits


_CHECKS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "_native_batch_norm_legit_no_training": _batch_norm,
    "native_group_norm": _group_norm,
    "_fused_rms_norm": _rms_norm,
    "_weight_norm_interface": _weight_norm,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "lstm": _recurrent(4, 2),
    "gru": _recurrent(3, 1),
    "rnn_tanh": _recurrent(1, 1),
    "rnn_relu": _recurrent(1, 1),
    **{
        f"{kind}{dims}": _upsample
        for kind, dimensions in (
            ("upsample_nearest", "123"),
            ("_upsample_nearest_exact", "123"),
            ("upsample_linear", "1"),
            ("upsample_bilinear", "2"),
            ("upsample_bicubic", "2"),
            ("upsample_trilinear", "3"),
        )
        for dims in (f"{each}d" for each in dimensions)
    },
    "_upsample_bilinear2d_aa": _upsample,
    "_upsample_bicubic2d_aa": _upsample,
}
