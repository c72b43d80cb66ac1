"""How results show themselves in notebooks: a small table, and the figure that draws them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from causalmod._registry import Registry

#: Kind of result → function that draws it. Results stand below the layer that draws, so they look
#: their figure up by name; the drawing library is loaded then.
FIGURES: Registry[Callable[[Any], Any]] = Registry("figure", "causalmod.plotting")


def html_table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return a two-column HTML table; every text is escaped.

    Example:
        >>> html_table("Estimate", [("bits", "1.00")])
        '<table><caption>Estimate</caption><tr><th>bits</th><td>1.00</td></tr></table>'
    """
    body = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows
    )
    return f"<table><caption>{escape(title)}</caption>{body}</table>"
