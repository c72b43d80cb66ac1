"""The tree of modules as boxes inside boxes, with a dot for each unit."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from causalmod._display import FIGURES
from causalmod.plotting.style import INK, MUTED, PAGE, SMALL, TEXT, new_figure
from causalmod.plotting.text import drawable
from causalmod.plotting.tree import coloured, last, score_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from causalmod.hierarchy import Hierarchy, Node

_PAD = 0.1  # inches between a box and those inside it
_HEAD = 0.2  # inches for the name of a box
_TALLEST = 9.0  # inches
_MOST_DOTS = 400  # more units in a module are written as a number


@FIGURES.register("nested")
def plot_nested(tree: Hierarchy) -> Figure:
    """Draw each module as a box inside the one that it is part of.

    Boxes of one module stand side by side, those inside one of them below each other, and so on in
    turn. Each is as large as its share of the units, a dot each; beside a name stands how modular
    the inside is.
    """
    height = min(_TALLEST, max(1.6, _room(tree.root, across=True)[1]))
    figure = new_figure(PAGE, height)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(0, PAGE)
    axes.set_ylim(0, height)
    place = (0.04, 0.04, PAGE - 0.08, height - 0.08)
    _box(axes, tree.root, place, coloured(tree), across=True)
    return figure


def _room(node: Node, *, across: bool) -> tuple[float, float]:
    """Inches that a box needs, in width and height."""
    if not node.children:
        return 0.3 + 2 * _PAD, _HEAD + 0.3 + _PAD
    sizes = [_room(child, across=not across) for child in node.children]
    gaps = _PAD * (len(sizes) - 1)
    wide = [width for width, _ in sizes]
    tall = [height for _, height in sizes]
    width = sum(wide) + gaps if across else max(wide)
    height = max(tall) if across else sum(tall) + gaps
    return width + 2 * _PAD, height + _HEAD + _PAD


def _box(
    axes: Axes,
    node: Node,
    place: tuple[float, float, float, float],
    shades: dict[str, str],
    *,
    across: bool,
) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.patches import FancyBboxPatch

    left, bottom, width, height = place
    shade = shades[node.name]
    look = {"facecolor": (*to_rgb(shade), 0.1), "edgecolor": shade, "linewidth": 1.0}
    round_ = f"round,pad=0,rounding_size={min(0.06, width / 4, height / 4)}"
    axes.add_patch(FancyBboxPatch((left, bottom), width, height, boxstyle=round_, **look))
    fits = int(max(width - 0.1, 0) * 14)  # characters
    name = drawable(last(node.name), 12)
    score = score_text(node) if node.children else ""
    texts = (f"{name}  {score}", f"{name}  {score.partition(' ')[0]}", name)
    shown = next((text.rstrip() for text in texts if len(text.rstrip()) <= fits), "")
    axes.text(
        left + 0.06, bottom + height - 0.04, shown, ha="left", va="top", color=INK,
        fontsize=TEXT if len(shown) < 8 else SMALL, parse_math=False,
    )  # fmt: skip
    inside = (left + _PAD, bottom + _PAD, width - 2 * _PAD, height - _HEAD - _PAD)
    if not node.children:
        _dots(axes, len(node.members), inside, shade)
        return
    for child, part in zip(node.children, _cut(node, inside, across=across), strict=True):
        _box(axes, child, part, shades, across=not across)


def _cut(
    node: Node, place: tuple[float, float, float, float], *, across: bool
) -> list[tuple[float, float, float, float]]:
    """Share a place between the modules of one: what each needs first, the rest by its units."""
    left, bottom, width, height = place
    length = (width if across else height) - _PAD * (len(node.children) - 1)
    need = [_room(child, across=not across)[0 if across else 1] for child in node.children]
    units = [len(child.members) for child in node.children]
    free = length - sum(need)
    found: list[tuple[float, float, float, float]] = []
    at = left if across else bottom + height
    for least, count in zip(need, units, strict=True):
        size = least + free * count / sum(units) if free > 0 else length * least / sum(need)
        if across:
            found.append((at, bottom, size, height))
            at += size + _PAD
        else:
            found.append((left, at - size, width, size))
            at -= size + _PAD
    return found


def _dots(axes: Axes, count: int, place: tuple[float, float, float, float], shade: str) -> None:
    left, bottom, width, height = place
    if count > _MOST_DOTS or width < 0.05 or height < 0.05:
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
