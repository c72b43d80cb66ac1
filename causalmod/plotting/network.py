"""The network as a layered graph, coloured by module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from causalmod.partition import Partition
from causalmod.plotting.layout import Edge, Layout, lay_out
from causalmod.plotting.style import INK, MUTED, PAGE, SMALL, colour, marker, new_figure
from causalmod.plotting.text import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

    from causalmod.scm import StructuralCausalModel

MOST_EDGES = 1500
_LEVEL_LABELS = 7  # more columns than that, and their names would run into each other
_FROM_INPUTS = 0.3  # share of the drawn connections kept for those that start at an input


def plot_network(
    scm: StructuralCausalModel,
    partition: Partition,
    *,
    strength: Tensor | None = None,
    most_edges: int = MOST_EDGES,
) -> Figure:
    """Draw the network's units in a column per layer and a band per module.

    Connections inside a module have its colour, those between modules are dark and lie on top.
    Where there are more than ``most_edges``, the strongest are drawn (a fixed random choice where
    all count the same) and the figure says how many.

    Args:
        scm: the model.
        partition: a split of its live units.
        strength: ``[sender, receiver]`` over the live units, how strong each connection is.
        most_edges: how many connections to draw at most.

    Example:
        >>> import torch
        >>> from causalmod import Partition, compile
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
        >>> rows = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
        >>> scm = compile(net.eval(), rows)
        >>> split = Partition({"a": scm.units.names[:3], "b": scm.units.names[3:]})
        >>> plot_network(scm, split).savefig("network.pdf")  # doctest: +SKIP
    """
    made = lay_out(scm, partition, strength)
    tallest = max(made.sizes, default=1)
    inches = min(4.6, max(2.6, 1.2 + 0.075 * tallest))
    figure = new_figure(PAGE, inches)
    axes = figure.add_subplot()
    axes.set_axis_off()
    caption = _draw_edges(axes, made, most_edges)
    _draw_units(axes, made, partition, inches * 0.75 * 72 * made.spacing)
    lowest = min((y for _, y in made.position.values()), default=0.0)
    steep = len(made.columns) > _LEVEL_LABELS
    for place, (site, size) in enumerate(zip(made.columns, made.sizes, strict=True)):
        axes.annotate(
            f"{drawable(site, 18)} ({size})" if steep else f"{drawable(site, 18)}\n{size}",
            (place, min(lowest, 0.0)), xytext=(0, -7), textcoords="offset points",
            ha="right" if steep else "center", va="top", rotation=40 if steep else 0,
            rotation_mode="anchor" if steep else "default", fontsize=SMALL, color=INK,
            parse_math=False,
        )  # fmt: skip
    axes.set_xlim(-0.3, len(made.columns) - 0.7)
    legend = figure.legend(
        loc="outside upper center", ncols=min(5, len(partition) + 3), frameon=False,
        fontsize=SMALL, labelcolor=INK, handletextpad=0.4, columnspacing=1.4,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
    figure.supxlabel(caption, fontsize=SMALL, color=MUTED)
    return figure


def describe_network(scm: StructuralCausalModel, partition: Partition) -> str:
    """Return the figure in words, for those who do not see it."""
    made = lay_out(scm, partition)
    _, inside, between = _sorted_out(made)
    sizes = ", ".join(f"{drawable(n)} with {len(m)} units" for n, m in partition.modules.items())
    layers = ", ".join(drawable(column) for column in made.columns)
    return (
        f"The network from left to right in the layers {layers}. Modules: {sizes}. {len(inside)} "
        f"connections inside modules, {len(between)} between modules, {len(made.inert)} inert "
        "units."
    )


def _sorted_out(made: Layout) -> tuple[list[Edge], list[Edge], list[Edge]]:
    """Connections from inputs, inside modules, and between modules."""
    kinds: tuple[list[Edge], list[Edge], list[Edge]] = ([], [], [])
    for edge in made.edges:
        source, target = made.module.get(edge[0]), made.module[edge[1]]
        kinds[0 if source is None else 1 if source == target else 2].append(edge)
    return kinds


def _strongest(edges: list[Edge], most: int) -> list[Edge]:
    if len(edges) <= most:
        return edges
    shuffled = np.random.default_rng(0).permutation(len(edges)).tolist()
    shuffled.sort(key=lambda place: -edges[place][2])  # stable: equals stay in random order
    return [edges[place] for place in shuffled[:most]]


def _draw_edges(axes: Axes, made: Layout, most: int) -> str:
    from_inputs, inside, between = _sorted_out(made)
    within = [*inside, *between]
    chosen = _strongest(within, max(most - len(from_inputs), int(most * (1 - _FROM_INPUTS))))
    first = _strongest(from_inputs, most - len(chosen))
    peak = max((value for _, _, value in chosen), default=1.0) or 1.0
    faint = min(0.5, max(0.12, 7 / max(len(chosen), 1) ** 0.5))
    for m in sorted(set(made.module.values())):
        own = [e for e in chosen if made.module[e[0]] == made.module[e[1]] == m]
        _lines(axes, made, [e for e in first if made.module[e[1]] == m], colour(m), 0.12, 1.0)
        _lines(axes, made, own, colour(m), faint, peak)
    crossing = [e for e in chosen if made.module[e[0]] != made.module[e[1]]]
    _lines(axes, made, crossing, INK, faint, peak)
    if between:
        axes.plot([], [], "-", color=INK, linewidth=1, label="between modules")
    return _caption((chosen, within, "between units"), (first, from_inputs, "from inputs"))


def _caption(*groups: tuple[list[Edge], list[Edge], str]) -> str:
    parts: list[str] = []
    for drawn, everything, which in groups:
        if len(drawn) < len(everything):
            same = len({value for _, _, value in everything}) == 1
            how = "random" if same else "strongest"
            parts.append(f"{len(drawn)} {how} of {len(everything)} connections {which}")
        elif everything:
            parts.append(f"all {len(everything)} connections {which}")
    return f"drawn: {'; '.join(parts)}" if parts else "no connections"


def _lines(
    axes: Axes, made: Layout, edges: list[Edge], ink: str, alpha: float, peak: float
) -> None:
    from matplotlib.collections import LineCollection

    if edges:
        segments = [(made.position[source], made.position[target]) for source, target, _ in edges]
        widths = [0.3 + 0.6 * min(1.0, value / peak) for _, _, value in edges]
        axes.add_collection(
            LineCollection(segments, colors=ink, alpha=alpha, linewidths=widths, clip_on=False)
        )


def _draw_units(axes: Axes, made: Layout, partition: Partition, spacing: float) -> None:
    size = min(6.0, max(1.8, 0.85 * spacing)) ** 2  # points, of area

    def scatter(names: list[str], label: str, area: float, **look: object) -> None:
        if names:
            x, y = zip(*(made.position[v] for v in names), strict=True)
            axes.scatter(x, y, s=area, label=label, zorder=3, **look)  # type: ignore[arg-type]

    scatter(made.inputs, "input", min(size, 3.0), color=MUTED, linewidths=0)
    for m, (name, members) in enumerate(partition.modules.items()):
        label = f"{drawable(name, 20)} ({len(members)} units)"
        edge = min(0.4, 0.05 * spacing)
        scatter(
            list(members),
            label,
            size,
            color=colour(m),
            marker=marker(m),
            edgecolors=INK,
            linewidths=edge,
        )
    scatter(made.inert, "inert", 7.0, facecolors="none", edgecolors=MUTED, linewidths=0.5)
