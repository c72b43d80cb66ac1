"""Names that come from other people's models, made fit to be shown; and numbers.

A name may hold anything: terminal escape sequences, text-direction controls that reorder a line,
line breaks. Every place that shows a name takes it through :func:`plain` first; what the place
itself needs (HTML escaping, DOT quotes) comes on top.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

# ESC [ ... final, ESC ] ... BEL or ESC \, the other string sequences, and two-character escapes.
_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def plain(name: str, longest: int = 60) -> str:
    r"""Return a name without control characters, escape sequences or direction marks.

    Args:
        name: any text.
        longest: longer names are cut in the middle, since both ends of a module path tell it apart.

    Example:
        >>> plain("fc1\x1b[31m[3]\n")
        'fc1[3]'
        >>> plain("a" * 30 + ".out", longest=15)
        'aaaaaaa…aaa.out'
    """
    text = _SEQUENCES.sub("", name)
    text = "".join(c for c in text if unicodedata.category(c) not in _HIDDEN)
    if len(text) > longest:
        half = (longest - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    return text


def drawable(name: str, longest: int = 60) -> str:
    r"""Return :func:`plain` text, with question marks for what the figures' font lacks.

    Example:
        >>> drawable("fc1 \u6f22")
        'fc1 ?'
    """
    return "".join(c if _has_glyph(c) else "?" for c in plain(name, longest))


def number(value: float) -> str:
    """Return a number that tells 0 from nearly 0.

    Example:
        >>> number(0.0), number(0.00004), number(1.2345), number(float("inf"))
        ('0', '4e-05', '1.23', '∞')
    """
    if value == 0:
        return "0"
    if abs(value) == float("inf"):
        return "∞" if value > 0 else "−∞"
    return f"{value:.0e}" if abs(value) < 0.005 else f"{value:.2f}"


@cache
def _has_glyph(character: str) -> bool:
    from matplotlib.font_manager import findfont, get_font

    return get_font(findfont("DejaVu Sans")).get_char_index(ord(character)) != 0
