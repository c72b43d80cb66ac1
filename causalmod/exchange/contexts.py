"""Figures that are means over contexts: how many draws they take, and what is reported of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from causalmod.information import Bounds
from causalmod.information.intervals import is_saturated, t_interval, widened

CONTEXTS = 256  # contexts of a sampled figure, unless asked otherwise
LEAST_CONTEXTS = 64
DRAWS = (64, 256, 1024)  # donors for each context: the next number where one saturates
WIDE = 256  # draws beyond which contexts are given up for them

#: Fields of a figure whose draws are too few to tell.
SATURATED: dict[str, Any] = {
    "saturated": True,
    "low": None,
    "high": None,
    "upper_low": None,
    "upper_high": None,
}


def read_with_enough_draws(
    read: Callable[[int, int], list[Bounds]],
    contexts: int,
    draws: int | None,
    most: int,
    wide: int = WIDE,
) -> tuple[list[Bounds], int]:
    """Read figures, with more draws as long as one of them is near its ceiling of ``log2(draws)``.

    More draws raise an upper bound, never lower it; so numbers of draws at which the bound that was
    found would still saturate are passed over.

    Args:
        read: from numbers of contexts and draws to figures ``[context]``.
        contexts: number of contexts, at least where draws are few.
        draws: a fixed number; None to find one.
        most: draws that fit the memory.
        wide: draws beyond which contexts are given up for them, so that the work stays bounded.

    Returns:
        The figures, and the draws that they took.
    """
    if draws is not None:
        return read(contexts, draws), draws
    count = DRAWS[0]
    while True:
        found = read(max(min(contexts, LEAST_CONTEXTS), contexts * wide // max(count, wide)), count)
        worst = max(0.0 if b.upper is None else float(b.upper.mean()) for b in found)
        higher = [number for number in DRAWS if count < number <= most]
        if not higher or not is_saturated(worst, count):
            return found, count
        count = next((n for n in higher if not is_saturated(worst, n)), higher[-1])


def over_contexts(
    bounds: Bounds,
    draws: int,
    *,
    exact: bool = False,
    saturated: bool | None = None,
    blocks: Bounds | None = None,
) -> dict[str, Any]:
    """Fields of an :class:`~causalmod.Estimate` for a mean over contexts.

    Args:
        bounds: ``[context]`` bits.
        draws: donors for each context.
        exact: all contexts and donors are enumerated, so there is no interval but the figure.
        saturated: is the figure near its ceiling? None where its upper bound decides.
        blocks: ``[block]`` bits on disjoint blocks of rows, which the intervals are to hold too.
    """
    bits = t_interval(bounds.bits, floor=False)
    if blocks is not None and not exact:
        bits = widened(bits, blocks.bits)
    bits = bits.above_zero()
    fields: dict[str, Any] = {"contexts": len(bounds.bits), "donors": draws}
    if exact:
        return fields | {"bits": bits.value, "low": bits.value, "high": bits.value}
    fields |= {"bits": bits.value, "low": bits.low, "high": bits.high}
    if bounds.upper is None:
        return fields
    upper = t_interval(bounds.upper, floor=False)
    if blocks is not None and blocks.upper is not None:
        upper = widened(upper, blocks.upper)
    upper = upper.above_zero()
    fields |= {"upper": upper.value, "upper_low": upper.low, "upper_high": upper.high}
    if saturated is None:
        saturated = is_saturated(upper.value, draws)
    return fields | (SATURATED if saturated else {})
