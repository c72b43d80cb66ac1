"""Neighbours of a partition: moves and swaps, ranked by a gradient, screened, then scored."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import torch
from torch import Tensor

from causalmod.search.problem import Candidate, Problem
from causalmod.search.relaxed import Relaxed, shares_of

_CONTEXTS, _DONORS = 4, 16
_SURE = 0.85  # share of a unit's own module where the gradient is taken
_RANKED, _SCREENED = 24, 10
_MANY = 300
_WORTH = 0.02  # of the score, by which a neighbour has to be better: less may be noise
_TOP = 2  # candidates of a batch that are compared with others of their sizes


def improve(problem: Problem, current: Candidate) -> Candidate:
    """Make moves, and swaps when no move helps, until neither does or the budget is spent."""
    problem.step = "moves"
    round_ = 0
    while problem.left() > 1:
        gains = predicted_gains(problem, current.labels, round_)
        better = _best_of(problem, current, _moves(current.labels, gains, problem.k))
        if better is None:
            swaps = _swaps(current.labels, gains, problem.layer, problem.k)
            better = _best_of(problem, current, swaps)
        if better is None:
            break
        current = better
        round_ += 1
    return current


def predicted_gains(problem: Problem, labels: Tensor, draw: int = 0) -> Tensor:
    """How much the cost falls if a unit moves, to first order: ``[unit, module]``.

    One backward pass for all of them. Its rows count as a part of an evaluation.
    """
    relaxed = Relaxed(problem.scm, problem.rows, problem.objective.resolution)
    sample = relaxed.sample(_CONTEXTS, _DONORS, problem.seed * 101 + draw)
    shares = shares_of(labels, problem.k, _SURE)[None].requires_grad_()
    (slope,) = torch.autograd.grad(relaxed.costs(shares, sample).sum(), [shares])
    rows = relaxed.rows_run
    problem.meter.spend(rows / problem.objective.rows_of_one, rows)
    slope = slope[0]
    return slope.gather(1, labels[:, None]) - slope


def _best_of(
    problem: Problem, current: Candidate, neighbours: Sequence[Tensor]
) -> Candidate | None:
    """Return the best neighbour if it is better: all are looked at roughly, some are scored."""
    fresh = problem.unseen(neighbours)[:_RANKED]
    if len(fresh) > _SCREENED and problem.left() > _SCREENED:
        costs = problem.rough([current.labels, *fresh])
        order = costs[1:].argsort(stable=True).tolist()
        if len(current.labels) > _MANY:  # one unit of many: only what shows at once is worth it
            order = [place for place in order if costs[1 + place] < (1 - _WORTH / 2) * costs[0]]
        fresh = [fresh[place] for place in order[:_SCREENED]]
    fresh = fresh[: problem.left()]
    if not fresh:
        return None
    terms = problem.terms(fresh)
    found = [
        problem.judge(fresh[place], terms[place : place + 1])
        for place in terms.costs().argsort(stable=True).tolist()[:_TOP]
    ]
    best = min(found, key=lambda each: each.score)
    return best if best.score < (1 - _WORTH) * current.score else None


def _moves(labels: Tensor, gains: Tensor, k: int) -> list[Tensor]:
    """Single moves, the most promising first; before them, many promising ones at once."""
    gains = gains.scatter(1, labels[:, None], -inf)
    sizes = torch.bincount(labels, minlength=k)
    gains[sizes[labels] == 1] = -inf
    gain, target = gains.max(1)
    order = gain.argsort(descending=True, stable=True).tolist()
    hopeful = int((gain > 0).sum())
    sizes_at_once = [size for size in (2, 3, 5, 8, 16) if size < hopeful]
    sizes_at_once += [hopeful] if hopeful > 1 else []
    found = [_moved(labels, order[:size], target) for size in sizes_at_once]
    flat = gains.flatten().argsort(descending=True, stable=True).tolist()
    for place in flat[:_RANKED]:
        unit, module = divmod(place, k)
        if gains[unit, module] > -inf:
            moved = labels.clone()
            moved[unit] = module
            found.append(moved)
    return found


def _moved(labels: Tensor, units: list[int], target: Tensor) -> Tensor:
    moved = labels.clone()
    moved[units] = target[units]
    return moved


def _swaps(labels: Tensor, gains: Tensor, layer: Tensor, k: int) -> list[Tensor]:
    """Exchanges of two units of one layer and two modules, the most promising first."""
    keen = gains.scatter(1, labels[:, None], -inf).amax(1).argsort(descending=True)[: 4 * _RANKED]
    there = gains[keen][:, labels[keen]]  # gain of each of them in each other one's module
    both = there + there.T
    allowed = layer[keen][:, None] == layer[keen][None]
    allowed &= labels[keen][:, None] != labels[keen][None]
    both = torch.where(allowed.triu(1), both, -inf)
    found: list[Tensor] = []
    for place in both.flatten().argsort(descending=True, stable=True).tolist()[:_RANKED]:
        first, second = divmod(place, len(keen))
        if both[first, second] == -inf:
            break
        one, other = int(keen[first]), int(keen[second])
        swapped = labels.clone()
        swapped[one], swapped[other] = labels[other], labels[one]
        found.append(swapped)
    return found
