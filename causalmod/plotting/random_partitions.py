"""Exchange of the best partition against the distribution over random partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from causalmod.plotting.style import (
    COLUMN,
    FAINT,
    INK,
    MUTED,
    SMALL,
    colour,
    new_figure,
    quiet,
    say_empty,
)
from causalmod.plotting.text import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from causalmod.information import Estimate
    from causalmod.modularity import Modularity

_BEST = colour(0)


def plot_random_partitions(result: Modularity) -> Figure:
    """Draw the exchange of the best partition against that of random partitions.

    Both are measured in the same way; the band is the 95% interval of the best partition's figure.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(COLUMN, 2.3)
    axes = figure.add_subplot()
    quiet(axes)
    drawn = result.random_exchange
    if not drawn:
        say_empty(axes, "No random partitions were measured.")
        return figure
    best = result.exchange.estimate
    end = 1.08 * max(best.high or best.bits, *drawn, 1e-3)
    wide = max((max(drawn) - min(drawn)) / 14, end / 60)  # the axis starts at 0, the bars need not
    start = min(drawn) - wide / 2
    edges = [start + wide * step for step in range(int((max(drawn) - start) / wide) + 2)]
    heights, _, _ = axes.hist(drawn, bins=edges, color=FAINT, edgecolor=MUTED, linewidth=0.4)
    top = max(1.0, float(max(heights)))
    axes.plot(
        drawn, [-0.045 * top] * len(drawn), "|", color=MUTED, markersize=4, markeredgewidth=0.5
    )
    if best.low is not None and best.high is not None and best.high > best.low:
        axes.axvspan(best.low, best.high, color=_BEST, alpha=0.25, linewidth=0)
    axes.axvline(best.bits, color=_BEST, linewidth=1.6)
    right = best.bits > end / 2
    axes.annotate(
        f"best partition\n{_bounds(best)} bits", (best.bits, 1.12 * top),
        xytext=(-4 if right else 4, 0), textcoords="offset points", va="top",
        ha="right" if right else "left", fontsize=SMALL, color=_BEST,
    )  # fmt: skip
    axes.set_xlim(-0.02 * end, end)
    axes.set_ylim(-0.09 * top, 1.15 * top)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    bound = "" if best.upper is None else ", lower bound"
    axes.set_xlabel(f"exchange (bits{bound})")
    axes.set_ylabel(f"random partitions (of {len(drawn)})")
    axes.yaxis.label.set_color(INK)
    return figure


def _bounds(best: Estimate) -> str:
    upper = "" if best.upper in {None, best.bits} else f" to {number(best.upper)}"
    return number(best.bits) + upper


def describe_random_partitions(result: Modularity) -> str:
    """Return the figure in words, for those who do not see it."""
    drawn, best = result.random_exchange, result.exchange.estimate
    if not drawn:
        return "No random partitions were measured."
    below = sum(value <= best.bits for value in drawn)
    return (
        f"The best partition exchanges {best.describe()} bits; {len(drawn)} random partitions "
        f"exchange {min(drawn):.2f} to {max(drawn):.2f} bits, {below} of them no more than the "
        "best."
    )
