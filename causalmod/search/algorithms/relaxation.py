"""Gradient relaxation: soft memberships, moved down the gradient of the objective.

The only method here that reads no graph of units or weights, so that it finds modules behind
weights that cancel.
"""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.search.clusters import without_empty
from causalmod.search.problem import Problem
from causalmod.search.protocol import ALGORITHMS
from causalmod.search.relaxed import Relaxed

RESTARTS = 4
STEPS = 100
CONTEXTS, DONORS = 6, 8
_RATE, _SPREAD = 0.15, 0.5
_SHARP = 3.0  # by which memberships are sharpened towards the end


@ALGORITHMS.register("relaxation")
def relaxation(problem: Problem) -> None:
    """Score the partitions to which soft memberships settle, from several random starts.

    Source: the relaxation is new here; Adam by Kingma and Ba, ICLR (2015).
    """
    found = problem.once("relaxation", lambda: relaxed_labels(problem))
    for labels in problem.unseen(list(found)):
        if not problem.left():
            break
        problem.score(labels)
    if problem.best is None:  # all of them were one module, or the budget is spent
        problem.score(without_empty(found[0], problem.k))


def relaxed_labels(problem: Problem, restarts: int = RESTARTS, steps: int = STEPS) -> Tensor:
    """Return the partitions ``[restart, unit]`` that soft memberships settle to.

    The rows that it runs count as parts of evaluations; where the budget is short, so is it.

    Raises:
        InputError: the budget does not reach for ten steps.
    """
    units, k = len(problem.scm.units), problem.k
    relaxed = Relaxed(problem.scm, problem.rows, problem.objective.resolution)
    step = CONTEXTS * DONORS * restarts * k * (2 if k == 2 else 3) / problem.objective.rows_of_one
    steps = min(steps, int((problem.left() - restarts) / step))
    if steps < 10:
        least = restarts + int(10 * step) + 1
        raise InputError(
            f"the relaxation takes at least {least} evaluations; {problem.left()} are left of "
            "the budget: give SearchBudget(evaluations=...) more, or another method"
        )
    generator = torch.Generator().manual_seed(problem.seed)
    logits = (_SPREAD * torch.randn(restarts, units, k, generator=generator)).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=_RATE)
    for number in range(steps):
        if problem.meter.late:
            break
        sharp = 1 + (_SHARP - 1) * number / steps
        sample = relaxed.sample(CONTEXTS, DONORS, problem.seed * 10_007 + number)
        costs = relaxed.costs((sharp * logits).softmax(-1), sample)
        (logits.grad,) = torch.autograd.grad(costs.sum(), [logits])
        optimiser.step()
    problem.meter.spend(relaxed.rows_run / problem.objective.rows_of_one, relaxed.rows_run)
    return torch.stack([without_empty(each.argmax(-1), k) for each in logits.detach()])
