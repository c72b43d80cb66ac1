"""Modularity along training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from causalmod._display import FIGURES
from causalmod.plotting.style import COLUMN, MUTED, SMALL, colour, new_figure, quiet, say_empty

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from causalmod.modularity import Track

_SCORE, _BITS = colour(0), colour(5)


@FIGURES.register("track")
def plot_track(track: Track) -> Figure:
    """Draw the calibrated score with its 95% interval, and the exchange below, against the step."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(COLUMN, 3.2)
    points = [(made.step, made.result) for made in track.checkpoints if made.result is not None]
    if not points:
        say_empty(figure.add_subplot(), "Nothing has been measured.")
        return figure
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.6, 1.0))
    quiet(upper)
    quiet(lower)
    scored = [(step, r, r.score) for step, r in points if r.score is not None]
    for height, text in ((0.0, "chance"), (1.0, "no communication")):
        upper.axhline(height, color=MUTED, linewidth=0.6, linestyle=(0, (4, 2)), zorder=0)
        upper.annotate(
            text, (1.0, height), xycoords=("axes fraction", "data"), xytext=(0, 2),
            textcoords="offset points", ha="right", va="bottom", fontsize=SMALL, color=MUTED,
        )  # fmt: skip
    if scored:
        steps = [step for step, _, _ in scored]
        low = [score if r.low is None else r.low for _, r, score in scored]
        high = [score if r.high is None else r.high for _, r, score in scored]
        line = {"color": _SCORE, "linewidth": 1.4, "markersize": 3.5}
        upper.fill_between(steps, low, high, color=_SCORE, alpha=0.18, linewidth=0)
        upper.plot(steps, [score for _, _, score in scored], "o-", **line)
    upper.set_ylabel("modularity\n(calibrated)" if scored else "not calibrated")
    bits = [r.exchange.bits for _, r in points]
    lower.plot([s for s, _ in points], bits, "o-", color=_BITS, linewidth=1.2, markersize=3.0)
    lower.set_ylim(0.0, 1.08 * max(*bits, 1e-3))
    lower.set_ylabel("exchange\n(bits)")
    lower.set_xlabel("step of training")
    lower.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    return figure
