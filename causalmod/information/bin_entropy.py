"""Entropy of the bin over draws, for many units at once: no value is sorted or scattered."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log

import torch
from torch import Tensor

_HELD = 2**20  # comparisons at a time
_MOST = 2**16  # counts that are looked up


def bin_entropies(values: Tensor, edges: Tensor, parts: Tensor) -> Tensor:
    """Entropy of the bin, in bits, over draws in given numbers.

    Values above an edge are counted by a comparison and a product with few columns. Only edges
    between the least and the greatest value of a unit can tell its draws apart, so they alone are
    gone through: mostly none, and seldom many. Where all draws share a bin the result is exactly 0.

    Args:
        values: ``[..., unit, draw]``; quickest where units lie side by side in memory.
        edges: ``[unit, edge]`` inner edges, rising, possibly infinite. A value at an edge counts as
            below it.
        parts: ``[part, draw]`` numbers of draws.

    Returns:
        Tensor: float64 ``[..., unit, part]``.

    Example:
        >>> draws = torch.tensor([[0.1, 0.2, 0.8, 0.9]])
        >>> bin_entropies(draws, torch.tensor([[0.5]]), torch.ones(1, 4)).item()
        1.0
    """
    lead, units = values.shape[:-2], values.shape[-2]
    draws = values.reshape(-1, *values.shape[-2:]).mT  # [lead, draw, unit]
    parts = parts.to(values.dtype)
    low, high = _below(torch.stack([draws.amin(-2), draws.amax(-2)]), edges)
    crossed = high - low
    total = parts.sum(1)
    whole, term = total.double(), _terms(total)
    found = whole.new_zeros(len(draws), units, len(parts))
    most = int(crossed.amax()) if crossed.numel() else 0
    for chosen, edges_at_most in ((crossed == 1, 1), (crossed > 1, most)):
        row, unit = chosen.nonzero(as_tuple=True)
        step = max(1, _HELD // (edges_at_most * draws.shape[1] or 1))
        for start in range(0, len(row), step):
            r, u = row[start : start + step], unit[start : start + step]
            steps = torch.arange(edges_at_most, device=values.device)
            place = low[r, u][:, None] + steps
            edge = edges[u[:, None], place.clamp_max(edges.shape[1] - 1)]
            edge = torch.where(place < high[r, u][:, None], edge, inf)
            above = (draws[r, :, u][:, None] > edge[..., None]).to(parts.dtype) @ parts.mT
            above = torch.nn.functional.pad(above, (0, 0, 0, 1))  # none lies above the last
            inside = term(total - above[:, 0]) + term(-above.diff(dim=1)).sum(1)
            bits = (torch.special.xlogy(whole, whole) - inside) / (whole.clamp_min(1) * log(2))
            found[r, u] = bits.clamp_min_(0)
    return found.reshape(*lead, units, len(parts))


def _terms(total: Tensor) -> Callable[[Tensor], Tensor]:
    """Return ``n ln n``, looked up where counts are whole numbers and few."""
    most = float(total.max())
    if most > _MOST or bool((total != total.round()).any()):
        return lambda counts: torch.special.xlogy(counts.double(), counts.double())
    numbers = torch.arange(int(most) + 1, dtype=torch.float64, device=total.device)
    table = torch.special.xlogy(numbers, numbers)
    return lambda counts: table[counts.int()]


def _below(values: Tensor, edges: Tensor) -> Tensor:
    """Number ``[end, lead, unit]`` of edges ``[unit, edge]`` that lie below each value."""
    found = torch.searchsorted(edges, values.flatten(0, 1).T.contiguous())
    return found.T.contiguous().view(values.shape)
