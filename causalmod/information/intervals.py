"""Intervals, bias correction and null floors that every estimator shares."""

from __future__ import annotations

from collections.abc import Callable
from math import log2
from typing import NamedTuple

import torch
from torch import Tensor

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A figure and its 95% interval."""

    value: float
    low: float
    high: float

    def above_zero(self) -> Interval:
        """The same, with nothing below zero: information never is."""
        return Interval(*(max(0.0, end) for end in self))


def t_interval(values: Tensor) -> Interval:
    """Mean of ``[context]`` independent values and its 95% t-interval; nothing below zero."""
    mean = float(values.mean())
    error = float(values.std() / len(values) ** 0.5) if len(values) > 1 else 0.0
    half = _t(len(values) - 1) * error
    return Interval(mean, mean - half, mean + half).above_zero()


def jackknife(figure: Callable[[Tensor], float], rows: int, groups: int = 20) -> Interval:
    """Figure on all rows and its 95% interval by leaving out one group of rows at a time.

    Args:
        figure: from numbers of rows to a figure.
        rows: number of rows.
        groups: number of groups that rows are dealt to.

    Returns:
        Interval: the figure as it is; the interval is nowhere below zero.

    Source: Miller, Biometrika 61(1):1 (1974).
    """

    def one(kept: Tensor) -> Tensor:
        return torch.tensor([figure(kept)], dtype=torch.float64)

    return jackknives(one, rows, groups)[0]


def jackknives(figures: Callable[[Tensor], Tensor], rows: int, groups: int = 20) -> list[Interval]:
    """:func:`jackknife` for several figures ``[figure]`` at once."""
    everything = torch.arange(rows)
    whole = figures(everything).double()
    groups = min(groups, rows)
    left_out = torch.stack([figures(everything[everything % groups != g]) for g in range(groups)])
    half = _spread(left_out.double()).sqrt() * _t(groups - 1)
    return [
        Interval(value, max(0.0, value - width), max(0.0, value + width))
        for value, width in zip(whole.tolist(), half.tolist(), strict=True)
    ]


def _spread(left_out: Tensor) -> Tensor:
    """Jackknife variance ``[figure]`` from ``[group, figure]``."""
    groups = len(left_out)
    return (groups - 1) / groups * (left_out - left_out.mean(0)).square().sum(0)


def _t(freedom: int) -> float:
    from scipy.special import stdtrit  # Student's quantile; scipy.stats takes a second to import

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) if freedom > 0 else 0.0


def permutation_null(
    figure: Callable[[torch.Generator], float], observed: float, draws: int, seed: int
) -> tuple[float, float]:
    """95th percentile over permuted labels, and the permutation p-value of ``observed``.

    Args:
        figure: permutes with a generator, and gives the figure then.
        observed: the figure in the order of the data, found in the same way.
        draws: number of permutations.
        seed: seed of the permutations.

    Source: Phipson and Smyth, Statistical Applications in Genetics 9(1):39 (2010), for the +1.
    """
    generator = torch.Generator().manual_seed(seed)
    null = [figure(generator) for _ in range(draws)]
    floor = float(torch.tensor(null, dtype=torch.float64).quantile(0.95))
    return floor, (1 + sum(value >= observed for value in null)) / (1 + draws)


def is_saturated(upper: float, draws: int) -> bool:
    """True when an upper bound passes half of its ceiling, ``log2(draws)``."""
    return upper > 0.5 * log2(max(draws, 2))
