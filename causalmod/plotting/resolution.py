"""The resolution curve: exchange of the best partition as the noise scale changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from causalmod._display import FIGURES
from causalmod.plotting.style import (
    COLUMN,
    INK,
    MUTED,
    PAPER,
    SMALL,
    colour,
    new_figure,
    quiet,
    say_empty,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from causalmod.exchange import ResolutionCurve
    from causalmod.information import Estimate
    from causalmod.modularity import Modularity


def plot_resolution(result: Modularity) -> Figure:
    """Draw the exchange of the best partition at several resolutions; see :func:`plot_curve`."""
    curve = {scale: found.estimate for scale, found in result.resolution_curve.items()}
    return _drawn(curve, "exchange", "" if curve else _why_none(result))


@FIGURES.register("resolution curve")
def plot_curve(curve: ResolutionCurve) -> Figure:
    """Draw a figure at several resolutions.

    A continuous signal has no number of bits of its own: the finer one looks, the more there are.
    The curve tells what is quiet at every scale from what is merely small. Between the lower bound
    (line, with its 95% interval) and the upper bound (dashed) lies the true figure; hollow points
    are saturated, too close to the ceiling of the draws for an interval.
    """
    kind = next(iter(curve.estimates.values())).kind
    return _drawn(curve.estimates, f"{kind} information", "")


def _drawn(estimates: dict[float, Estimate], what: str, why_none: str) -> Figure:
    from matplotlib.ticker import FixedLocator, NullLocator

    figure = new_figure(COLUMN, 2.3)
    axes = figure.add_subplot()
    quiet(axes)
    curve = sorted(estimates.items())
    if not curve:
        say_empty(axes, why_none)
        return figure
    at = [resolution for resolution, _ in curve]
    found = [estimate for _, estimate in curve]
    lower = [e.bits for e in found]
    upper = [e.bits if e.upper is None else e.upper for e in found]
    axes.fill_between(at, lower, upper, color=colour(0), alpha=0.15, linewidth=0)
    if any(e.upper is not None for e in found):
        axes.plot(at, upper, "--", color=colour(0), linewidth=1, label="upper bound")
    axes.plot(
        at,
        lower,
        "-",
        color=colour(0),
        linewidth=1.5,
        label=what if found[0].upper is None else "lower bound",
    )
    for x, e in zip(at, found, strict=True):
        if e.low is not None and e.high is not None and e.high > e.low:
            axes.plot([x, x], [e.low, e.high], color=colour(0), linewidth=1)
        fill = PAPER if e.saturated else colour(0)
        axes.plot(x, e.bits, "o", markersize=4, color=colour(0), mfc=fill, clip_on=False)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(at))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(at, [f"{x:g}" for x in at])
    axes.set_xlim(at[0] / 1.3, at[-1] * 1.3)
    axes.set_ylim(0.0, 1.1 * max([*upper, *(e.high or 0.0 for e in found)]) or 1.0)
    axes.set_xlabel("resolution (standard deviations of each unit)")
    axes.set_ylabel(f"{what} (bits)")
    if not any(upper):
        axes.text(
            0.5, 0.5, "exactly 0 bits at every resolution", ha="center", fontsize=SMALL,
            color=MUTED, transform=axes.transAxes,
        )  # fmt: skip
    elif any(e.upper is not None for e in found):
        axes.legend(frameon=False, fontsize=SMALL, labelcolor=INK)
    return figure


def describe_resolution(result: Modularity) -> str:
    """Return the figure in words, for those who do not see it."""
    if not result.resolution_curve:
        return _why_none(result)
    points = [
        f"{exchange.estimate.describe()} bits at resolution {resolution:g}"
        for resolution, exchange in sorted(result.resolution_curve.items())
    ]
    return f"Exchange of the best partition: {'; '.join(points)}."


def _why_none(result: Modularity) -> str:
    if result.exchange.estimate.resolution is None:
        return "Values are counted exactly: the figures have no resolution."
    return "No resolution curve was measured."
