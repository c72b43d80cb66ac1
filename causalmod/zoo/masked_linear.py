"""A linear layer that keeps to a wiring: weights outside of a mask do not exist."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MaskedLinear(nn.Linear):
    """``y = (weight * mask) x + bias``, with a mask of zeros and ones that is not trained.

    Args:
        weight: ``[output, input]`` first weights; stored as zero outside of the mask.
        bias: ``[output]``.
        mask: bool ``[output, input]``, True where a connection may be.

    Example:
        >>> layer = MaskedLinear(torch.ones(2, 2), torch.zeros(2), torch.eye(2).bool())
        >>> layer(torch.tensor([[3.0, 4.0]])).tolist()
        [[3.0, 4.0]]
    """

    mask: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, mask: Tensor) -> None:
        # the meta device keeps nn.Linear from drawing weights from the global generator
        super().__init__(weight.shape[1], weight.shape[0], device="meta")
        self.register_buffer("mask", mask.to(weight.dtype))
        self.weight = nn.Parameter(weight * self.mask)
        self.bias = nn.Parameter(bias.clone())

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layer to ``[..., input]``."""
        return F.linear(input, self.weight * self.mask, self.bias)

    def prune(self) -> None:
        """Set the stored weights outside of the mask to exactly zero."""
        with torch.no_grad():
            self.weight.copy_(torch.where(self.mask > 0, self.weight, 0.0))


def masked_layers(masks: list[Tensor], generator: torch.Generator) -> list[MaskedLinear]:
    """Return layers with the usual first weights for ReLU, scaled to the connections there are.

    Source: He et al. (2015), arXiv:1502.01852, equation 10, with the uniform law.
    """
    layers: list[MaskedLinear] = []
    for mask in masks:
        fan_in = mask.sum(1, keepdim=True).clamp_min(1)
        draws = 2 * torch.rand(mask.shape, generator=generator) - 1
        layers.append(MaskedLinear(draws * (6 / fan_in).sqrt(), torch.zeros(len(mask)), mask))
    return layers


def wiring(owners: list[Tensor], apart: bool) -> list[Tensor]:
    """Return a mask for each layer: within owners only, or everything.

    Args:
        owners: for the inputs and each layer, the module of each unit.
        apart: connect a unit only to units of its own module.
    """
    return [
        after[:, None] == before[None, :]
        if apart
        else torch.ones(len(after), len(before), dtype=torch.bool)
        for before, after in pairwise(owners)
    ]
