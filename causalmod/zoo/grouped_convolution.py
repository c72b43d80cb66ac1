"""A convolutional network in groups, its channels shuffled."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from causalmod.errors import InputError
from causalmod.zoo.case import Case, register
from causalmod.zoo.planted_blocks import letters, silent
from causalmod.zoo.planted_layers import ACTIVATIONS

_WINDOW = 3
_GAIN = 1.5


class ShuffledChannels(nn.Module):
    """Convolutions, each in groups or dense; channels are put in another order after each.

    Args:
        layers: the convolutions; the last gives one number per image and channel.
        orders: for each, the order of its channels when the next reads them.
        activation: name of the nonlinearity.
    """

    def __init__(self, layers: list[nn.Conv2d], orders: list[Tensor], activation: str) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.hidden = nn.ModuleList(ACTIVATIONS[activation]() for _ in layers[1:])
        self.pool = nn.AdaptiveAvgPool2d(1)
        for place, order in enumerate(orders):
            self.register_buffer(f"order{place}", order)

    def forward(self, images: Tensor) -> Tensor:
        """Return readouts ``[rows, channel]`` of ``[rows, channel, height, width]``."""
        for place, activation in enumerate(self.hidden):
            channels = self.layers[place](images)[:, self.get_buffer(f"order{place}")]
            images = activation(channels)[:, self.get_buffer(f"back{place}")]
        return self.layers[-1](self.pool(images)).flatten(1)


@register("planted_convolution")
def planted_convolution(
    blocks: int = 2,
    channels: int = 4,
    *,
    layers: int = 2,
    activation: str = "relu",
    leak: float = 0.0,
    size: int = 5,
    rows: int = 200,
    seed: int = 0,
) -> Case:
    """A convolutional network whose groups of channels never meet, the channels shuffled.

    Without leak the convolutions have groups, so the architecture itself keeps the blocks apart;
    with one they are dense, with weights between blocks scaled by ``leak``. Each block reads its
    own channel of images of independent normal numbers.

    Args:
        blocks: number of blocks.
        channels: channels of each block in each hidden layer.
        layers: number of hidden layers.
        activation: ``"tanh"``, ``"gelu"`` or ``"relu"``.
        leak: as for :func:`planted`.
        size: height and width of the images.
        rows: number of images.
        seed: seed of everything random.

    Raises:
        InputError: a number out of range.

    Example:
        >>> case = planted_convolution()
        >>> {name: len(members) for name, members in case.modules.items()}
        {'A': 10, 'B': 10}
        >>> [row.got for row in case.check()]
        [0.0]
    """
    if blocks < 2 or min(channels, layers, size) < 1:
        raise InputError(
            "two blocks or more, and channels, layers and size of at least 1; given "
            f"blocks={blocks}, channels={channels}, layers={layers}, size={size}"
        )
    generator = torch.Generator().manual_seed(seed)
    widths = [1, *[channels] * layers, 2]
    convolutions: list[nn.Conv2d] = []
    for place, (below, above) in enumerate(pairwise(widths)):
        window = 1 if place == layers else _WINDOW
        convolutions.append(_convolution(blocks, below, above, window, leak, generator))
    orders = [torch.randperm(blocks * channels, generator=generator) for _ in range(layers)]
    model = ShuffledChannels(convolutions, orders, activation)
    for place, order in enumerate(orders):
        model.register_buffer(f"back{place}", order.argsort())
    inputs = torch.randn(rows, blocks, size, size, generator=generator)
    names = letters(blocks)
    modules: dict[str, list[str]] = {name: [] for name in names}
    for place, order in enumerate(orders):
        for channel, before in enumerate(order.tolist()):
            modules[names[before // channels]].append(f"hidden.{place}[{channel}]")
    for channel in range(2 * blocks):
        modules[names[channel // 2]].append(f"output[{channel}]")
    return Case(
        name="planted_convolution",
        model=model.eval(),
        inputs=inputs,
        modules=modules,
        facts=silent(modules, leak),
        sites=(*(f"hidden.{place}" for place in range(layers)), "output"),
        doc=f"{blocks} blocks of {channels} {activation} channels in each of {layers} layers, leak "
        f"{leak:g}, seed {seed}.",
    )


def _convolution(
    blocks: int, below: int, above: int, window: int, leak: float, generator: torch.Generator
) -> nn.Conv2d:
    """Draw a convolution in groups; a dense one with small weights between them if they leak."""
    groups = 1 if leak else blocks
    layer = nn.Conv2d(
        blocks * below, blocks * above, window, padding=window // 2, groups=groups, device="meta"
    )
    scale = _GAIN / (below * window**2) ** 0.5
    shape = (blocks * above, blocks * below // groups, window, window)
    weight = torch.randn(shape, generator=generator) * scale
    if leak:
        own = torch.arange(blocks).repeat_interleave(above)[:, None]
        apart = own != torch.arange(blocks).repeat_interleave(below)[None]
        weight = weight * torch.where(apart, leak, 1.0)[:, :, None, None]
    bias = 0.1 + 0.2 * torch.randn(blocks * above, generator=generator)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = nn.Parameter(bias, requires_grad=False)
    return layer
