"""Networks of blocks inside blocks."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

import causalmod as cm

Path = tuple[int, ...]


def nested(
    branching: tuple[int, ...] = (2, 2),
    widths: tuple[int, ...] = (12, 16, 16, 8),
    leaks: tuple[float, ...] = (0.0, 0.2),
    seed: int = 0,
) -> tuple[cm.StructuralCausalModel, dict[str, Path]]:
    """Make an MLP of blocks inside blocks, units shuffled.

    Args:
        branching: blocks in each block, level by level.
        widths: units of each layer, inputs first.
        leaks: weights between blocks that part at each level, over those within a leaf.
        seed: seed of weights, order and data.

    Returns:
        The model, and the way to the leaf of each live unit.
    """
    generator = torch.Generator().manual_seed(seed)
    leaves = torch.cartesian_prod(*[torch.arange(n) for n in branching]).reshape(-1, len(branching))
    model = nn.Sequential()
    truth: dict[str, Path] = {}
    before = torch.arange(widths[0]) % len(leaves)
    for depth, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
        order = torch.randperm(fan_out, generator=generator)
        after = (torch.arange(fan_out) % len(leaves))[order]
        factor = torch.ones(fan_out, fan_in)
        for level in reversed(range(len(branching))):
            prefix = leaves[:, : level + 1]
            apart = (prefix[after][:, None] != prefix[before][None]).any(-1)
            factor[apart] = leaks[level]
        weight = torch.randn(fan_out, fan_in, generator=generator)
        layer = nn.Linear(fan_in, fan_out)
        with torch.no_grad():
            layer.weight.copy_(1.5 * factor * weight * (len(leaves) / fan_in) ** 0.5)
            layer.bias.copy_(0.1 * torch.randn(fan_out, generator=generator))
        last = depth == len(widths) - 1
        model.add_module("readout" if last else f"linear{depth}", layer)
        if not last:
            model.add_module(f"act{depth}", nn.Tanh())
        site = "output" if last else f"act{depth}"
        truth |= {f"{site}[{i}]": tuple(leaves[b].tolist()) for i, b in enumerate(after)}
        before = after
    data = torch.randn(400, widths[0], generator=generator)
    scm = cm.compile(model.eval(), data)
    return scm, {unit: truth[unit] for unit in scm.units.names}


def dense(seed: int, widths: tuple[int, ...] = (6, 10, 10, 4)) -> cm.StructuralCausalModel:
    """Make a network of random weights with no blocks."""
    return nested((1,), widths, (1.0,), seed)[0]


class Around(nn.Module):
    """THEORY oracle 14: b_i = (x_i + [x_(i^1) = 3]) mod 4, with a_i = x_i as units of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        a = self.a(x * 1.0)
        partner = a[:, [1, 0, 3, 2]]
        return torch.remainder(a + (partner == 3).double(), 4.0)
