"""Intervals, bias correction and null floors that every estimator shares."""

from __future__ import annotations

from collections.abc import Callable
from math import log, log2
from typing import NamedTuple

import torch
from torch import Tensor

CONFIDENCE = 0.95
_MANY_GROUPS = 50  # for figures like squares, which cost little and whose interval is the tighter


class Interval(NamedTuple):
    """A figure and its 95% interval."""

    value: float
    low: float
    high: float

    def above_zero(self) -> Interval:
        """The same, with nothing below zero: information never is."""
        return Interval(*(max(0.0, end) for end in self))


class Intervals(NamedTuple):
    """Figures and their 95% intervals, as tensors of one shape."""

    value: Tensor
    low: Tensor
    high: Tensor


def t_intervals(values: Tensor, *, floor: bool = True) -> Intervals:
    """Means of independent values ``[context, ...]`` and their 95% intervals; none below zero.

    Student's t, corrected for skewness: few contexts in which much is sent among many with little
    make a mean whose errors are skewed, and the plain interval too short at its upper end. With
    ``g`` the skewness, each end ``t`` in standard errors becomes
    ``3 sqrt(n) / g ([1 + g (t / sqrt(n) - g / (6 n))]^(1/3) - 1)``.

    Args:
        values: ``[context, ...]``.
        floor: False leaves what is below zero as it is.

    Source: Hall, Journal of the Royal Statistical Society B 54(1):221 (1992), equation 2.3.
    """
    count = len(values)
    values = values.double()
    mean = values.mean(0)
    if count < 2:
        return Intervals(*([mean.clamp_min(0) if floor else mean] * 3))
    apart = values - mean
    spread = (apart.square().sum(0) / (count - 1)).sqrt()
    skewness = (apart / spread.clamp_min(1e-300)).pow(3).mean(0)
    skewness = torch.where(spread > 0, skewness, 0.0)
    error = spread / count**0.5
    high = mean + error * _unskewed(_t(count - 1), skewness, count)
    low = mean - error * _unskewed(_t(count - 1), -skewness, count)
    found = Intervals(mean, low, high)
    return Intervals(*(part.clamp_min(0) for part in found)) if floor else found


def _unskewed(end: float, skewness: Tensor, count: int) -> Tensor:
    """Distance of an end from the mean, in standard errors, on the side of the skewness."""
    root = count**0.5
    flat = skewness.abs() < 1e-6
    g = torch.where(flat, 1.0, skewness)
    inner = 1 - g * (end / root + g / (6 * count))
    moved = 3 * root / g * (1 - inner.abs().pow(1 / 3) * inner.sign())
    return torch.where(flat, end, moved)


def t_interval(values: Tensor, *, floor: bool = True) -> Interval:
    """:func:`t_intervals` of ``[context]`` values of one figure."""
    found = t_intervals(values, floor=floor)
    return Interval(float(found.value), float(found.low), float(found.high))


def widened(found: Interval, blocks: Tensor) -> Interval:
    """An interval that is at least as wide as the spread of independent ``[block]`` figures asks.

    Args:
        found: mean over contexts, with its interval; below zero where it is.
        blocks: the same figure on disjoint blocks of the rows, each with as many fewer contexts.

    Source: Schmeiser, Operations Research 30:556 (1982), for the number of blocks.
    """
    count = len(blocks)
    if count < 2:
        return found
    half = _t(count - 1) * float(blocks.double().std()) / count**0.5
    below, above = found.value - found.low, found.high - found.value
    usual = (above + below) / 2
    if half <= max(above, usual):
        return found
    share = (below / usual, above / usual) if usual > 0 else (1.0, 1.0)
    return Interval(found.value, found.value - half * share[0], found.value + half * share[1])


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


def jackknives(
    figures: Callable[[Tensor], Tensor],
    rows: int,
    groups: int = 20,
    without: Callable[[Tensor], Tensor | None] | None = None,
    square_bias: float | None = None,
    adjust: Callable[[Tensor], Tensor] | None = None,
    *,
    smooth: bool = False,
) -> list[Interval]:
    """:func:`jackknife` for several figures ``[figure]`` at once.

    Args:
        figures: from numbers of rows to figures.
        rows: number of rows.
        groups: number of groups that rows are dealt to.
        without: from rows to leave out, bool ``[group, row]``, to one figure ``[group]`` for each
            group, where there is a quicker way than one by one; it returns None where there is not.
        square_bias: where figures are like squares of something normal, less this bias: then the
            interval is that of their root. None where they are normal themselves.
        adjust: from the jackknife variance ``[figure]`` to a better one, where more is known.
        smooth: are figures smooth functions of the rows, a scale from them included? Then their
            bias is taken off (Quenouille 1956), and the interval is that of the pseudo-values, with
            their skewness, by :func:`t_intervals` (Tukey 1958).
    """
    everything = torch.arange(rows)
    whole = figures(everything).double()
    groups = min(groups if square_bias is None else _MANY_GROUPS, rows)
    left_out = everything % groups == torch.arange(groups)[:, None]
    found = None if without is None else without(left_out)
    if found is None:
        each = torch.stack([figures(everything[~out]) for out in left_out])
    else:
        each = found[:, None]
    if square_bias is not None:
        roots, root = ((f + square_bias).clamp_min(0).sqrt() for f in (each.double(), whole))
        # no less than what a Gaussian correlation of that strength has: between two roots near zero
        # of unlike sign there is no difference to see
        strength = root.square().clamp_min(1e-12)
        least = square_bias * (1 - 4**-strength) / (2 * log(2) * strength)
        half = torch.maximum(_spread(roots), least).sqrt() * _t(groups - 1)
        low = torch.minimum((root - half).clamp_min(0).square(), whole.clamp_min(0))
        ends = zip(whole.tolist(), low.tolist(), (root + half).square().tolist(), strict=True)
        return [Interval(*end) for end in ends]
    if smooth:
        pseudo = groups * whole - (groups - 1) * each.double()
        found = t_intervals(pseudo, floor=False)
        return [Interval(*ends) for ends in zip(*(part.tolist() for part in found), strict=True)]
    variance = _spread(each.double())
    half = (variance if adjust is None else adjust(variance)).sqrt() * _t(groups - 1)
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

    The floor is the least figure that is not significant at 5%: what lies above has p <= 0.05.

    Args:
        figure: permutes with a generator, and gives the figure then.
        observed: the figure in the order of the data, found in the same way.
        draws: number of permutations.
        seed: seed of the permutations.

    Source: Phipson and Smyth, Statistical Applications in Genetics 9(1):39 (2010), for the +1.
    """
    generator = torch.Generator().manual_seed(seed)
    null = [figure(generator) for _ in range(draws)]
    floor = sorted(null)[-max(1, int((1 - CONFIDENCE) * (draws + 1) + 1e-9))]
    return floor, (1 + sum(value >= observed for value in null)) / (1 + draws)


def is_saturated(upper: float, draws: int) -> bool:
    """True when an upper bound passes half of its ceiling, ``log2(draws)``."""
    return upper > 0.5 * log2(max(draws, 2))
