"""Small dense networks for the tests: nothing about them is known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from causalmod.zoo import Case
from causalmod.zoo.blocks import all_bits, fixed_linear


def dense(
    seed: int = 0,
    widths: Sequence[int] = (3, 3, 2, 2),
    activation: type[nn.Module] = nn.Tanh,
) -> Case:
    """Random weights everywhere; inputs are all combinations of signs."""
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential()
    for depth, (before, after) in enumerate(pairwise(widths), start=1):
        weight = torch.randn(after, before, generator=generator)
        bias = 0.5 * torch.randn(after, generator=generator)
        last = depth == len(widths) - 1
        model.add_module("readout" if last else f"linear{depth}", fixed_linear(weight, bias))
        if not last:
            model.add_module(f"hidden{depth}", activation())
    signs = 2 * all_bits(widths[0]) - 1
    return Case("dense", model.eval(), signs, None, ())
