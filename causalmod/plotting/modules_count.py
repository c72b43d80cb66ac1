"""The score at each number of modules that was tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from causalmod._display import FIGURES
from causalmod.plotting.style import COLUMN, INK, MUTED, SMALL, colour, new_figure, quiet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from causalmod.modularity import Modularity


@FIGURES.register("number of modules")
def plot_modules_count(result: Modularity) -> Figure:
    """Draw ``S`` of the best partition into each number of modules, and that of null networks."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(COLUMN, 2.5)
    axes = figure.add_subplot()
    quiet(axes)
    numbers = list(result.split_scores)
    scores = list(result.split_scores.values())
    for place, (k, nulls) in enumerate(result.split_nulls.items()):
        name = "null networks" if place == 0 or not any(result.split_nulls.values()) else None
        dots = {"color": MUTED, "markersize": 3.5, "alpha": 0.6, "markeredgewidth": 0}
        axes.plot([k] * len(nulls), nulls, "o", label=name if nulls else None, **dots)
    line = {"color": colour(0), "linewidth": 1.4, "markersize": 4.5}
    axes.plot(numbers, scores, "o-", label="this network", **line)
    taken = len(result.exchange.partition)
    if taken in result.split_scores:
        axes.plot(
            [taken], [result.split_scores[taken]], "o", markersize=10, markerfacecolor="none",
            markeredgecolor=colour(0), markeredgewidth=1.2,
        )  # fmt: skip
    end = 1.08 * max(1.0, *scores, *(s for some in result.split_nulls.values() for s in some))
    axes.set_ylim(-0.04 * end, end)
    axes.set_xlim(min(numbers, default=2) - 0.5, max(numbers, default=2) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("number of modules")
    axes.set_ylabel("S (1 = as by chance)")
    axes.set_title(
        "no modular structure found" if result.k == 1 else f"{taken} modules",
        fontsize=SMALL + 1, color=INK, loc="left",
    )  # fmt: skip
    legend = axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK, loc="lower right")
    legend.set_zorder(5)
    return figure


def describe_modules_count(result: Modularity) -> str:
    """Return the figure in words, for those who do not see it."""
    tried = ", ".join(f"{k}: {score:.2f}" for k, score in result.split_scores.items())
    return f"S of the best partition by number of modules: {tried}. {result.statement}."
