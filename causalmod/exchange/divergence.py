"""Kullback-Leibler divergence of counted outcomes."""

from __future__ import annotations

import torch
from torch import Tensor


def divergence(
    left: Tensor,
    right: Tensor,
    left_counts: Tensor | None = None,
    right_counts: Tensor | None = None,
) -> Tensor:
    """``KL(P || Q)`` in bits, of distributions given as samples of numbered outcomes.

    Args:
        left: ``[..., sample]`` outcomes that follow ``P``.
        right: ``[..., sample]`` outcomes that follow ``Q``, numbered alike.
        left_counts: ``[sample]`` or ``[..., sample]`` weights; equal by default.
        right_counts: the same for ``right``.

    Returns:
        Tensor: ``[...]`` bits; ``inf`` where ``Q`` lacks an outcome of ``P``.

    Source: Kullback and Leibler, Annals of Mathematical Statistics 22(1):79 (1951).

    Example:
        >>> divergence(torch.tensor([0, 0]), torch.tensor([0, 1])).item()
        1.0
        >>> divergence(torch.tensor([0, 1]), torch.tensor([0, 0])).item()
        inf
    """
    codes = torch.cat([left, right], dim=-1)
    ordered, places = codes.sort(dim=-1)
    ranks = torch.nn.functional.pad((ordered.diff(dim=-1) != 0).long().cumsum(-1), (1, 0))
    groups = torch.empty_like(ranks).scatter_(-1, places, ranks)
    size = left.shape[-1]
    p = _shares(groups[..., :size], left_counts, codes.shape)
    q = _shares(groups[..., size:], right_counts, codes.shape)
    ratio = torch.where(p > 0, p / q, 1.0)  # inf where q is 0 and p is not
    return torch.where(p > 0, p * ratio.log2(), 0.0).sum(-1).clamp_min(0)


def _shares(groups: Tensor, counts: Tensor | None, shape: torch.Size) -> Tensor:
    weights = torch.ones(groups.shape[-1]) if counts is None else counts
    weights = weights.to(groups.device, torch.float64).expand(groups.shape)
    mass = weights.new_zeros(shape).scatter_add_(-1, groups, weights)
    return mass / weights.sum(-1, keepdim=True)
