"""The directives ``axioms`` and ``conformance``: what measures must satisfy, and which do."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

import causalmod as cm
from causalmod.conformance import AXIOMS, Conformance
from causalmod.measures import MEASURES
from causalmod.plotting import describe_conformance

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SIGNS = {"holds": "✓", "fails": "✗", "not applicable": "–", "error": "!"}


def axioms() -> str:
    """Return the table of axioms in Markdown."""
    rows = [("axiom", "what must hold", "source"), ("---",) * 3]
    rows += [(f"`{name}`", axiom.statement, axiom.source) for name, axiom in AXIOMS]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


@cache
def trial() -> Conformance:
    """Try every registered measure on the cheapest networks."""
    return cm.conformance(quick=True, progress=False)


def matrix() -> str:
    """Return the table of measures and axioms in Markdown, and one line for each failure."""
    found = trial()
    rows = [("", *(f"`{name}`" for name in found.measures))]
    rows.append(("---", *(":-:" for _ in found.measures)))
    rows += [
        (f"`{axiom}`", *(SIGNS[found.status(name, axiom)] for name in found.measures))
        for axiom in found.axioms
    ]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in rows)
    failures = [
        f"- `{verdict.measure}`, {verdict.axiom}: {finding.claim}: "
        + ", ".join(f"{name} {value:.3g}" for name, value in finding.values.items())
        for verdict in found.verdicts
        for finding in verdict.failures
    ]
    return "\n".join([table, "", *failures])


class AxiomTable(SphinxDirective):
    """Shows :func:`axioms` where it stands."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(axioms())


class ConformanceTable(SphinxDirective):
    """Runs the quick trial of all measures; shows the picture, or the failures in words."""

    option_spec = {"failures": directives.flag}  # noqa: RUF012 - as docutils has it

    def run(self) -> list[nodes.Node]:
        if "failures" in self.options:
            return self.parse_text_to_nodes(matrix())
        folder = Path(self.env.app.outdir) / "_images"
        folder.mkdir(parents=True, exist_ok=True)
        trial().plot().savefig(folder / "conformance.svg", bbox_inches="tight")
        image = nodes.raw(
            "",
            f'<img src="_images/conformance.svg" alt="{describe_conformance(trial())}" '
            'style="background: white">',
            format="html",
        )
        return [image]


def setup(app: Sphinx) -> dict[str, Any]:
    assert MEASURES.names()
    app.add_directive("axioms", AxiomTable)
    app.add_directive("conformance", ConformanceTable)
    return {"parallel_read_safe": True}
