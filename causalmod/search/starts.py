"""Where searches start: clusters of the flow graph, made likelier by the block model."""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.search.block_model import BlockModel, Fitted, balanced
from causalmod.search.clusters import leiden_labels, spectral_labels, without_empty
from causalmod.search.flow import FlowGraph
from causalmod.search.problem import Problem

LARGE = 3000  # units above which one start has to do
_ROUNDS = (1, 6)  # of balancing: receivers alone, and both sides
_EXTRA = 3  # further seeds of k-means
_COMPONENTS = 256  # above so many the flow graph falls to pieces


def connected_start(flow: FlowGraph, k: int) -> Tensor | None:
    """Return connected components, dealt to ``k`` modules of like sizes: ``[unit]``.

    None where there are fewer than ``k`` components, or very many.
    """
    component = torch.full((flow.count,), -1)
    number = 0
    while bool((component < 0).any()):
        if number == _COMPONENTS:
            return None
        reached = torch.zeros(flow.count)
        reached[int((component < 0).nonzero()[0, 0])] = 1.0
        while True:
            more = ((reached + flow.between(reached)) > 0).float()
            if bool((more == reached).all()):
                break
            reached = more
        component[reached > 0] = number
        number += 1
    if number < k:
        return None
    sizes = torch.bincount(component)
    held = torch.zeros(k, dtype=torch.long)
    module = torch.empty(number, dtype=torch.long)
    for each in sizes.argsort(descending=True, stable=True).tolist():
        module[each] = held.argmin()
        held[module[each]] += sizes[each]
    return module[component]


def spectral_start(problem: Problem, flow: FlowGraph) -> Tensor:
    """Return the likeliest labels that spectral clusters lead to: ``[unit]``.

    Senders of the graph beyond the units, such as inputs, are clustered with them.
    """
    units, beyond = len(problem.layer), flow.count - len(problem.layer)
    layer = torch.cat([problem.layer - problem.layer.min() + 1, torch.zeros(beyond).long()])
    model = BlockModel(flow, layer)
    large = flow.count > LARGE
    found: list[Fitted] = []
    for rounds in _ROUNDS[:1] if large else _ROUNDS:
        graph = balanced(flow, rounds)
        for extra in range(1 if large else 1 + _EXTRA):
            labels = spectral_labels(
                graph, layer, problem.k, problem.seed + extra, starts=1 if extra else 10
            )
            found.append(model.refine(labels, problem.k))
    labels = max(found, key=lambda each: each.likelihood).labels
    return without_empty(labels[:units], problem.k)


def leiden_start(problem: Problem, flow: FlowGraph) -> Tensor:
    """Return the labels that Leiden's communities lead to: ``[unit]``."""
    model = BlockModel(flow, problem.layer)
    labels = leiden_labels(balanced(flow, 1), problem.k, problem.seed)
    return model.refine(labels, problem.k).labels
