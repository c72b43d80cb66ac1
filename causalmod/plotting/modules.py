"""The graph of modules: who sends whom how many bits, as arrows."""

from __future__ import annotations

from math import cos, pi, sin
from typing import TYPE_CHECKING

from causalmod._display import FIGURES
from causalmod.plotting.style import (
    COLUMN,
    INK,
    MUTED,
    PAGE,
    PAPER,
    SMALL,
    TEXT,
    colour,
    new_figure,
)
from causalmod.plotting.text import drawable, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from causalmod.exchange import Exchange

_WRITTEN = 30  # arrows up to which the bits are written beside each
_WIDEST = 4.0  # points


@FIGURES.register("modules")
def plot_modules(exchange: Exchange) -> Figure:
    """Draw modules on a circle, and an arrow for each pair between which something flows.

    The width of an arrow stands for the bits of the direct figure, which are written beside it;
    where only the total figure is above its null floor, the arrow is dashed and has that. Areas
    of modules stand for their number of units; below the name stands what each receives from all
    others together.
    """
    graph = exchange.to_networkx()
    names = list(graph.nodes)
    side = min(PAGE, max(COLUMN, 1.9 + 0.3 * len(names)))
    figure = new_figure(side, 0.75 * side)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_aspect("equal")
    turns = {name: pi - 2 * pi * place / len(names) for place, name in enumerate(names)}
    at = {name: (cos(turn), sin(turn)) for name, turn in turns.items()}
    largest = max(len(members) for members in exchange.partition.modules.values())
    edges = [(s, r, *_strength(data)) for s, r, data in graph.edges(data=True)]
    most = max((bits for _, _, bits, _ in edges), default=0.0)
    for sender, receiver, bits, direct in edges:
        share = min(1.0, bits / most) if most else 0.0
        _arrow(axes, at[sender], at[receiver], share, direct)
        if len(edges) <= _WRITTEN:
            (x, y), (u, v) = at[sender], at[receiver]
            # beside the arrow's bow, nearer to the receiver
            place = (0.42 * x + 0.58 * u + 0.13 * (v - y), 0.42 * y + 0.58 * v - 0.13 * (u - x))
            axes.text(
                *place, number(bits), fontsize=SMALL, color=INK, ha="center", va="center",
                bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6}, zorder=4,
            )  # fmt: skip
    for place, name in enumerate(names):
        node = graph.nodes[name]
        area = 500 * (0.3 + 0.7 * node["size"] / largest)
        axes.scatter(
            *at[name], s=area, color=colour(place), edgecolors=INK, linewidths=0.5, zorder=5
        )
        x, y = at[name]
        axes.text(
            1.2 * x, 1.27 * y, f"{drawable(name, 14)}\nreceives {number(node['into'])}",
            ha="left" if x > 0.4 else "right" if x < -0.4 else "center", va="center",
            fontsize=TEXT, color=INK, parse_math=False, zorder=6,
        )  # fmt: skip
    axes.set_xlim(-2.2, 2.2)
    axes.set_ylim(-1.6, 1.6)
    kind = f"{exchange.form}; bits; dashed: through other modules only"
    figure.supxlabel(kind, fontsize=SMALL, color=MUTED)
    return figure


def describe_modules(exchange: Exchange) -> str:
    """Return the figure in words, for those who do not see it."""
    graph = exchange.to_networkx()
    edges = [
        f"{drawable(sender)} sends {drawable(receiver)} {number(_strength(data)[0])} bits"
        for sender, receiver, data in graph.edges(data=True)
    ]
    into = ", ".join(f"{drawable(n)} {number(each.bits)}" for n, each in exchange.into.items())
    more = f", and {len(edges) - 12} further arrows" if len(edges) > 12 else ""
    arrows = "; ".join(edges[:12]) if edges else "no arrows"
    return f"Graph of {len(graph)} modules: {arrows}{more}. Received in all: {into}."


def _strength(edge: dict[str, float | None]) -> tuple[float, bool]:
    """Bits to show, and whether they are those of the direct figure."""
    direct = edge["bits"] or 0.0
    total = edge["total_bits"]
    return (direct, True) if direct > 0 or not total else (total, False)


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], share: float, direct: bool
) -> None:
    from matplotlib.patches import FancyArrowPatch

    axes.add_patch(
        FancyArrowPatch(
            start, end, connectionstyle="arc3,rad=0.18", arrowstyle="-|>", mutation_scale=9,
            linewidth=0.5 + (_WIDEST - 0.5) * share, color=INK, alpha=0.35 + 0.5 * share,
            linestyle="-" if direct else "--", shrinkA=12, shrinkB=12, zorder=2,
        )
    )  # fmt: skip
