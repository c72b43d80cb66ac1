"""Gradient relaxation: soft memberships, moved down the gradient of the objective.

The only method here that reads no graph of units or weights, so that it finds modules behind
weights that cancel, in any architecture.
"""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.search.clusters import without_empty
from causalmod.search.local import improve
from causalmod.search.problem import Problem
from causalmod.search.protocol import ALGORITHMS
from causalmod.search.relaxed import Relaxed

RESTARTS = 4
STEPS, LEAST_STEPS = 150, 20
CONTEXTS, DONORS = 6, 8
_RATE, _SPREAD = 0.15, 0.2
_COARSE, _FINE = 5.0, 0.3  # resolutions from which, and to which, is gone
_CENTRED = 0.7  # of the steps, in which no layer may lean to a module


@ALGORITHMS.register("relaxation")
def relaxation(problem: Problem) -> None:
    """Score the partitions to which soft memberships settle; improve the best by moves.

    Raises:
        InputError: the budget does not reach for twenty steps.
    """
    settle(problem)
    assert problem.best is not None
    improve(problem, problem.best)


def settle(problem: Problem, steps: int = STEPS) -> None:
    """Score the partitions to which soft memberships settle, from several random starts.

    Raises:
        InputError: the budget does not reach for twenty steps.
    """
    problem.step = "relaxation"
    found = problem.once("relaxation", lambda: relaxed_labels(problem, steps))
    for labels in found:
        if not problem.left() and problem.best is not None:
            break
        problem.score(labels)


def affordable_steps(problem: Problem, restarts: int = RESTARTS) -> int:
    """Steps that the budget has room for, with room to score what they come to."""
    return int((problem.left() - restarts) / _cost(problem, restarts))


def relaxed_labels(problem: Problem, steps: int = STEPS, restarts: int = RESTARTS) -> Tensor:
    """Return the partitions ``[restart, unit]`` that soft memberships settle to.

    The noise is coarse at first, where the objective is all but quadratic and has one valley, then
    finer. Until late no layer as a whole may lean to a module, or depth would be taken for modules.
    The rows that it runs count as parts of evaluations; where the budget is short, so is it.

    Source: Adam by Kingma and Ba, ICLR (2015).
    """
    steps = min(steps, affordable_steps(problem, restarts))
    if steps < LEAST_STEPS:
        least = restarts + int(LEAST_STEPS * _cost(problem, restarts)) + 1
        raise InputError(
            f"the relaxation takes at least {least} evaluations; {problem.left()} are left of "
            "the budget: give SearchBudget(evaluations=...) more, or another method"
        )
    units, k = len(problem.scm.units), problem.k
    generator = torch.Generator().manual_seed(problem.seed)
    logits = (_SPREAD * torch.randn(restarts, units, k, generator=generator)).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=_RATE)
    relaxed = Relaxed(problem.scm, problem.rows)
    scale = problem.objective.resolution / 0.2
    for number in range(steps):
        if problem.meter.late:
            break
        done = number / steps
        relaxed.resolution = scale * _COARSE ** (1 - done) * _FINE**done
        seen = _centred(logits, problem.layer) if done < _CENTRED else logits
        sample = relaxed.sample(CONTEXTS, DONORS, problem.seed * 10_007 + number)
        costs = relaxed.costs(seen.softmax(-1), sample)
        (logits.grad,) = torch.autograd.grad(costs.sum(), [logits])
        optimiser.step()
    rows = relaxed.rows_run
    problem.meter.spend(rows / problem.objective.rows_of_one, rows)
    return torch.stack([without_empty(each.argmax(-1), k) for each in logits.detach()])


def _cost(problem: Problem, restarts: int) -> float:
    """Evaluations that one step counts for."""
    rows = CONTEXTS * DONORS * restarts * problem.k * (2 if problem.k == 2 else 3)
    return rows / problem.objective.rows_of_one


def _centred(logits: Tensor, layer: Tensor) -> Tensor:
    """Take the mean over each layer off: ``[restart, unit, module]``."""
    hot = torch.nn.functional.one_hot(layer).to(logits.dtype)
    mean = torch.einsum("ul,ruk->rlk", hot / hot.sum(0).clamp_min(1), logits)
    return logits - torch.einsum("ul,rlk->ruk", hot, mean)
