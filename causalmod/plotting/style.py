"""What every figure shares: sizes, colours that the colour-blind can tell apart, quiet axes.

Figures are made of matplotlib's objects alone: no pyplot, no backend, no global settings, so
drawing one leaves the caller's own figures as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from causalmod.plotting.text import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN = 3.5  # inches: one column of a two-column page
PAGE = 7.2  # both columns
TEXT = 8.0  # points
SMALL = 7.0

INK = "#1c1c1e"
MUTED = "#6b6b70"
FAINT = "#c9c9ce"
PAPER = "#ffffff"

# Okabe & Ito (2008), https://jfly.uni-koeln.de/color/, without black, and yellow last.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def colour(place: int) -> str:
    """Return the colour of the module at a place in its partition."""
    return PALETTE[place % len(PALETTE)]


def marker(place: int) -> str:
    """Return the marker of a module, so that print without colour can be read too.

    When the colours start again, the markers are one further on.
    """
    return MARKERS[(place + place // len(PALETTE)) % len(MARKERS)]


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, ``width`` by ``height`` inches, laid out to fit its labels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor=PAPER)


def quiet(axes: Axes, *, left: bool = True) -> None:
    """Give axes the shared look: two thin spines, small ticks, nothing else."""
    axes.patch.set_alpha(0.0)
    for side in ("top", "right", *(() if left else ("left",))):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
        axes.spines[side].set_linewidth(0.6)
    axes.tick_params(
        which="both", labelsize=SMALL, color=MUTED, labelcolor=INK, width=0.6, length=3
    )
    axes.tick_params(which="minor", length=0)
    axes.xaxis.label.set(color=INK, fontsize=TEXT)
    axes.yaxis.label.set(color=INK, fontsize=TEXT)


def say_empty(axes: Axes, text: str) -> None:
    """Write in the middle of axes why nothing is drawn there."""
    axes.set_axis_off()
    axes.text(
        0.5, 0.5, drawable(text, 200), ha="center", va="center", fontsize=TEXT, color=MUTED,
        transform=axes.transAxes, wrap=True, parse_math=False,
    )  # fmt: skip
