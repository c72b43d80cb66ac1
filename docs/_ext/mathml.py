"""Formulas as MathML, which browsers draw themselves: no script to fetch when a page is read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

# A named function before its argument is spaced like an identifier, not like an infix operator.
FUNCTION = re.compile(r"<mo>([a-z]+)</mo>(?=<mo [^>]*>(?:&#x00028;|\())")


def to_mathml(latex: str, display: str) -> str:
    """Convert a formula.

    Raises:
        ValueError: a command is unknown, or the result is not well-formed.
    """
    markup = FUNCTION.sub(r"<mi>\1</mi>", convert(latex, display=display))
    try:
        tree = ElementTree.fromstring(markup)
    except ElementTree.ParseError as error:
        raise ValueError(f"not well-formed as MathML: {error}") from error
    unknown = [element.text for element in tree.iter() if "\\" in (element.text or "")]
    if unknown:
        raise ValueError(f"unknown commands {unknown}")
    return markup


def markup_or_warning(node: nodes.math | nodes.math_block, display: str) -> str:
    latex = node.astext()
    try:
        return to_mathml(latex, display)
    except Exception as error:  # noqa: BLE001  (the converter raises many kinds; each fails the build)
        logger.warning("formula %r: %s", latex, error, location=node)
        return ""


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(markup_or_warning(node, "inline"))
    raise nodes.SkipNode


def visit_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    markup = markup_or_warning(node, "block")
    translator.body.append(f'<div style="overflow-x: auto; padding: 0.4em 0">{markup}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
