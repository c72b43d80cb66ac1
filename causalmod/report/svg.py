"""A matplotlib figure as SVG that stands inside an HTML page and follows its colours."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup

from causalmod.plotting.style import FAINT, INK, MUTED, PALETTE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPACE = re.compile(r"^\{[^}]*\}")
_FONT = re.compile(r"(font: (?:[\w.]+ )*?[\d.]+px )[^;]*")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
# Colours that the page sets, so that a figure reads on a light and on a dark ground.
THEME = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    FAINT: "var(--faint)",
    **{colour: f"var(--module-{place})" for place, colour in enumerate(PALETTE)},
}
_COLOUR = re.compile("|".join(map(re.escape, THEME)), re.IGNORECASE)


def inline_svg(figure: Figure, alternative: str, prefix: str) -> Markup:
    """Return a figure as an ``<svg role="img">`` element.

    Args:
        figure: the figure.
        alternative: what it shows, in words.
        prefix: put before every id, so that several figures can stand in one page.
    """
    from matplotlib import rc_context

    buffer = io.StringIO()
    # Text stays text (small, searchable); a fixed salt makes the same figure the same file.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "causalmod"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())
    for parent in root.iter():
        for child in list(parent):
            if _SPACE.sub("", str(child.tag)) in {"metadata", "style"}:
                parent.remove(child)
    for element in root.iter():
        _rewrite(element, prefix)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("xmlns", "http://www.w3.org/2000/svg")
    root.set("role", "img")
    root.set("aria-label", alternative)
    text = ElementTree.tostring(root, encoding="unicode")
    return Markup(text)  # ElementTree escaped every name


def _rewrite(element: ElementTree.Element, prefix: str) -> None:
    element.tag = _SPACE.sub("", str(element.tag))
    for name, value in list(element.attrib.items()):
        del element.attrib[name]
        plain = _SPACE.sub("", name)
        if plain == "id":
            new = prefix + value
        elif plain == "href":
            new = f"#{prefix}{value[1:]}" if value.startswith("#") else value
        else:
            new = _REFERENCE.sub(rf"url(#{prefix}\1)", value)
            if plain in {"style", "fill", "stroke"}:
                new = _FONT.sub(r"\1var(--font)", new)
                new = _COLOUR.sub(lambda match: THEME[match.group().lower()], new)
        element.set(plain, new)
