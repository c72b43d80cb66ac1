"""Spectra of an interface: what is read, and what moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from causalmod._display import FIGURES
from causalmod.plotting.style import COLUMN, SMALL, colour, marker, new_figure, quiet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from causalmod.subspaces import Interface


@FIGURES.register("interface")
def plot_interface(result: Interface) -> Figure:
    """Draw the eigenvalues of both matrices, as shares of their sums, with the effective ranks."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(COLUMN, 2.4)
    axes = figure.add_subplot()
    quiet(axes)
    spectra = {"read (Gauss-Newton)": result.curvature, "moves (response)": result.response}
    for place, (name, spectrum) in enumerate(spectra.items()):
        total = float(spectrum.values.sum())
        shares = (spectrum.values / total if total > 0 else spectrum.values).tolist()
        axes.plot(
            range(1, len(shares) + 1), shares, marker=marker(place), markersize=3.5, linewidth=1,
            color=colour(place), label=f"{name}: {spectrum.participation:.1f} dimensions",
        )  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("dimension, strongest first")
    axes.set_ylabel("share of the spectrum")
    axes.legend(frameon=False, fontsize=SMALL)
    return figure
