"""The answer to a query: bars of a table, a histogram of samples, a line over a family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from causalmod._display import FIGURES
from causalmod.plotting.style import COLUMN, SMALL, TEXT, colour, new_figure, quiet, say_empty
from causalmod.plotting.text import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from causalmod.queries import Distribution

_MOST_BARS = 40


@FIGURES.register("distribution")
def plot_distribution(result: Distribution) -> Figure:
    """Draw the answer to a query.

    Samples are drawn as histograms, one for each column, with the mean as a line; tables as bars of
    probability; families as points over the value that was left open, with an interval where the
    answer is sampled.
    """
    figure = new_figure(COLUMN, 2.3)
    axes = figure.add_subplot()
    quiet(axes)
    axes.set_title(drawable(result.query, 50), fontsize=TEXT, loc="left", parse_math=False)
    if result.is_family:
        _family(axes, result)
    elif result.kind in {"discrete", "binned", "probability"}:
        _bars(axes, result)
    else:
        _histograms(axes, result)
    return figure


def _histograms(axes: Axes, result: Distribution) -> None:
    if result.samples is None:
        say_empty(axes, "no samples")
        return
    for place, name in enumerate(result.names[:7]):
        values = result.samples[:, place].numpy()
        label = drawable(name, 30)
        axes.hist(values, bins=30, density=True, alpha=0.5, color=colour(place), label=label)
        axes.axvline(values.mean(), color=colour(place), linewidth=1)
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel("change" if result.kind == "effect" else "value")
    axes.set_ylabel("density")
    if len(result.names) > 1:
        axes.legend(fontsize=SMALL, frameon=False)


def _bars(axes: Axes, result: Distribution) -> None:
    table = result.table.head(_MOST_BARS)
    columns = [name for name in table.columns if name not in {"probability", "low", "high"}]
    labels = [", ".join(_short(cell) for cell in row) for row in table[columns].to_numpy()]
    if not columns:
        labels = [drawable(result.names[0], 40)]
    places = range(len(table))
    error: Any = None
    if "low" in table:
        error = [table["probability"] - table["low"], table["high"] - table["probability"]]
    axes.bar(places, table["probability"], yerr=error, color=colour(0), width=0.7, capsize=2)
    axes.set_xticks(list(places), labels, rotation=0 if len(table) < 5 else 90)
    axes.set_xlabel(drawable(", ".join(columns), 60))
    axes.set_ylabel("probability")


def _family(axes: Axes, result: Distribution) -> None:
    table = result.table
    open_ = table.columns[0]
    figure = "mean" if "mean" in table else "probability"
    rest = [
        name for name in table.columns[1:] if name not in {"probability", "mean", "low", "high"}
    ]
    groups = table.groupby(rest, sort=False) if rest and figure == "probability" else [("", table)]
    if figure == "mean":
        groups = table.groupby("of", sort=False)
    for place, (key, part) in enumerate(list(groups)[:7]):
        x = [float(v) if isinstance(v, int | float) else i for i, v in enumerate(part[open_])]
        named = ", ".join(_short(each) for each in (key if isinstance(key, tuple) else (key,)))
        axes.plot(
            x, part[figure], "o-", color=colour(place), markersize=3, linewidth=1, label=named
        )
        if "low" in part:
            axes.fill_between(x, part["low"], part["high"], color=colour(place), alpha=0.15)
    axes.set_xlabel(drawable(str(open_), 40))
    axes.set_ylabel(figure)
    if rest:
        of = ", ".join(name for name in rest if name != "of")
        axes.legend(
            fontsize=SMALL, frameon=False, title=drawable(of, 30) or None, title_fontsize=SMALL
        )


def _short(cell: object) -> str:
    if isinstance(cell, int | float):
        return f"{cell:g}"
    ends = (getattr(cell, "left", None), getattr(cell, "right", None))
    if isinstance(ends[0], int | float) and isinstance(ends[1], int | float):
        return f"({ends[0]:.3g}, {ends[1]:.3g}]"
    return drawable(str(cell), 30)
