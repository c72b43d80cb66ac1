"""Leiden: communities of the flow graph."""

from __future__ import annotations

from causalmod.search.problem import Problem
from causalmod.search.protocol import ALGORITHMS
from causalmod.search.starts import leiden_start


@ALGORITHMS.register("leiden")
def leiden(problem: Problem) -> None:
    """Score the communities of the flow graph, at the resolution that gives ``k`` of them."""
    problem.step = "leiden"
    problem.score(leiden_start(problem, problem.flow))
