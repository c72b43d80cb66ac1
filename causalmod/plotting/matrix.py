"""The module-to-module information matrix: what each module sends each other one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from causalmod._display import FIGURES
from causalmod.plotting.style import COLUMN, FAINT, INK, MUTED, PAGE, PAPER, SMALL, TEXT, new_figure
from causalmod.plotting.text import drawable, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from causalmod.exchange import Exchange
    from causalmod.information import Estimate

_SHADES = ("#eef5fa", "#d0e3f0", "#9cc4df", "#4f95c4", "#0072b2", "#004a75")
_APART = 0.25  # distance of the row of sums from the rows of single modules


@FIGURES.register("exchange")
def plot_matrix(exchange: Exchange) -> Figure:
    """Draw what each module sends each other one, with the bits written in the cells.

    A row sends, a column receives, everything else is held at its context value. Where the
    estimator gives a lower and an upper bound, both are written. With three modules or more a last
    row shows what a module receives from all others together, which the single figures need not add
    up to.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    names = list(exchange.into)
    count = len(names)
    rows = [(float(r), [exchange.matrix.get((s, c)) for c in names]) for r, s in enumerate(names)]
    labels = [drawable(name, 14) for name in names]
    senders = list(labels)
    if count > 2:
        rows.append((count + _APART, list(exchange.into.values())))
        senders.append("all others")

    width = min(PAGE, max(COLUMN, 1.3 + 0.66 * count))
    figure = new_figure(width, 0.85 + 0.52 * (width - 1.0) / count * len(rows))
    axes = figure.add_subplot()
    most = max((e.bits for _, row in rows for e in row if e is not None), default=0.0) or 1.0
    scale, shades = Normalize(0.0, most), LinearSegmentedColormap.from_list("bits", _SHADES)
    font = TEXT if count <= 6 else max(4.0, TEXT * 6 / count)
    for place, row in rows:
        for column, estimate in enumerate(row):
            if estimate is None:
                _cell(axes, column, place, hatch="////", lw=0.0)
                continue
            shade = (
                shades(scale(estimate.bits)) if estimate.bits else "none"
            )  # nothing sent: left empty
            _cell(axes, column, place, facecolor=shade, lw=0.5)
            ink = INK if shade == "none" else PAPER if estimate.bits > 0.55 * most else "#101012"
            axes.text(
                column,
                place,
                _figures(estimate),
                ha="center",
                va="center",
                fontsize=font,
                color=ink,
            )

    axes.set_xlim(-0.5, count - 0.5)
    axes.set_ylim(rows[-1][0] + 0.5, -0.5)
    axes.set_xticks(range(count), labels, parse_math=False)
    axes.set_yticks([place for place, _ in rows], senders, parse_math=False)
    axes.set_xlabel("receiver", fontsize=TEXT, color=INK)
    axes.set_ylabel("sender", fontsize=TEXT, color=INK)
    axes.tick_params(length=0, labelsize=min(TEXT, font + 1), labelcolor=INK)
    axes.spines[:].set_visible(False)
    axes.patch.set_alpha(0.0)
    bar = figure.colorbar(ScalarMappable(scale, shades), ax=axes, fraction=0.06, pad=0.03)
    bar.set_label("information (bits)", fontsize=TEXT, color=INK)
    bar.ax.tick_params(labelsize=SMALL, length=2, color=MUTED, labelcolor=INK)
    bar.ax.spines[:].set_visible(False)
    return figure


def describe_matrix(exchange: Exchange) -> str:
    """Return the figure in words, for those who do not see it."""
    pairs = [
        f"{drawable(sender)} sends {drawable(receiver)} {estimate.describe()} bits"
        for (sender, receiver), estimate in exchange.matrix.items()
    ]
    more = f", and {len(pairs) - 12} further pairs" if len(pairs) > 12 else ""
    return f"Information matrix: {'; '.join(pairs[:12])}{more}."


def _cell(axes: Axes, column: int, place: float, facecolor: Any = "none", **look: Any) -> None:
    from matplotlib.patches import Rectangle

    corner = (column - 0.48, place - 0.48)
    axes.add_patch(Rectangle(corner, 0.96, 0.96, facecolor=facecolor, edgecolor=FAINT, **look))


def _figures(estimate: Estimate) -> str:
    if estimate.upper is None or estimate.upper == estimate.bits:
        return number(estimate.bits)
    return f"{number(estimate.bits)}\nto {number(estimate.upper)}"
