"""Search problems on planted networks, for the tests of the algorithms."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod.exchange import draw_sample
from causalmod.search import Meter, Objective, Problem, SearchBudget


def problem_on(
    scm: cm.StructuralCausalModel, k: int, *, evaluations: int | None = None, seed: int = 0
) -> Problem:
    """Pose the problem of splitting a model into ``k`` modules, on all of its rows."""
    rows = torch.arange(scm.rows)
    sample = draw_sample(rows, 12, 16, k - 1, seed)
    objective = Objective(scm, sample, k, draws=8, dtype=torch.float32)
    meter = Meter(SearchBudget(evaluations=evaluations), 120)
    return Problem(scm, objective, meter, rows=rows, seed=seed)


def small(seed: int) -> cm.StructuralCausalModel:
    """A random network of at most twelve units, perhaps with a weak bridge between halves."""
    generator = torch.Generator().manual_seed(seed)
    widths = [3, 3 + seed % 3, 3, 2 + seed % 2]
    model = nn.Sequential()
    for place in range(3):
        layer = nn.Linear(widths[place], widths[place + 1])
        with torch.no_grad():
            weight = torch.randn(layer.weight.shape, generator=generator)
            halves = torch.arange(widths[place + 1])[:, None] % 2
            apart = halves != torch.arange(widths[place])[None] % 2
            layer.weight.copy_(torch.where(apart, (seed % 4) / 3 * weight, weight))
            layer.bias.copy_(0.1 * torch.randn(layer.bias.shape, generator=generator))
        model.add_module(f"linear{place}", layer)
        if place < 2:
            model.add_module(f"act{place}", nn.Tanh() if seed % 2 else nn.GELU())
    data = torch.randn(160, 3, generator=generator)
    return cm.compile(model.eval(), data)


def twins(leak: float = 0.0, seed: int = 0) -> tuple[cm.StructuralCausalModel, list[int]]:
    """Two blocks with, in each layer, a pair of equal units whose weights into the other cancel."""
    generator = torch.Generator().manual_seed(seed)
    blocks = torch.arange(12) % 2
    model = nn.Sequential()
    truth: dict[str, int] = {}
    before, pairs = torch.arange(8) % 2, []
    for depth in (1, 2, 3):
        same = blocks[:, None] == before[None]
        weight = torch.randn(12, len(before), generator=generator) * (2.0 / len(before)) ** 0.5
        weight = torch.where(same, 1.5 * weight, leak * weight)
        bias = 0.1 * torch.randn(12, generator=generator)
        for first, second in pairs:
            others = blocks != before[first]
            large = 3 * torch.randn(int(others.sum()), generator=generator)
            weight[others, first], weight[others, second] = large, -large
        pairs = [(0, 2), (1, 3)]
        for first, second in pairs:
            weight[second], bias[second] = weight[first], bias[first]
        layer = nn.Linear(len(before), 12)
        with torch.no_grad():
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
        model.add_module("readout" if depth == 3 else f"linear{depth}", layer)
        if depth < 3:
            model.add_module(f"act{depth}", nn.Tanh())
        site = "output" if depth == 3 else f"act{depth}"
        truth |= {f"{site}[{unit}]": int(block) for unit, block in enumerate(blocks)}
        before = blocks
    scm = cm.compile(model.eval(), torch.randn(400, 8, generator=generator))
    return scm, [truth[unit] for unit in scm.units.names]


def same_split(labels: Tensor, truth: list[int]) -> bool:
    """Are two partitions the same, by whatever names of their modules?"""
    one, other = labels.tolist(), truth
    pairs = set(zip(one, other, strict=True))
    return len(pairs) == len(set(one)) == len(set(other))
