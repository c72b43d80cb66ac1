"""Margins: how firmly each unit belongs to its module."""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.search.local import predicted_gains
from causalmod.search.objective import Objective
from causalmod.search.problem import Problem

_EXACT = 40  # units up to which every move is evaluated; beyond, the doubtful ones are
_DOUBTFUL = 24
UNDECIDED = 0.02  # margin, as a share of the score, under which a unit belongs nowhere cleanly


def margins(problem: Problem, labels: Tensor, most: int | None = None) -> Tensor:
    """By how much the score rises when a unit moves to its best other module: ``[unit]``.

    Negative where it falls. Each unit's most promising module is found by a gradient; the moves of
    units with the least predicted rise are then scored, the others keep the prediction as a share
    of the cost. Evaluations are counted, but not limited.

    Args:
        problem: the search.
        labels: a partition.
        most: units whose moves are scored; by default all of 40, else 24.

    Returns:
        Tensor: ``inf`` for a unit that is its module's only one.
    """
    objective: Objective = problem.objective
    k, count = problem.k, len(labels)
    gains = torch.stack([predicted_gains(problem, labels, draw) for draw in range(2)]).mean(0)
    gains = gains.scatter(1, labels[:, None], -torch.inf)
    gain, target = gains.max(1)
    own = objective.terms(labels[None])
    score = objective.score(labels, own)
    problem.meter.spend(1)
    scale = score / max(float(own.costs()[0]), 1e-12) if score > 0 else 1.0
    found = (-gain * scale).double()
    found[torch.bincount(labels, minlength=k)[labels] == 1] = torch.inf
    most = (count if count <= _EXACT else _DOUBTFUL) if most is None else most
    for unit in found.argsort(stable=True).tolist()[:most]:
        if found[unit] == torch.inf:
            continue
        moved = labels.clone()
        moved[unit] = target[unit]
        found[unit] = objective.score(moved) - score
        problem.meter.spend(1)
    return found


def undecided(found: Tensor, score: float) -> Tensor:
    """Bool ``[unit]``: units whose move would cost next to nothing."""
    return found <= UNDECIDED * max(score, UNDECIDED)
