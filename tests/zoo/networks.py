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
    activation: type[nn.Module] = nn.ReLU,
) -> Case:
    """Random whole-numbered weights; inputs are all combinations of signs.

    With ReLU every value is a whole number, held exactly, and different rows often agree, so that
    entropies are not all the same.
    """
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential()
    for depth, (before, after) in enumerate(pairwise(widths), start=1):
        weight = torch.randint(-2, 3, (after, before), generator=generator).float()
        bias = torch.randint(0, 3, (after,), generator=generator).float()
        last = depth == len(widths) - 1
        model.add_module("readout" if last else f"linear{depth}", fixed_linear(weight, bias))
        if not last:
            model.add_module(f"hidden{depth}", activation())
    signs = 2 * all_bits(widths[0]) - 1
    return Case("dense", model.eval(), signs, None, ())
