"""Figures as they stand in tables and sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from causalmod.plotting import number

if TYPE_CHECKING:
    from causalmod.information import Estimate
    from causalmod.modularity import Modularity


def bits_in_words(estimate: Estimate) -> str:
    """Return bits as a pair of bounds, each with its interval.

    Example:
        >>> from causalmod.information import Estimate
        >>> bits_in_words(
        ...     Estimate(bits=0.0, low=0.0, high=0.0, kind="conditional", estimator="exact")
        ... )
        'exactly 0'
    """
    if estimate.bits == 0 and not estimate.upper and not estimate.high:
        return "exactly 0"
    text = _spread(estimate.bits, estimate.low, estimate.high)
    if estimate.upper is not None and estimate.upper != estimate.bits:
        text += f" to {_spread(estimate.upper, estimate.upper_low, estimate.upper_high)}"
    return text + (" (saturating)" if estimate.saturated else "")


def bounds_in_words(estimate: Estimate) -> str:
    """Return bits as a pair of bounds, without intervals."""
    if estimate.upper is None or estimate.upper == estimate.bits:
        return number(estimate.bits)
    return f"{number(estimate.bits)} to {number(estimate.upper)}"


def spread_in_words(estimate: Estimate) -> str:
    """Return the intervals of bits alone, or why there are none."""
    if estimate.saturated:
        return "saturating: too few draws for an interval"
    if estimate.low is None or estimate.high is None:
        return "no interval"
    if estimate.low == estimate.high:
        return "exactly" if estimate.bits == 0 else "exact over the data"
    first = f"[{number(estimate.low)}, {number(estimate.high)}]"
    if estimate.upper_low is None or estimate.upper_high is None:
        return f"95% interval {first}"
    second = f"[{number(estimate.upper_low)}, {number(estimate.upper_high)}]"
    return f"95% intervals {first} and {second}"


def interval_in_words(result: Modularity) -> str:
    """Return the interval of the calibrated score."""
    if result.score is None or result.low is None or result.high is None:
        return "no interval"
    if result.low == result.high:
        return "exactly: nothing is exchanged" if result.score == 1 else "exact over the data"
    return f"95% interval {number(result.low)} to {number(result.high)}"


def score_in_words(result: Modularity) -> str:
    """Return the calibrated score with its interval."""
    if result.score is None:
        return "not calibrated"
    return _spread(result.score, result.low, result.high)


def chance_in_words(result: Modularity) -> str:
    """Return what the score is calibrated against, with the p-value."""
    count = len(result.null_scores)
    if result.null == "architecture":
        return "the architecture itself forbids communication, in every null network too"
    if result.p is None or not count:
        return result.note or "no null networks"
    reached = sum(score <= 1 - result.raw for score in result.null_scores)
    who = "none" if reached == 0 else str(reached)
    return f"p = {result.p:.3g}; {who} of {count} null networks scored as well"


def _spread(value: float, low: float | None, high: float | None) -> str:
    if low is None or high is None or low == high:
        return number(value)
    return f"{number(value)} [{number(low)}, {number(high)}]"
