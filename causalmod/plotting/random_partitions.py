"""Exchange of the best partition against the distribution over random partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from causalmod._display import FIGURES
from causalmod.plotting.style import (
    COLUMN,
    FAINT,
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

    from causalmod.modularity import Modularity

_BEST = colour(0)


@FIGURES.register("modularity")
def plot_random_partitions(result: Modularity) -> Figure:
    """Draw the exchange of the best partition among that of random partitions.

    All are measured on one and the same sample, smaller than the one behind ``result.exchange``, so
    that the line and the bars can be compared; the figure to quote is ``result.exchange``.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(COLUMN, 2.3)
    axes = figure.add_subplot()
    quiet(axes)
    drawn, best = result.random_exchange, result.compared_exchange
    if not drawn:
        say_empty(axes, "No random partitions were measured.")
        return figure
    end = 1.08 * max(best, *drawn, 1e-3)
    wide = max((max(drawn) - min(drawn)) / 14, end / 60)  # the axis starts at 0, bars need not
    start = min(drawn) - wide / 2
    edges = [start + wide * step for step in range(int((max(drawn) - start) / wide) + 2)]
    heights, _, _ = axes.hist(drawn, bins=edges, color=FAINT, edgecolor=MUTED, linewidth=0.4)
    top = max(1.0, float(max(heights)))
    axes.plot(drawn, [-0.045 * top] * len(drawn), "|", color=MUTED, ms=4, markeredgewidth=0.5)
    axes.axvline(best, color=_BEST, linewidth=1.6)
    right = best > end / 2
    axes.annotate(
        f"best partition\n{number(best)} bits", (best, 1.12 * top),
        xytext=(-4 if right else 4, 0), textcoords="offset points", va="top",
        ha="right" if right else "left", fontsize=SMALL, color=_BEST,
    )  # fmt: skip
    axes.set_xlim(-0.02 * end, end)
    axes.set_ylim(-0.09 * top, 1.15 * top)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    bound = "" if result.exchange.estimate.upper is None else ", lower bound"
    axes.set_xlabel(f"exchange (bits{bound})")
    axes.set_ylabel(f"random partitions (of {len(drawn)})")
    return figure


def describe_random_partitions(result: Modularity) -> str:
    """Return the figure in words, for those who do not see it."""
    drawn, best = result.random_exchange, result.compared_exchange
    if not drawn:
        return "No random partitions were measured."
    below = sum(value <= best for value in drawn)
    return (
        f"On one sample, the best partition exchanges {number(best)} bits and {len(drawn)} random "
        f"partitions {number(min(drawn))} to {number(max(drawn))} bits, {below} of them no more "
        "than the best."
    )
