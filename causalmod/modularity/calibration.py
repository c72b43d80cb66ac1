"""Calibration: a score against what the same search finds on null networks."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.modularity.pipeline import Found
from causalmod.search import score_of

GROUPS = 8  # of contexts, for the jackknife


class Calibrated(NamedTuple):
    """A calibrated score, its 95% interval, p-value, kind of null, and what to beware of."""

    score: float | None
    low: float | None
    high: float | None
    p: float | None
    null: str
    note: str = ""


def calibrate(found: Found, nulls: tuple[float, ...], complete: bool) -> Calibrated:
    """Compare the best partition of a network with those of its null networks.

    Args:
        found: the network's own search.
        nulls: ``S`` of the best partition of each null network.
        complete: False after an interruption: nothing is calibrated then.
    """
    best = found.score
    silent = bool(found.own.silent()[0])
    if not complete:
        return Calibrated(
            None, None, None, None, "none", f"interrupted after {len(nulls)} null networks"
        )
    if not nulls:
        why = "no null networks were asked for, or the network has no weights to permute"
        sure = 1.0 if silent else None
        return Calibrated(sure, sure, sure, None, "none", why)
    mean = sum(nulls) / len(nulls)
    p = (1 + sum(score <= best + 1e-12 for score in nulls)) / (1 + len(nulls))
    if silent and mean == 0:
        why = "the architecture alone forbids communication"
        return Calibrated(1.0, 1.0, 1.0, None, "architecture", why)
    if silent:
        return Calibrated(1.0, 1.0, 1.0, p, "permuted weights")
    if mean == 0:
        why = "every null network splits without exchange, this network does not"
        return Calibrated(None, None, None, p, "permuted weights", why)
    half = _half_width(found, nulls)
    score = 1 - best / mean
    return Calibrated(score, score - half, score + half, p, "permuted weights")


def _half_width(found: Found, nulls: tuple[float, ...]) -> float:
    """Half a 95% interval of ``S / mean null S``: contexts by jackknife, null networks by t."""
    from scipy.stats import t

    groups = min(GROUPS, found.own.received.shape[-1])
    parts = [score_of(found.own, found.same_size, left_out(found, g)) for g in range(groups)]
    shift = torch.tensor(parts) - sum(parts) / groups
    score_error = float(((groups - 1) / groups * shift.square().sum()).sqrt())
    sample = torch.tensor(nulls, dtype=torch.float64)
    mean = float(sample.mean())
    null_error = float(sample.std() / len(nulls) ** 0.5) if len(nulls) > 1 else 0.0
    relative = ((score_error / mean) ** 2 + (found.score * null_error / mean**2) ** 2) ** 0.5
    return float(t.ppf(0.975, max(min(groups, len(nulls)) - 1, 1))) * relative


def left_out(found: Found, group: int) -> Tensor:
    """Return the contexts of a partition's terms without one group."""
    contexts = found.own.received.shape[-1]
    part = torch.arange(contexts) % min(GROUPS, contexts)
    return (part != group).nonzero().flatten()
