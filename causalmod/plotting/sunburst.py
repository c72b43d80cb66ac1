"""The tree of modules as rings: each module as wide as its share of the units."""

from __future__ import annotations

from math import cos, degrees, pi, sin
from typing import TYPE_CHECKING

from causalmod._display import FIGURES
from causalmod.plotting.style import COLUMN, FAINT, INK, PAPER, SMALL, TEXT, new_figure
from causalmod.plotting.text import drawable
from causalmod.plotting.tree import coloured, is_dark, last, score_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from causalmod.hierarchy import Hierarchy, Node

_HOLE = 0.9  # radius of the middle, in widths of a ring


@FIGURES.register("sunburst")
def plot_sunburst(tree: Hierarchy) -> Figure:
    """Draw the network in the middle and a ring for each level of modules around it.

    The middle gives the score of the first split.
    """
    figure = new_figure(COLUMN, COLUMN)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_aspect("equal")
    shades = coloured(tree)
    middle = f"{len(tree.root.members)} units"
    score = score_text(tree.root)
    if score:
        middle += f"\n{score.replace(' ', chr(10))}"
    axes.text(0, 0, middle, ha="center", va="center", fontsize=SMALL, color=INK)
    if tree.root.children:
        _ring(axes, tree.root, 90.0, -360.0, _HOLE, shades)
    else:
        from matplotlib.patches import Wedge

        axes.add_patch(Wedge((0, 0), _HOLE + 1, 0, 360, width=1, facecolor=FAINT, edgecolor=PAPER))
        axes.text(0, _HOLE + 0.5, "not split", ha="center", va="center", fontsize=TEXT, color=INK)
    reach = _HOLE + max(tree.depth, 1)
    axes.set_xlim(-1.02 * reach, 1.02 * reach)
    axes.set_ylim(-1.02 * reach, 1.02 * reach)
    return figure


def _ring(
    axes: Axes, node: Node, start: float, turn: float, radius: float, shades: dict[str, str]
) -> None:
    """Draw the children of a module along the arc that is its own, clockwise."""
    from matplotlib.patches import Wedge

    total = sum(len(child.members) for child in node.children)
    for child in node.children:
        arc = turn * len(child.members) / total
        shade = shades[child.name]
        axes.add_patch(
            Wedge(
                (0, 0),
                radius + 1,
                start + arc,
                start,
                width=1,
                facecolor=shade,
                edgecolor=PAPER,
                linewidth=1.2,
            )
        )
        middle = (start + arc / 2) * pi / 180
        length = abs(arc) * pi / 180 * (radius + 0.5)  # of the arc, in widths of a ring
        if length > 0.3:
            along = degrees(middle) % 360
            steep = length < 0.9  # too narrow for words across: write along the radius
            turned = (along - 180 if 90 < along < 270 else along) if steep else 0.0
            text = f"{drawable(last(child.name), 8)}"
            if not steep:
                text += f"\n{len(child.members)}"
            axes.text(
                (radius + 0.5) * cos(middle), (radius + 0.5) * sin(middle), text,
                ha="center", va="center", rotation=turned, fontsize=TEXT, parse_math=False,
                color=PAPER if is_dark(shade) else INK,
            )  # fmt: skip
        _ring(axes, child, start, arc, radius + 1, shades)
        start += arc
