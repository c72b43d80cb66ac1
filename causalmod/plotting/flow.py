"""The heat map of a flow: what each source sends each target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from causalmod._display import FIGURES
from causalmod.plotting.style import COLUMN, FAINT, INK, MUTED, PAGE, PAPER, SMALL, TEXT, new_figure
from causalmod.plotting.text import drawable, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from causalmod.exchange import Flow

_SHADES = ("#eef5fa", "#d0e3f0", "#9cc4df", "#4f95c4", "#0072b2", "#004a75")
_NAMED = 24  # sides up to this long have every name written
_WRITTEN = 12  # and cells the bits
_NAMES = 8  # names on longer sides


@FIGURES.register("flow")
def plot_flow(flow: Flow) -> Figure:
    """Draw a map as a heat map, darker for more bits.

    A row sends, a column receives. Pairs that are not significant are faded, infinite figures are
    black, and pairs that were not measured, or share a variable, are white.
    """
    import numpy as np
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    bits = flow.bits.to_numpy()
    known = np.isfinite(bits)
    most = float(bits[known].max()) if known.any() else 0.0
    scale = Normalize(0.0, most or 1.0)
    shades = LinearSegmentedColormap.from_list("bits", _SHADES)
    rows, columns = flow.bits.shape
    width = min(PAGE, max(COLUMN, 1.4 + 0.14 * columns))
    height = min(PAGE, max(2.3, 0.9 + (width - 1.4) * rows / columns))
    figure = new_figure(width, height)
    axes = figure.add_subplot()

    colours = shades(scale(np.where(known, bits, 0.0)))
    colours[..., 3] = np.where(flow.significant.to_numpy(), 1.0, 0.35)
    infinite = np.isinf(bits)
    colours[infinite] = (*_rgb(INK), 1.0)
    colours[np.isnan(bits)] = (1.0, 1.0, 1.0, 0.0)
    axes.imshow(colours, aspect="auto", interpolation="nearest")
    if max(rows, columns) <= _WRITTEN:
        _write(axes, flow, most)
    _name(axes, flow)
    axes.set_xlabel("target", fontsize=TEXT, color=INK)
    axes.set_ylabel("source", fontsize=TEXT, color=INK)
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=INK)
    for spine in axes.spines.values():
        spine.set(color=FAINT, linewidth=0.5)
    bar = figure.colorbar(ScalarMappable(scale, shades), ax=axes, fraction=0.06, pad=0.03)
    bar.set_label(f"{flow.kind} (bits)", fontsize=TEXT, color=INK)
    bar.ax.tick_params(labelsize=SMALL, length=2, color=MUTED, labelcolor=INK)
    bar.ax.spines[:].set_visible(False)
    return figure


def describe_flow(flow: Flow) -> str:
    """Return the figure in words, for those who do not see it."""
    long = flow.to_frame()
    rows, columns = flow.bits.shape
    head = f"Map of {rows} sources and {columns} targets, {flow.kind} information"
    if long.empty:
        return f"{head}: nothing was measured."
    quiet = int((long["bits"].to_numpy() == 0).sum())
    best = long["bits"].to_numpy().argsort()[::-1][:5]
    pairs = "; ".join(
        f"{drawable(str(long.index[place][0]))} to {drawable(str(long.index[place][1]))} "
        f"{number(float(long['bits'].to_numpy()[place]))}"
        for place in best
    )
    return f"{head}: {quiet} of {len(long)} pairs send exactly 0 bits. Most bits: {pairs}."


def _write(axes: Axes, flow: Flow, most: float) -> None:
    for row, values in enumerate(flow.bits.to_numpy()):
        for column, value in enumerate(values):
            if value == value:  # noqa: PLR0124 - not NaN
                dark = value > 0.55 * (most or 1.0)
                axes.text(
                    column, row, number(float(value)), ha="center", va="center", fontsize=SMALL,
                    color=PAPER if dark else INK,
                )  # fmt: skip


def _name(axes: Axes, flow: Flow) -> None:
    for names, ticks, turn in (
        (flow.bits.columns, axes.set_xticks, 90),
        (flow.bits.index, axes.set_yticks, 0),
    ):
        step = 1 if len(names) <= _NAMED else -(-len(names) // _NAMES)
        places = range(0, len(names), step)
        shown = [drawable(str(names[place]), 16) for place in places]
        ticks(places, shown, rotation=turn, parse_math=False)


def _rgb(colour: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)
