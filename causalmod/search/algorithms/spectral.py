"""Spectral: clusters of the flow graph by its eigenvectors, with depth taken out."""

from __future__ import annotations

from causalmod.search.problem import Problem
from causalmod.search.protocol import ALGORITHMS
from causalmod.search.starts import LARGE, connected_start, spectral_start

_INPUTS = 4  # inputs for each unit, up to which they are looked at


@ALGORITHMS.register("spectral")
def spectral(problem: Problem) -> None:
    """Score the clusters of the flow graph, and of two graphs that tell more.

    Parts between which nothing flows at all are scored first. If the clusters leave an exchange,
    in models of up to 3,000 units, so are those of what senders say jointly, which sees through
    units whose flows cancel, and those of the graph that has the inputs too.
    """
    apart = connected_start(problem.flow, problem.k)
    if apart is not None:
        problem.step = "connected"
        problem.score(apart)
        if not problem.left():
            return
    problem.step = "spectral"
    problem.score(spectral_start(problem, problem.flow))
    if problem.flow.count > LARGE:
        return
    if problem.left():
        problem.step = "joint spectral"
        problem.score(spectral_start(problem, problem.joint_flow))
    if problem.left() and problem.input_flow is not None:
        inputs = problem.input_flow.count - problem.flow.count
        if inputs <= _INPUTS * problem.flow.count:
            problem.step = "spectral with inputs"
            problem.score(spectral_start(problem, problem.input_flow))
