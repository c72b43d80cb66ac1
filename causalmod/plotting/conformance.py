"""The table of measures against axioms, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from causalmod._display import FIGURES
from causalmod.plotting.style import FAINT, INK, PAGE, SMALL, TEXT, new_figure
from causalmod.plotting.text import drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from causalmod.conformance import Conformance

# blue and vermilion of Okabe and Ito, which all kinds of colour vision tell apart; the sign in the
# cell says the same without colour
_LOOKS = {
    "holds": ("#cfe3f1", "✓"),
    "fails": ("#d55e00", "✗"),
    "not applicable": ("none", "–"),
    "error": ("#cc79a7", "!"),
}


@FIGURES.register("conformance")
def plot_conformance(table: Conformance) -> Figure:
    """Draw a row for each measure and a column for each axiom.

    A tick says that the axiom holds, a cross that a counterexample was found; a dash that the
    measure does not apply to the axiom's networks, an exclamation mark that it broke.
    """
    from matplotlib.patches import Rectangle

    measures, axioms = table.measures, table.axioms
    height = 1.5 + 0.26 * len(measures)
    figure = new_figure(min(PAGE, 2.2 + 0.36 * len(axioms)), height)
    axes = figure.add_subplot()
    for row, measure in enumerate(measures):
        for column, axiom in enumerate(axioms):
            colour, sign = _LOOKS[table.status(measure, axiom)]
            axes.add_patch(
                Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, facecolor=colour,
                          edgecolor=FAINT, lw=0.5)
            )  # fmt: skip
            ink = "#ffffff" if sign == "✗" else "#101012" if colour != "none" else INK
            axes.text(column, row, sign, ha="center", va="center", fontsize=TEXT, color=ink)
    axes.set_xlim(-0.5, len(axioms) - 0.5)
    axes.set_ylim(len(measures) - 0.5, -0.5)
    axes.set_xticks(
        range(len(axioms)),
        [name.replace("_", " ") for name in axioms],
        rotation=45,
        ha="left",
        rotation_mode="anchor",
    )
    axes.xaxis.tick_top()
    axes.set_yticks(
        range(len(measures)), [drawable(name.replace("_", " "), 28) for name in measures]
    )
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=INK)
    axes.spines[:].set_visible(False)
    axes.patch.set_alpha(0.0)
    return figure


def describe_conformance(table: Conformance) -> str:
    """Return the figure in words, for those who do not see it."""
    parts: list[str] = []
    for measure in table.measures:
        failed = [a for a in table.axioms if table.status(measure, a) in {"fails", "error"}]
        parts.append(f"{drawable(measure)} fails {', '.join(failed) if failed else 'nothing'}")
    return f"{len(table.measures)} measures against {len(table.axioms)} axioms: " + "; ".join(parts)
