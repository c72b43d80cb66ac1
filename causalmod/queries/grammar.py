"""parse: from text in the field's notation to a query. A grammar, never ``eval``.

The grammar stands in ``query.lark``. Lark reads it (an LALR(1) parser whose lexer knows what may
come next, so that ``E`` or ``P`` remain usable as names) and knows the place of every word, so that
an error can point at it.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from causalmod.errors import QueryError, nearest
from causalmod.queries.kinds import EFFECTS, Query
from causalmod.queries.read_tree import read_tree

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedInput

_HEADS = ["P", "E", "I", "Exchange", "ATE", *EFFECTS]
_NAMES = {
    "NAME": "a name",
    "QUOTED": "a name in backticks",
    "NUMBER": "a number",
    "INDEX": "an index such as [3] or [0:4]",
    "COMPARISON": "'<', '<=', '>' or '>='",
    "NOT_EQUAL": "'!='",
    "DO": "do(...)",
    "_IN": "'in'",
    "_BAR": "'|'",
    "_ARROW": "'->'",
    "__ANON_0": "a subscript '_{'",
    "LPAR": "'('",
    "RPAR": "')'",
    "LSQB": "'['",
    "RSQB": "']'",
    "LBRACE": "'{'",
    "RBRACE": "'}'",
    "BIN": "bin(...)",
    "COMMA": "','",
    "SEMICOLON": "';'",
    "EQUAL": "'='",
    "REFERENCE": "'reference'",
    "SEPARATE": "'separate'",
}
_UNTOLD = {"INFINITY", "RESAMPLE", "QUOTED"}  # further spellings, left out of messages


def parse(text: str) -> Query:
    """Read a query written in the field's notation.

    ==========================================  ==================================================
    written                                     asks for
    ==========================================  ==================================================
    ``P(y | do(x = 0.5), z > 0)``               a distribution under an intervention
    ``P(y = 1, w in [0, 1) | z in {0, 1})``     the probability of events
    ``E[y | do(x)]``                            means, for every value that ``x`` takes
    ``P(y_{x = 0} | x = 1, y = 1)``             a counterfactual
    ``TE``, ``NDE``, ``NIE``, ``CDE``, ``PSE``  see :class:`causalmod.queries.Effect`
    ``I(b ; c | do(b))``                        see :class:`causalmod.queries.Information`
    ``Exchange(left ; right)``                  :func:`causalmod.exchange`
    ==========================================  ==================================================

    Names are selectors (``fc1``, ``fc1[3]``, ``fc1[0:4]``) and names of modules. A name that is not
    made of letters, digits, ``_ . : @``, or that begins with a digit, stands in backticks. A bare
    number is a value, never a name. Values may be numbers, one number per variable (``x = [0,
    1]``), ``resample(seed)``, or what a variable is in another world (``m = m_{x = 0}``). An edge
    is written ``do(a -> b = 0.5)``.

    Raises:
        QueryError: the text is no query; the message points at the character.

    Source: Pearl, *Causality* (2009), for the notation: sections 3.2 (do) and 7.1 (subscripts).

    Example:
        >>> query = parse("P(fc2[0] | do(fc1[3]=0.5), fc1[2]>0)")
        >>> print(query)
        P(fc2[0] | do(fc1[3] = 0.5), fc1[2] > 0)
        >>> query.do[0].value
        0.5
        >>> parse("P(fc2[0] | do(fc1[3=0.5))")
        Traceback (most recent call last):
        ...
        causalmod.errors.QueryError: cannot read the query: an index is written [3], [0:4] or [0, 2]
          P(fc2[0] | do(fc1[3=0.5))
                           ^
    """
    if not isinstance(text, str):
        raise QueryError(
            "a query is text such as 'P(fc2[0] | do(fc1[3] = 0.5))' or one of the objects in "
            f"causalmod.queries; given {type(text).__name__}"
        )
    from lark.exceptions import UnexpectedInput

    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _syntax(text, error) from None
    return read_tree(tree, lambda position, message: _pointing(text, position, message))


def as_query(query: str | Query) -> Query:
    """Return a query, read if it is text.

    Raises:
        QueryError: neither a query nor the text of one.
    """
    return query if isinstance(query, Query) else parse(query)


@cache
def _parser() -> Lark:
    from lark import Lark

    grammar = (Path(__file__).parent / "query.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", propagate_positions=True, maybe_placeholders=True)


# --- what is wrong, and where -------------------------------------------------------------------


def _pointing(text: str, position: int, message: str) -> QueryError:
    """Return an error that shows the line of the text and points at a character of it."""
    start = text.rfind("\n", 0, position) + 1
    line = text[start:].partition("\n")[0].replace("\t", " ")
    pointer = " " * (position - start) + "^"
    return QueryError(f"cannot read the query: {message}\n  {line}\n  {pointer}", position)


def _syntax(text: str, error: UnexpectedInput) -> QueryError:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    position, expected = len(text), set[str]()
    if isinstance(error, UnexpectedCharacters):
        position, expected = error.pos_in_stream, set(error.allowed or ())
    elif isinstance(error, UnexpectedToken):
        expected = set(error.accepts or error.expected)
        if error.token.type != "$END":
            position = error.token.start_pos or 0
    here = text[position : position + 1]
    if expected == {"COMPARISON"}:  # a number stands where a name should
        found = [match.start() for match in re.finditer(_NUMBER, text[:position])]
        return _pointing(text, found[-1], _no_name(text[found[-1] :]))
    if here.isdigit() and "NAME" in expected:
        return _pointing(text, position, _no_name(text[position:]))
    if "KIND" in expected:
        head = re.split(r"[(\[]", text[position:])[0].strip()
        message = (
            "expected P(...), E[...], an effect such as TE(...), I(... ; ...) or "
            f"Exchange(... ; ...){f'; {nearest(head, _HEADS)}' if head else ''}"
        )
    elif here == "[" and "INDEX" in expected:
        message = "an index is written [3], [0:4] or [0, 2]"
    elif here == "`":
        message = "this backtick has no partner, or there is nothing between the two"
    elif expected & {"$END", "<END-OF-FILE>"}:
        message = "the query ends before this"
    else:
        message = _expected(expected)
    return _pointing(text, position, message)


_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"


def _no_name(text: str) -> str:
    found = re.match(r"[\w.:@]*", text)
    name = found[0] if found and found[0] else "2"
    return (
        "a bare number is a value, never a name; put the name of a site that begins with a digit "
        f"in backticks, as in `{name}`[0]"
    )


def _expected(names: set[str]) -> str:
    listed = sorted({_NAMES.get(name, name) for name in names - _UNTOLD})
    most = ", ".join(listed[:-1])
    return f"expected {most}{' or ' if most else ''}{listed[-1]}"
