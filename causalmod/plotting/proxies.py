"""Proxies against the true measure: a panel for each, a dot for each partition."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from causalmod._display import FIGURES
from causalmod.plotting.style import PAGE, SMALL, colour, new_figure, quiet, say_empty
from causalmod.plotting.text import drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from causalmod.proxies import Proxies

_COLUMNS = 3


@FIGURES.register("proxies")
def plot_proxies(found: Proxies) -> Figure:
    """Draw what each proxy reads against what the true measure reads, best proxy first."""
    shown = [each for each in found.proxies if each.correlation is not None]
    if not shown:
        figure = new_figure(PAGE / 2, 1.5)
        say_empty(figure.add_subplot(), "No proxy applies to this network.")
        return figure
    rows = ceil(len(shown) / _COLUMNS)
    columns = min(_COLUMNS, len(shown))
    figure = new_figure(PAGE * columns / _COLUMNS, 0.5 + 1.7 * rows)
    panels = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).flatten()
    truth = np.array(found.values[found.truth])
    for place, panel in enumerate(panels):
        if place >= len(shown):
            panel.set_axis_off()
            continue
        quiet(panel)
        proxy = shown[place]
        panel.plot(truth, found.values[proxy.name], ".", color=colour(0), markersize=2.5, alpha=0.6)
        panel.set_title(
            f"{drawable(proxy.name.replace('_', ' '), 24)}\n"
            f"{proxy.correlation:.2f} [{proxy.low:.2f}, {proxy.high:.2f}]",
            fontsize=SMALL,
        )
        panel.tick_params(labelsize=SMALL)
    unit = " (bits)" if found.truth.startswith("exchange") else ""
    figure.supxlabel(f"{found.truth.replace('_', ' ')}{unit}", fontsize=SMALL + 1)
    return figure


def describe_proxies(found: Proxies) -> str:
    """Return the figure in words, for those who do not see it."""
    parts = [
        f"{drawable(each.name)} {each.correlation:.2f}"
        for each in found.proxies
        if each.correlation is not None
    ]
    return f"Rank correlation with {drawable(found.truth)}: {', '.join(parts) or 'none applies'}."
