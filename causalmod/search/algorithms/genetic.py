"""Genetic algorithm: partitions that cross and mutate; the one that the post suggests."""

from __future__ import annotations

from itertools import permutations

import torch
from torch import Tensor

from causalmod.search.algorithms.annealing import balanced_labels, neighbour
from causalmod.search.clusters import without_empty
from causalmod.search.problem import Candidate, Problem
from causalmod.search.protocol import ALGORITHMS

_POPULATION = 24
_ELITE, _TOURNAMENT = 4, 3
_MUTATIONS = 1.5  # expected number in a child
_MATCHED = 5  # modules up to which all ways of matching them are compared
_STALE = 12  # generations without anything new


@ALGORITHMS.register("genetic")
def genetic(problem: Problem) -> None:
    """Breed partitions by uniform crossover of matched modules, moves and swaps; keep the best.

    A check on the other methods: it reads no graph.

    Source: Holland, *Adaptation in Natural and Artificial Systems* (1975).
    """
    problem.step = "genetic"
    generator = torch.Generator().manual_seed(problem.seed)
    size = max(1, min(_POPULATION, problem.left() // 2))
    first = [balanced_labels(problem.layer, problem.k, generator) for _ in range(size)]
    living = _scored(problem, first) or [problem.score(first[0])]
    stale = 0
    while problem.left() and stale < _STALE:
        living = sorted(living, key=lambda each: each.score)[:size]
        children = [_child(problem, living, generator) for _ in range(max(1, size - _ELITE))]
        born = _scored(problem, children)
        stale = 0 if born else stale + 1
        living = living + born


def _scored(problem: Problem, labels: list[Tensor]) -> list[Candidate]:
    found: list[Candidate] = []
    for each in problem.unseen(labels):
        if not problem.left() and problem.best is not None:
            break
        found.append(problem.score(each))
    return found


def _child(problem: Problem, living: list[Candidate], generator: torch.Generator) -> Tensor:
    mother, father = (_winner(living, generator).labels for _ in range(2))
    father = matched(father, mother, problem.k)
    picks = torch.rand(len(mother), generator=generator) < 0.5
    child = without_empty(torch.where(picks, mother, father), problem.k)
    for _ in range(int(torch.poisson(torch.tensor(_MUTATIONS), generator=generator))):
        child = neighbour(child, problem.layer, problem.k, generator)
    return child


def _winner(living: list[Candidate], generator: torch.Generator) -> Candidate:
    picks = torch.randint(len(living), (_TOURNAMENT,), generator=generator).tolist()
    return min((living[place] for place in picks), key=lambda each: each.score)


def matched(labels: Tensor, to: Tensor, k: int) -> Tensor:
    """Rename modules so that they share most units with another partition's."""
    shared = torch.bincount(labels * k + to, minlength=k * k).reshape(k, k)
    if k <= _MATCHED:
        best = max(
            permutations(range(k)), key=lambda way: sum(int(shared[m, way[m]]) for m in range(k))
        )
        return torch.tensor(best)[labels]
    from scipy.optimize import linear_sum_assignment

    return torch.from_numpy(linear_sum_assignment(-shared.numpy())[1])[labels]
