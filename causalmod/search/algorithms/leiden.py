"""Leiden: communities of the flow graph."""

from __future__ import annotations

from causalmod.search.clusters import leiden_labels
from causalmod.search.problem import Problem
from causalmod.search.protocol import ALGORITHMS


@ALGORITHMS.register("leiden")
def leiden(problem: Problem) -> None:
    """Score the communities of the flow graph, at the resolution that gives ``k`` of them."""
    problem.score(leiden_labels(problem.flow, problem.k, problem.seed))
