"""Entropy of the bin over draws, for many units at once: no value is sorted or scattered."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log

import torch
from torch import Tensor

_SPARSE = 0.25  # share of units below which those that an edge concerns are picked out
_MOST = 2**16  # counts that are looked up


def bin_entropies(values: Tensor, edges: Tensor, parts: Tensor) -> Tensor:
    """Entropy of the bin, in bits, over draws in given numbers.

    Values above an edge are counted by a comparison and a product with few rows. Only edges between
    the least and the greatest value of a unit can tell draws apart, so they alone are gone through:
    often none, and seldom many. Where all draws share a bin the result is exactly 0.

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
    lead = values.shape[:-2]
    draws = values.reshape(-1, *values.shape[-2:]).mT  # [lead, draw, unit]
    parts = parts.to(values.dtype)
    low, high = (_below(end, edges) for end in (draws.amin(-2), draws.amax(-2)))
    crossed = high - low
    total = parts.sum(1)
    term = _terms(total)
    rest = total[:, None].expand(len(draws), -1, draws.shape[-1]).contiguous()
    inside = torch.zeros(rest.shape, dtype=torch.float64, device=rest.device)
    padded = torch.nn.functional.pad(edges, (0, 1), value=inf)
    unit = torch.arange(len(edges), device=edges.device)
    for step in range(int(crossed.max()) if crossed.numel() else 0):
        active = crossed > step
        if step and float(active.double().mean()) < _SPARSE:
            row, column = active.nonzero(as_tuple=True)
            edge = padded[column, low[row, column] + step]
            count = (draws[row, :, column] > edge[:, None]).to(parts.dtype) @ parts.mT
            inside[row, :, column] += term(rest[row, :, column] - count)
            rest[row, :, column] = count
            continue
        edge = padded[unit, (low + step).clamp_max(edges.shape[1])]
        edge = torch.where(active, edge, inf)  # the rest share what is then their last bin
        count = parts @ torch.gt(draws, edge[:, None], out=torch.empty_like(draws))
        inside += term(rest - count)
        rest = count
    inside += term(rest)
    whole = total.double()[:, None]
    found = (torch.special.xlogy(whole, whole) - inside) / (whole.clamp_min(1) * log(2))
    found = torch.where(crossed[:, None] > 0, found.clamp_min_(0), 0.0)
    return found.mT.reshape(*lead, *found.mT.shape[1:])


def _terms(total: Tensor) -> Callable[[Tensor], Tensor]:
    """Return ``n ln n``, looked up where counts are whole numbers and few."""
    most = float(total.max())
    if most > _MOST or bool((total != total.round()).any()):
        return lambda counts: torch.special.xlogy(counts.double(), counts.double())
    numbers = torch.arange(int(most) + 1, dtype=torch.float64, device=total.device)
    table = torch.special.xlogy(numbers, numbers)
    return lambda counts: table[counts.int()]


def _below(values: Tensor, edges: Tensor) -> Tensor:
    """Number ``[..., unit]`` of edges ``[unit, edge]`` that lie below each value."""
    return torch.searchsorted(edges, values.T.contiguous()).T.contiguous()
