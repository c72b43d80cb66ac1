"""The tree of modules as boxes inside boxes, with a dot for each unit."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from causalmod._display import FIGURES
from causalmod.plotting.style import INK, MUTED, PAGE, SMALL, TEXT, new_figure
from causalmod.plotting.text import drawable
from causalmod.plotting.tree import coloured, last, leaves_of, score_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from causalmod.hierarchy import Hierarchy, Node

_PAD = 0.1  # inches between a box and those inside it
_HEAD = 0.2  # inches for the name of a box
_MOST_DOTS = 400  # more units in a module are written as a number


@FIGURES.register("nested")
def plot_nested(tree: Hierarchy) -> Figure:
    """Draw each module as a box inside the one that it is part of.

    The width of a box follows its units, a dot each; beside its name stands how modular its inside
    is.
    """
    depth = max(tree.depth, 1)
    height = 1.1 + (depth + 1) * (_HEAD + _PAD)
    figure = new_figure(PAGE, height)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(0, PAGE)
    axes.set_ylim(0, height)
    shades = coloured(tree)
    _box(axes, tree.root, (0.04, 0.04, PAGE - 0.08, height - 0.08), shades)
    return figure


def _box(
    axes: Axes, node: Node, place: tuple[float, float, float, float], shades: dict[str, str]
) -> None:
    from matplotlib.patches import FancyBboxPatch

    left, bottom, width, height = place
    shade = shades[node.name]
    axes.add_patch(
        FancyBboxPatch(
            (left, bottom),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=(*_rgb(shade), 0.1),
            edgecolor=shade,
            linewidth=1.0,
        )
    )
    room = int(max(width - 0.1, 0) * 14)  # characters that fit
    score = score_text(node) if node.children else ""
    name = drawable(last(node.name), 12)
    full = f"{name}  {score}".rstrip()
    short = f"{name}  {score.partition(' ')[0]}".rstrip()
    shown = next((text for text in (full, short, name) if len(text) <= room), "")
    axes.text(
        left + 0.06, bottom + height - 0.04, shown, ha="left", va="top", color=INK,
        fontsize=TEXT if len(shown) < 8 else SMALL, parse_math=False,
    )  # fmt: skip
    inside = (left + _PAD, bottom + _PAD, width - 2 * _PAD, height - _HEAD - _PAD)
    if not node.children:
        _dots(axes, len(node.members), inside, shade)
        return
    # room for the margins of every module first, the rest by the number of units
    shares = [len(child.members) for child in node.children]
    margins = [2 * _PAD * sum(1 for _ in leaves_of(child)) for child in node.children]
    gaps = _PAD * (len(shares) - 1)
    free = max(inside[2] - gaps - sum(margins), 0.0)
    at = inside[0]
    for child, share, margin in zip(node.children, shares, margins, strict=True):
        wide = margin + free * share / sum(shares)
        if not free:
            wide = (inside[2] - gaps) * margin / sum(margins)
        _box(axes, child, (at, inside[1], wide, inside[3]), shades)
        at += wide + _PAD


def _dots(axes: Axes, count: int, place: tuple[float, float, float, float], shade: str) -> None:
    left, bottom, width, height = place
    if count > _MOST_DOTS or width < 0.05:
        axes.text(
            left + width / 2, bottom + height / 2, str(count), ha="center", va="center",
            fontsize=TEXT, color=MUTED,
        )  # fmt: skip
        return
    columns = max(1, min(count, round((count * width / height) ** 0.5)))
    rows = ceil(count / columns)
    step = min(width / columns, height / rows, 0.16)
    x = [left + width / 2 + (i % columns - (columns - 1) / 2) * step for i in range(count)]
    y = [bottom + height / 2 - (i // columns - (rows - 1) / 2) * step for i in range(count)]
    axes.plot(x, y, "o", color=shade, markersize=min(5.0, 0.62 * step * 72), markeredgewidth=0)


def _rgb(shade: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(shade)
