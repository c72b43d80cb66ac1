"""Auto: the best combination of the others."""

from __future__ import annotations

import torch

from causalmod.search.algorithms.exhaustive import exhaustive, partitions
from causalmod.search.algorithms.leiden import leiden
from causalmod.search.algorithms.relaxation import LEAST_STEPS, STEPS, affordable_steps, settle
from causalmod.search.algorithms.spectral import spectral
from causalmod.search.local import improve
from causalmod.search.problem import Problem
from causalmod.search.protocol import ALGORITHMS
from causalmod.search.starts import LARGE

_FEW = 2100  # partitions up to which all are scored: those of 12 units into 2 modules
_RELAXED = 300  # units above which a relaxation takes too long
_PART = 0.6  # of the budget that it may take
_UNSOLVED = 0.7  # score from which on what the flow graph gave is not believed where flows cancel
_CANCELS, _OFTEN = 0.2, 0.1


@ALGORITHMS.register("auto")
def auto(problem: Problem) -> None:
    """Search exhaustively where there are few partitions; else go on while there is an exchange.

    Spectral clusters of the flow graph, and of what senders say jointly; Leiden's communities; a
    gradient relaxation, where flows cancel or have no closed form; then moves and swaps. Above
    3,000 units the spectral clusters have to do: a move of one of them shows in no score.
    """
    count = partitions(len(problem.scm.units), problem.k)
    if count <= _FEW and (problem.meter.budget.evaluations or count) >= count:
        exhaustive(problem)
        return
    spectral(problem)
    if len(problem.scm.units) > LARGE:
        return
    if problem.left() > 1:
        leiden(problem)
    if problem.left() > 1 and len(problem.scm.units) <= _RELAXED and needs_relaxing(problem):
        steps = min(STEPS, int(_PART * affordable_steps(problem)))
        if steps >= LEAST_STEPS:
            settle(problem, steps)
    if problem.left() > 1 and problem.best is not None:
        improve(problem, problem.best)


def needs_relaxing(problem: Problem) -> bool:
    """May the flow graph mislead: do many units hear far less jointly than from each alone?"""
    alone, jointly = problem.flow, problem.joint_flow
    if not alone.closed:
        return True
    if problem.best is not None and problem.best.score < _UNSOLVED:
        return False
    heard = torch.zeros(2, alone.count, dtype=torch.float64)
    for place, graph in enumerate((alone, jointly)):
        for block in graph.blocks:
            heard[place].index_add_(0, block.receivers, block.flow.sum(0).double())
    hearing = heard[0] > 0
    cancels = heard[1][hearing] < _CANCELS * heard[0][hearing]
    return bool(cancels.double().mean() > _OFTEN)
