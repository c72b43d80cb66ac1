"""Networks with planted blocks, for the tests of search and score."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

import causalmod as cm


def planted(
    widths: tuple[int, ...] = (8, 12, 12, 4), leak: float = 0.0, seed: int = 0, blocks: int = 2
) -> tuple[nn.Sequential, Tensor, dict[str, int]]:
    """Make an MLP whose layers fall into equal blocks, hidden units and readouts shuffled.

    Returns:
        The network, 400 rows of data, and the block of each unit (post-activation names).
    """
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential()
    truth: dict[str, int] = {}
    before = torch.arange(widths[0]) % blocks
    for depth, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
        after = (torch.arange(fan_out) % blocks)[torch.randperm(fan_out, generator=generator)]
        same = after[:, None] == before[None]
        weight = torch.randn(fan_out, fan_in, generator=generator) * (blocks / fan_in) ** 0.5 * 1.5
        linear = nn.Linear(fan_in, fan_out)
        with torch.no_grad():
            linear.weight.copy_(torch.where(same, weight, leak * weight))
            linear.bias.copy_(0.1 * torch.randn(fan_out, generator=generator))
        last = depth == len(widths) - 1
        model.add_module("readout" if last else f"linear{depth}", linear)
        if not last:
            model.add_module(f"act{depth}", nn.ReLU() if depth % 2 else nn.Tanh())
        site = "output" if last else f"act{depth}"
        truth |= {f"{site}[{unit}]": int(block) for unit, block in enumerate(after)}
        before = after
    data = torch.randn(400, widths[0], generator=generator)
    return model.eval(), data, truth


def compiled(
    widths: tuple[int, ...] = (8, 12, 12, 4), leak: float = 0.0, seed: int = 0, blocks: int = 2
) -> tuple[cm.StructuralCausalModel, list[int]]:
    """Compile :func:`planted`; also the blocks in the order of the live units."""
    model, data, truth = planted(widths, leak, seed, blocks)
    scm = cm.compile(model, data)
    return scm, [truth[unit] for unit in scm.units.names]


def linear(model: nn.Module, name: str) -> nn.Linear:
    """Return a network's Linear of that name."""
    found = model.get_submodule(name)
    assert isinstance(found, nn.Linear)
    return found
