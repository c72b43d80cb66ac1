"""The flow graph: how strongly each unit moves each other one directly, by resampling it."""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.exchange.hybrid import CONTEXT, HybridRuns, draw_sample
from causalmod.scm import StructuralCausalModel


def flow_graph(
    scm: StructuralCausalModel,
    rows: Tensor,
    *,
    contexts: int = 64,
    seed: int = 0,
    memory: int = 2 * 10**9,
) -> Tensor:
    """Mean squared response of each unit, in its own variances, when one other is resampled.

    Everything but the sender is held at the context, so only direct effects count; a unit that does
    not respond, because a nonlinearity is saturated, receives nothing.

    Args:
        scm: the model.
        rows: row numbers to draw from.
        contexts: context rows; each gets one donor.
        seed: seed of the draws.
        memory: bytes that the work may hold.

    Returns:
        Tensor: ``[sender, receiver]``, zero on the diagonal.
    """
    sample = draw_sample(rows, contexts, 1, 1, seed)
    runs = HybridRuns(scm, sample, memory=memory)
    count = len(scm.units)
    states = torch.full((count, count), CONTEXT)
    states.fill_diagonal_(0)
    observed = runs.coordinates.observed()
    held = observed.values[sample.contexts].double()

    def read(responses: list[Tensor], part: slice) -> Tensor:
        flat = torch.cat([r[:, :, 0].flatten(2) for r in responses], dim=-1).double()
        moved = ((flat - held) / observed.scale).square().mean(1) / 2
        return torch.zeros(len(flat), count, dtype=torch.float64).index_add_(
            1, runs.coordinates.unit_of, moved.cpu()
        )

    flow = torch.cat(runs.in_batches(states, read))
    flow[flow < 1e-12] = 0.0  # rounding
    return flow.fill_diagonal_(0.0)
