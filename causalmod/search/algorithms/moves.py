"""Screened moves and swaps, from the spectral start."""

from __future__ import annotations

from causalmod.search.local import improve
from causalmod.search.problem import Problem
from causalmod.search.protocol import ALGORITHMS
from causalmod.search.starts import spectral_start


@ALGORITHMS.register("moves")
def moves(problem: Problem) -> None:
    """Improve the spectral clusters a unit at a time; swap two when no move helps."""
    problem.step = "spectral"
    improve(problem, problem.score(spectral_start(problem, problem.flow)))
