"""Convolutions: slices of input channels trade places within their group."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, fx

from causalmod.compiler.ops import argument, op_name
from causalmod.search.nulls.places import Places, last
from causalmod.search.nulls.protocol import OPERATIONS, Moments, Use, in_bases


@OPERATIONS.register("conv1d")
@OPERATIONS.register("conv2d")
@OPERATIONS.register("conv3d")
@OPERATIONS.register("conv_transpose1d")
@OPERATIONS.register("conv_transpose2d")
@OPERATIONS.register("conv_transpose3d")
@OPERATIONS.register("convolution")
def convolution(node: fx.Node, places: Places) -> Iterator[Use]:
    """``weight [out, in / groups, *window]``, or turned ``[in, out / groups, *window]``."""
    read, weight = node.args[0], node.args[1]
    if not isinstance(read, fx.Node) or not isinstance(weight, fx.Node):
        return
    kernel = places.program.constants.get(weight.name)
    values = places.values(read.name)
    if not isinstance(kernel, Tensor) or values is None:
        return
    name = op_name(node)
    groups = argument(node, "groups") or 1
    turned = bool(argument(node, "transposed")) or "transpose" in name
    shape, channel = kernel.shape, values.ndim - (kernel.ndim - 1)

    def unfold(held: Tensor) -> Tensor:
        apart = held.reshape(groups, shape[0] // groups, shape[1], -1)
        return apart.transpose(1, 2) if turned else apart

    def fold(made: Tensor) -> Tensor:
        return (made.transpose(1, 2) if turned else made).reshape(shape)

    samples = last(values, [channel])
    use = Use(
        weight.name,
        unfold,
        fold,
        Moments.of(samples),
        places.senders(read.name, channel),
        places.receivers(node.name, channel),
    )
    yield in_bases(use, samples) if groups == 1 else use
