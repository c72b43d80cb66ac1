"""Intervals, bias correction and null floors that every estimator shares."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from causalmod.information.protocol import Bounds, Estimator

CONFIDENCE = 0.95


def t_interval(values: Tensor) -> tuple[float, float, float]:
    """Mean and 95% t-interval over independent contexts; the interval never passes below zero."""
    from scipy.stats import t

    mean = float(values.mean())
    if len(values) < 2:
        return mean, mean, mean
    error = float(values.std() / len(values) ** 0.5)
    half = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
    return mean, max(0.0, mean - half), mean + half


def without_donor_bias(estimator: Estimator, responses: Tensor) -> Bounds:
    """Estimate in each context, with the bias in the number of donors taken off by halves.

    ``2 e(D) - (e(first half) + e(second half)) / 2`` removes a bias of order ``1 / D``.

    Args:
        estimator: fitted on the target.
        responses: ``[..., donor, coordinate]``, donors drawn afresh for each context.
    """
    whole = estimator.response(responses)
    middle = responses.shape[-2] // 2
    if middle < 2:
        return whole
    first = estimator.response(responses[..., :middle, :])
    second = estimator.response(responses[..., middle : 2 * middle, :])
    bits = 2 * whole.bits - (first.bits + second.bits) / 2
    if whole.upper is None or first.upper is None or second.upper is None:
        return Bounds(bits)
    return Bounds(bits, 2 * whole.upper - (first.upper + second.upper) / 2)


def jackknife(
    figure: Callable[[Tensor], float], rows: int, groups: int = 20
) -> tuple[float, float, float]:
    """Figure on all rows and its 95% interval by leaving out one group of rows at a time.

    Source: Miller, Biometrika 61(1):1 (1974).
    """
    from scipy.stats import t

    everything = torch.arange(rows)
    whole = figure(everything)
    groups = min(groups, rows)
    part = everything % groups
    left_out = torch.tensor(
        [figure(everything[part != g]) for g in range(groups)], dtype=torch.float64
    )
    error = float(((groups - 1) / groups * (left_out - left_out.mean()).square().sum()).sqrt())
    half = float(t.ppf((1 + CONFIDENCE) / 2, groups - 1)) * error
    return whole, max(0.0, whole - half), whole + half


def permutation_null(
    figure: Callable[[Tensor], float], rows: int, observed: float, draws: int, seed: int
) -> tuple[float, float]:
    """95th percentile over permuted labels, and the permutation p-value of ``observed``."""
    generator = torch.Generator().manual_seed(seed)
    null = [figure(torch.randperm(rows, generator=generator)) for _ in range(draws)]
    floor = float(torch.tensor(null, dtype=torch.float64).quantile(0.95))
    return floor, (1 + sum(value >= observed for value in null)) / (1 + draws)


def is_saturated(upper: float, draws: int) -> bool:
    """True when an upper bound passes half of its ceiling, ``log2(draws)``."""
    return upper > 0.5 * torch.tensor(float(max(draws, 2))).log2().item()
