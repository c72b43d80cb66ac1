"""The causal diagram of an identification: who plays which part, and what is hidden."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from causalmod._display import FIGURES
from causalmod.plotting.style import (
    FAINT,
    INK,
    MUTED,
    PAGE,
    PAPER,
    SMALL,
    TEXT,
    colour,
    new_figure,
    say_empty,
)
from causalmod.plotting.text import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from causalmod.queries import CausalDiagram, Identification

MOST_VARIABLES = 40
_LONGEST = 110
_ARROW = {"arrowstyle": "-|>", "mutation_scale": 8, "shrinkA": 13, "shrinkB": 13}
_ROLES = ("set", "asked about", "known")


@FIGURES.register("identification")
def plot_identification(found: Identification) -> Figure:
    """Draw the diagram that a query was identified on, causes to the left.

    Colours say which part a variable plays; dashed arcs join variables that share a hidden cause.
    Where the query is not identifiable, the hedge has dark rings, and its treatment a double one.
    """
    diagram = found.diagram
    rows = _generations(diagram)
    tallest = max((len(column) for column in rows), default=1)
    figure = new_figure(PAGE, min(5.0, 1.6 + 0.55 * tallest))
    axes = figure.add_subplot()
    axes.set_axis_off()
    if len(diagram.nodes) > MOST_VARIABLES:
        say_empty(axes, f"{len(diagram.nodes)} variables are too many to draw; see cm.to_dot")
        return figure
    place = {
        node: (float(x), (len(column) - 1) / 2 - y + 0.3 * (x % 2))
        for x, column in enumerate(rows)
        for y, node in enumerate(column)
    }
    _draw_arrows(axes, diagram, place)
    _draw_variables(axes, found, place)
    title = f"{found.query}: {found.route or 'not identifiable'}"
    if found.formula is not None and len(found.formula) <= _LONGEST:
        title = found.formula
    axes.set_title(drawable(title, _LONGEST), fontsize=TEXT, loc="left", parse_math=False)
    heights = [y for _, y in place.values()]
    axes.set_xlim(-0.6, len(rows) - 0.4)
    axes.set_ylim(min(heights) - 1.0, max(heights) + 0.7)
    return figure


def _generations(diagram: CausalDiagram) -> list[list[str]]:
    """Return the variables in columns: each stands to the right of its causes."""
    import networkx as nx

    return [
        sorted(each, key=diagram.order.index) for each in nx.topological_generations(diagram.graph)
    ]


def _draw_arrows(axes: Axes, diagram: CausalDiagram, place: dict[str, tuple[float, float]]) -> None:
    from matplotlib.patches import FancyArrowPatch

    for start, end in diagram.graph.edges:
        long = abs(place[end][0] - place[start][0]) > 1
        bend = "arc3,rad=-0.18" if long else "arc3,rad=0"
        axes.add_patch(
            FancyArrowPatch(
                place[start], place[end], color=MUTED, linewidth=1, connectionstyle=bend, **_ARROW
            )
        )
    pairs = {pair for driven in diagram.hidden.values() for pair in combinations(sorted(driven), 2)}
    for start, end in sorted(pairs):
        left, right = sorted((start, end), key=lambda node: place[node])
        span = place[right][0] - place[left][0]
        bend = -0.4 if span == 0 else 0.35 / max(span, 1)  # in a column to the left, else below
        axes.add_patch(
            FancyArrowPatch(
                place[left], place[right], color=colour(5), linewidth=1, linestyle=(0, (4, 3)),
                connectionstyle=f"arc3,rad={bend}", arrowstyle="<|-|>", mutation_scale=7,
                shrinkA=13, shrinkB=13,
            )
        )  # fmt: skip


def _draw_variables(
    axes: Axes, found: Identification, place: dict[str, tuple[float, float]]
) -> None:
    part = dict.fromkeys(found.through, 3)
    for number, nodes in enumerate(found.roles):
        part |= dict.fromkeys(nodes, number)
    hedge = found.hedge
    for node, (x, y) in place.items():
        fill = colour(part[node]) if node in part else FAINT
        ring = INK if hedge is not None and node in hedge.larger else PAPER
        axes.plot(x, y, "o", markersize=17, color=fill, markeredgecolor=ring, markeredgewidth=1.6)
        if hedge is not None and node in hedge.treatments:
            axes.plot(x, y, "o", markersize=22, color="none", markeredgecolor=INK)
        axes.text(
            x, y - 0.42, drawable(node, 16), fontsize=SMALL, ha="center", va="center",
            parse_math=False,
        )  # fmt: skip
    for number in sorted(set(part.values())):
        through = "mediator" if found.route == "front-door" else "adjusted for"
        label = (*_ROLES, through)[number]
        axes.plot([], [], "o", color=colour(number), label=label)
    if found.diagram.hidden:
        axes.plot([], [], color=colour(5), linestyle=(0, (4, 3)), label="share a hidden cause")
    if hedge is not None:
        axes.plot([], [], "o", color=PAPER, markeredgecolor=INK, label="hedge")
    axes.legend(
        fontsize=SMALL, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=6
    )
