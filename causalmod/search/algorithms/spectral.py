"""Spectral: clusters of the flow graph by its eigenvectors, with depth taken out."""

from __future__ import annotations

from causalmod.search.clusters import spectral_labels
from causalmod.search.problem import Problem
from causalmod.search.protocol import ALGORITHMS


@ALGORITHMS.register("spectral")
def spectral(problem: Problem) -> None:
    """Score the clusters of the flow graph, and of the graph of what senders say jointly.

    The second sees through units whose flows cancel; it is scored if the first leaves an exchange.
    """
    k, seed, layer = problem.k, problem.seed, problem.layer
    problem.score(spectral_labels(problem.flow, layer, k, seed))
    if problem.left():
        problem.score(spectral_labels(problem.joint_flow, layer, k, seed))
