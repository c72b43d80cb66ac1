"""The directive ``zoo``: a table of every network in the registry, from the cases themselves."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from causalmod.zoo import Case
from causalmod.zoo.case import ZOO

if TYPE_CHECKING:
    from sphinx.application import Sphinx

COLUMNS = ("name", "made by", "what it is", "rows", "modules", "facts")


def call(constructor: Callable[..., Case]) -> str:
    """Return the call that makes a case, with the options that the registry holds."""
    function = getattr(constructor, "func", constructor)
    options = getattr(constructor, "keywords", {})
    given = ", ".join(f"{name}={value!r}" for name, value in options.items())
    return f"zoo.{function.__name__}({given})"


def source(constructor: Callable[..., Case]) -> str:
    """Return what stands under ``Source:`` in the docstring, on one line."""
    text = inspect.getdoc(getattr(constructor, "func", constructor)) or ""
    _, _, after = text.partition("\nSource: ")
    return " ".join(after.partition("\n\n")[0].split())


def number(value: float) -> str:
    """Return a figure as the pages show it."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


@cache
def cases() -> dict[str, tuple[Callable[..., Case], Case]]:
    """Make every case; a few are trained, which takes seconds."""
    return {name: (constructor, constructor()) for name, constructor in ZOO}


def table() -> str:
    """Return the table in Markdown."""
    rows = [COLUMNS, ("---",) * len(COLUMNS)]
    for name, (constructor, case) in cases().items():
        modules = "-" if case.modules is None else ", ".join(case.modules)
        counts = f"{len(case.inputs)}", modules, f"{len(case.facts)}"
        rows.append((f"`{name}`", f"`{call(constructor)}`", case.doc.replace("|", r"\|"), *counts))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def facts() -> str:
    """Return a table of all facts: what is measured, what must come out, and why."""
    rows: list[tuple[str, ...]] = [
        ("network", "what is measured", "expected", "because"),
        ("---",) * 4,
    ]
    for name, (_, case) in cases().items():
        for place, fact in enumerate(case.facts):
            first = f"`{name}`" if place == 0 else ""
            cells = (first, f"`{fact.name}`", number(fact.expected), fact.source)
            rows.append(tuple(cell.replace("|", r"\|") for cell in cells))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def sources() -> str:
    """Return a list of the papers and derivations that the docstrings name."""
    named: dict[str, str] = {}
    for _, constructor in ZOO:
        function = getattr(constructor, "func", constructor)
        named.setdefault(function.__name__, source(constructor))
    return "\n".join(f"- `{name}`: {text}" for name, text in named.items() if text)


class ZooTable(SphinxDirective):
    """Shows the table of networks, or with an option their facts or sources."""

    option_spec = {  # noqa: RUF012 - as docutils has it
        "facts": directives.flag,
        "sources": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        for _, constructor in ZOO:
            function = getattr(constructor, "func", constructor)
            self.env.note_dependency(inspect.getfile(function))
        shown = (
            facts if "facts" in self.options else sources if "sources" in self.options else table
        )
        return self.parse_text_to_nodes(shown())


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("zoo", ZooTable)
    return {"parallel_read_safe": True}
