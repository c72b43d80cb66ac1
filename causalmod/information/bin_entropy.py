"""Entropy of the bin over draws, for many units at once: no value is sorted or scattered."""

from __future__ import annotations

from math import inf, log

import torch
from torch import Tensor


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
    draws = values.mT  # [..., draw, unit]
    parts = parts.to(values.dtype)
    low, high = (_below(end, edges) for end in (draws.amin(-2), draws.amax(-2)))
    crossed = high - low
    whole = parts.double().sum(1)[:, None].expand(*values.shape[:-2], -1, values.shape[-2])
    rest, inside = whole, torch.zeros_like(whole)
    above = torch.empty_like(draws)
    padded = torch.nn.functional.pad(edges, (0, 1), value=inf)
    unit = torch.arange(len(edges), device=edges.device)
    for step in range(int(crossed.max()) if crossed.numel() else 0):
        edge = padded[unit, (low + step).clamp_max(edges.shape[1])]
        edge = torch.where(crossed > step, edge, inf)
        torch.gt(draws, edge[..., None, :], out=above)
        count = (parts @ above).double()
        inside = inside + torch.special.xlogy(rest - count, rest - count)
        rest = count
    inside = inside + torch.special.xlogy(rest, rest)
    found = (torch.special.xlogy(whole, whole) - inside) / (whole.clamp_min(1) * log(2))
    return found.clamp_min_(0).mT


def _below(values: Tensor, edges: Tensor) -> Tensor:
    """Number ``[..., unit]`` of edges ``[unit, edge]`` that lie below each value."""
    flat = values.reshape(-1, values.shape[-1]).T.contiguous()
    return torch.searchsorted(edges, flat).T.contiguous().reshape(values.shape)
