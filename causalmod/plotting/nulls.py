"""Scores of null networks against the observed one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from causalmod.plotting.style import COLUMN, INK, MUTED, SMALL, colour, new_figure, quiet, say_empty
from causalmod.plotting.text import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from causalmod.modularity import Modularity

_OBSERVED = colour(0)


def plot_nulls(result: Modularity) -> Figure:
    """Draw ``S`` of the network against ``S`` that the same search finds on null networks.

    ``S`` is the share of communication that passes between modules, relative to random partitions
    of
    the same sizes: 0 none, 1 as much as by chance. The further left of the null networks, the more
    modular.
    """
    figure = new_figure(COLUMN, 1.9)
    axes = figure.add_subplot()
    quiet(axes, left=False)
    axes.set_yticks([])
    scores, observed = result.null_scores, 1.0 - result.raw
    if not scores:
        say_empty(axes, "No null networks were searched.")
        return figure
    mean = sum(scores) / len(scores)
    end = 1.06 * max(1.0, observed, *scores)
    dots = {"color": MUTED, "markersize": 4, "alpha": 0.75, "markeredgewidth": 0}
    axes.plot(scores, _heights(scores, end), "o", **dots)
    axes.plot([mean, mean], [-0.2, 1.4], color=INK, linewidth=0.8, linestyle=(0, (4, 2)))
    axes.plot([observed, observed], [-0.2, 1.75], color=_OBSERVED, linewidth=1.8)
    _label(axes, mean, f"mean of null networks {mean:.2f}", 1.25, INK, end)
    _label(axes, observed, f"this network {number(observed)}", 1.6, _OBSERVED, end)
    axes.set_xlim(-0.02 * end, end)
    axes.set_ylim(-0.35, 1.9)
    axes.set_xlabel("S of the best partition (1 = as by chance; no unit)")
    return figure


def describe_nulls(result: Modularity) -> str:
    """Return the figure in words, for those who do not see it."""
    scores = result.null_scores
    if not scores:
        return "No null networks were searched."
    return (
        f"This network's S is {1 - result.raw:.2f}; that of {len(scores)} null networks lies "
        f"between {min(scores):.2f} and {max(scores):.2f}, with mean "
        f"{sum(scores) / len(scores):.2f}."
    )


def _label(axes: Axes, at: float, text: str, height: float, ink: str, end: float) -> None:
    """Write beside a line, on the side where there is room."""
    to_left = at > 0.5 * end
    axes.annotate(
        text, (at, height), xytext=(-4 if to_left else 4, 0), textcoords="offset points",
        ha="right" if to_left else "left", va="center", fontsize=SMALL, color=ink,
    )  # fmt: skip


def _heights(scores: tuple[float, ...], end: float) -> list[float]:
    """Stack dots that would cover one another."""
    placed: list[tuple[float, int]] = []
    for score in scores:
        taken = {level for value, level in placed if abs(value - score) < 0.022 * end}
        level = next(n for n in range(len(scores) + 1) if n not in taken)
        placed.append((score, level))
    most = max(level for _, level in placed)
    return [0.0 if most == 0 else level / max(most, 6) for _, level in placed]
