"""The directive ``estimators``: a table of every estimator in the registry, from its own fields."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import causalmod
from causalmod.information import ESTIMATORS, Estimator

if TYPE_CHECKING:
    from sphinx.application import Sphinx

COLUMNS = ("name", "for", "forms", "assumes", "cost", "paper", "file")


def row(kind: type[Estimator]) -> tuple[str, ...]:
    """Return one estimator's cells."""
    module = kind.__module__.removeprefix(f"{causalmod.__name__}.").replace(".", "/")
    forms = "all" if kind.contextual else "observational, averaged"
    width = "units and groups" if kind.groups else "single units"
    said = (width, forms, kind.assumes, f"${kind.cost}$", kind.paper)
    return f"`{kind.name}`", *said, f"`{module}.py`"


def table() -> str:
    """Return the table in Markdown."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(row(kind) for _, kind in ESTIMATORS)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


class EstimatorTable(SphinxDirective):
    """Shows :func:`table` where it stands."""

    def run(self) -> list[nodes.Node]:
        for _, kind in ESTIMATORS:
            path = Path(causalmod.__file__).parent.parent / (
                kind.__module__.replace(".", "/") + ".py"
            )
            self.env.note_dependency(str(path))
        return self.parse_text_to_nodes(table())


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("estimators", EstimatorTable)
    return {"parallel_read_safe": True}
