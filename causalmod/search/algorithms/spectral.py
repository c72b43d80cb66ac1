"""Spectral: clusters of the flow graph by its eigenvectors, with depth taken out."""

from __future__ import annotations

from causalmod.search.problem import Problem
from causalmod.search.protocol import ALGORITHMS
from causalmod.search.starts import LARGE, connected_start, spectral_start


@ALGORITHMS.register("spectral")
def spectral(problem: Problem) -> None:
    """Score the clusters of the flow graph, and of the graph of what senders say jointly.

    Parts between which nothing flows at all are scored first.

    The second sees through units whose flows cancel; it is scored if the first leaves an exchange,
    in models of up to 3,000 units.
    """
    apart = connected_start(problem.flow, problem.k)
    if apart is not None:
        problem.step = "connected"
        problem.score(apart)
        if not problem.left():
            return
    problem.step = "spectral"
    problem.score(spectral_start(problem, problem.flow))
    if problem.left() and problem.flow.count <= LARGE:
        problem.step = "joint spectral"
        problem.score(spectral_start(problem, problem.joint_flow))
