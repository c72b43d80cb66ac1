"""Simulated annealing: a walk by moves and swaps that settles as it cools."""

from __future__ import annotations

from math import exp

import torch
from torch import Tensor

from causalmod.search.problem import Problem
from causalmod.search.protocol import ALGORITHMS

_WARM, _COLD = 0.1, 0.002  # temperatures, in units of the score
_SWAPS = 0.5  # share of swaps; they keep the sizes, so no new comparison has to be drawn


@ALGORITHMS.register("annealing")
def annealing(problem: Problem) -> None:
    """Walk from a random partition; take a worse neighbour with ``exp(-rise / temperature)``.

    A check on the other methods: it reads no graph.

    Source: Kirkpatrick, Gelatt and Vecchi, Science 220 (1983).
    """
    problem.step = "annealing"
    generator = torch.Generator().manual_seed(problem.seed)
    here = problem.score(balanced_labels(problem.layer, problem.k, generator))
    total = max(1, problem.left())
    idle = 0
    while problem.left() and idle < 50 * len(here.labels):
        done = 1 - problem.left() / total
        temperature = _WARM * (_COLD / _WARM) ** done
        labels = neighbour(here.labels, problem.layer, problem.k, generator)
        idle = idle + 1 if problem.seen(labels) is not None else 0
        there = problem.score(labels)
        rise = there.score - here.score
        chance = float(torch.rand((), generator=generator))
        if rise <= 0 or chance < exp(-rise / temperature):
            here = there


def balanced_labels(layer: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """Random labels ``[unit]`` that share out each layer as evenly as may be."""
    labels = torch.zeros(len(layer), dtype=torch.long)
    start = 0
    for number in layer.unique():
        places = (layer == number).nonzero().flatten()
        order = places[torch.rand(len(places), generator=generator).argsort()]
        labels[order] = (torch.arange(len(places)) + start) % k
        start += len(places)
    return labels


def neighbour(labels: Tensor, layer: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """Move one unit, or swap two of a layer; no module is emptied."""
    changed = labels.clone()
    unit = int(torch.randint(len(labels), (), generator=generator))
    if float(torch.rand((), generator=generator)) < _SWAPS:
        others = ((layer == layer[unit]) & (labels != labels[unit])).nonzero().flatten()
        if len(others):
            other = int(others[int(torch.randint(len(others), (), generator=generator))])
            changed[unit], changed[other] = labels[other], labels[unit]
            return changed
    if int((labels == labels[unit]).sum()) == 1:
        return changed
    step = 1 + int(torch.randint(k - 1, (), generator=generator))
    changed[unit] = (int(labels[unit]) + step) % k
    return changed
