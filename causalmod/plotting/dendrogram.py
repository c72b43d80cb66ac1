"""The tree of modules as a dendrogram, with the score of each split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from causalmod._display import FIGURES
from causalmod.plotting.style import INK, MUTED, PAGE, SMALL, TEXT, new_figure
from causalmod.plotting.text import drawable
from causalmod.plotting.tree import coloured, score_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from causalmod.hierarchy import Hierarchy, Node


@FIGURES.register("dendrogram")
def plot_dendrogram(tree: Hierarchy) -> Figure:
    """Draw the whole network on the left, modules inside modules to the right.

    At each split stands its calibrated modularity with the interval: 1 no communication between
    the parts, 0 as by chance. At the right end stands the number of units, with the score of the
    best split that was not taken.
    """
    leaves, depth = tree.leaves, max(tree.depth, 1)
    figure = new_figure(PAGE, max(1.3, 0.5 + 0.36 * len(leaves)))
    axes = figure.add_subplot()
    axes.set_axis_off()
    height: dict[str, float] = {leaf.name: float(-row) for row, leaf in enumerate(leaves)}
    for node in reversed(list(tree.nodes.values())):  # children before their parents
        if node.children:
            height[node.name] = sum(height[child.name] for child in node.children) / len(
                node.children
            )
    shades = coloured(tree)
    _branches(axes, tree.root, 0, height, shades, depth)
    axes.set_xlim(-0.12, depth + 0.75)
    axes.set_ylim(-len(leaves) + 0.4, 0.75)
    figure.supxlabel(
        "at each split: modularity inside, calibrated (1 no communication, 0 as by chance)",
        fontsize=SMALL, color=MUTED,
    )  # fmt: skip
    return figure


def _branches(
    axes: Axes,
    node: Node,
    level: int,
    height: dict[str, float],
    shades: dict[str, str],
    deepest: int,
) -> None:
    here, ink = height[node.name], shades[node.name]
    if level == 0:
        axes.plot([-0.1, 0.0], [here, here], color=ink, linewidth=1.6)
    if not node.children:
        _leaf(axes, node, level, here, ink, deepest)
        return
    ends = [height[child.name] for child in node.children]
    axes.plot([level, level], [min(ends), max(ends)], color=ink, linewidth=1.6)
    axes.plot([level], [here], "o", color=ink, markersize=4)
    crossed = any(abs(end - here) < 0.3 for end in ends)  # a branch runs where the score stands
    axes.annotate(
        score_text(node) or "not calibrated", (level, here), xytext=(5, 3 if crossed else 0),
        textcoords="offset points", fontsize=SMALL, color=INK,
        va="bottom" if crossed else "center",
    )  # fmt: skip
    for child in node.children:
        at, shade = height[child.name], shades[child.name]
        axes.plot([level, level + 1], [at, at], color=shade, linewidth=1.6)
        if child.children:
            axes.annotate(
                drawable(child.name, 16), (level + 1, at), xytext=(-4, 3), ha="right",
                textcoords="offset points", fontsize=TEXT, color=INK, parse_math=False,
            )  # fmt: skip
        _branches(axes, child, level + 1, height, shades, deepest)


def _leaf(axes: Axes, node: Node, level: int, at: float, ink: str, deepest: int) -> None:
    axes.plot([level, deepest], [at, at], color=ink, linewidth=0.6, linestyle=(0, (1, 3)))
    axes.plot([level], [at], "s", color=ink, markersize=3.5)
    inside = score_text(node)
    units = f"{len(node.members)} units" + (f", inside {inside}" if inside else "")
    for text, offset, shade, size in (
        (drawable(node.name, 16), (6, 1), INK, TEXT),
        (units, (6, -1), MUTED, SMALL),
    ):
        axes.annotate(
            text, (deepest, at), xytext=offset, textcoords="offset points", ha="left",
            va="bottom" if offset[1] > 0 else "top", fontsize=size, color=shade, parse_math=False,
        )  # fmt: skip
