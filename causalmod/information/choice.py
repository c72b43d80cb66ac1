"""Which estimator ``auto`` takes and why, and whether another one would have said the same."""

from __future__ import annotations

import warnings
from typing import NamedTuple

from torch import Tensor

from causalmod.errors import CausalmodWarning, InputError, nearest
from causalmod.information.bins import BINS
from causalmod.information.estimate import Estimate
from causalmod.information.estimators.exact import is_discrete, never_repeats
from causalmod.information.estimators.ksg import MOST_COORDINATES
from causalmod.information.protocol import ESTIMATORS

#: Share of a figure that ten bins lose of what continuous values tell, if they are near Gaussian.
LOST_IN_BINS = 0.15


class Choice(NamedTuple):
    """An estimator's name, and the reason for it."""

    name: str
    reason: str


def choose(
    estimator: str,
    values: list[Tensor],
    replays: int,
    memory: int,
    single: bool,
    bins: int = BINS,
) -> Choice:
    """Resolve ``"auto"``; pass any other name through after checking that it exists.

    Warns when values are to be counted that differ on every row: then the count tells the rows
    apart, and the figure says how many there are.

    Args:
        estimator: a registered name, or ``"auto"``.
        values: observed activations ``[row, coordinate]`` of everything involved.
        replays: values that exact enumeration would hold.
        memory: bytes that it may hold.
        single: are source and target single units?
        bins: rows that binning takes at least.

    Raises:
        InputError: an unknown name; the nearest is suggested.
    """
    if estimator != "auto":
        known = ["auto", *ESTIMATORS.names()]
        if estimator not in known:
            raise InputError(f"unknown estimator {estimator!r}: {nearest(str(estimator), known)}")
        if ESTIMATORS.get(estimator).exact and any(never_repeats(v).any() for v in values):
            warnings.warn(
                f"estimator={estimator!r} counts values, but some unit has a fractional value of "
                f"its own on each of the {len(values[0])} rows: the count tells rows apart and "
                "grows with their number; use estimator='auto'",
                CausalmodWarning,
                stacklevel=4,
            )
        return Choice(estimator, "as asked")
    if all(bool(is_discrete(group).all()) for group in values):
        if replays * 8 <= memory:
            return Choice("exact", "every unit takes few values, so they are counted")
        reason = "units are discrete, but counting all replays would not fit the memory"
        return Choice("pairwise", reason)
    if single and len(values[0]) >= bins:
        return Choice("binned", "single units with continuous values")
    if single:
        return Choice("pairwise", f"continuous values on fewer rows than the {bins} bins")
    width = sum(group.shape[1] for group in values)
    return Choice("pairwise", f"{width} coordinates with continuous values, which no bins can hold")


def second_opinion(name: str, kind: str, width: int, rows: int) -> str | None:
    """Another estimator that suits the same data, to compare what ``auto`` chose with.

    Args:
        name: the estimator that was chosen.
        kind: of the figure. What one context tells, only channels with noise can say; they are
            compared with each other there.
        width: coordinates of source and target together.
        rows: number of rows.

    Returns:
        ``"ksg-ranks"`` beside ``"binned"``, and ``"gaussian"``, which adds the same noise, beside
        ``"pairwise"``; None where nothing suits.
    """
    paired = kind in {"observational", "interventional"}
    if name == "binned" and paired and width <= MOST_COORDINATES and rows >= 64:
        return "ksg-ranks"
    return "gaussian" if name == "pairwise" else None


def disagreement(first: Estimate, second: Estimate) -> str | None:
    """Say that two figures of the same thing disagree beyond their intervals; None if they do not.

    Bounds count with their upper one. Bins lose some of what continuous values tell, so that share
    is let pass beside ``"binned"``. Saturated figures say nothing.
    """
    if first.saturated or second.saturated:
        return None
    spans = []
    for figure in (first, second):
        high = figure.high if figure.upper is None else figure.upper_high
        if figure.low is None or high is None:
            return None
        spans.append((figure.low, high * (1 + LOST_IN_BINS if figure.bins is not None else 1)))
    (low, high), (other_low, other_high) = spans
    if low <= other_high and other_low <= high:
        return None
    return (
        f"estimators disagree beyond their intervals: {first.estimator!r} reads "
        f"{first.describe()} bits, {second.estimator!r} {second.describe()}; {_why(second)}"
    )


def _why(second: Estimate) -> str:
    if second.estimator == "gaussian":
        return (
            "the signals are far from Gaussian (two levels, say), and the Gaussian figure is only "
            "an upper bound then"
        )
    return (
        "what is shared is finer than the bins or too weak for this many rows: raise bins, or give "
        "the figure together with its estimator"
    )
