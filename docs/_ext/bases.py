"""The directive ``bases``: every kind of basis in the registry, under its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import causalmod
from causalmod.bases import BASES

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def section() -> str:
    """Return what Sphinx is to read."""
    each = (f".. autoclass:: {name}\n" for name in BASES.names())
    return "```{eval-rst}\n.. currentmodule:: causalmod.bases\n\n" + "\n".join(each) + "```\n"


class Bases(SphinxDirective):
    """Shows :func:`section` where it stands."""

    def run(self) -> list[nodes.Node]:
        for _, kind in BASES:
            path = Path(causalmod.__file__).parent.parent / (
                kind.__module__.replace(".", "/") + ".py"
            )
            self.env.note_dependency(str(path))
        return self.parse_text_to_nodes(section())


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("bases", Bases)
    return {"parallel_read_safe": True}
