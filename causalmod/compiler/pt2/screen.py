"""One look at every entry of a file's JSON, however deep, before anything is made of it.

What is built later reads the entries that it knows and no others. This pass is the other half of
the bargain: a file that holds something unsafe *anywhere* (in a graph inside a graph, in an entry
that no one reads) is refused, since nobody who exports a network puts it there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from causalmod.compiler.pt2.expressions import read_expression
from causalmod.compiler.pt2.fields import of_kind
from causalmod.compiler.pt2.operators import HIGHER, REGIONS, find_operator
from causalmod.errors import CompileError

_MOST_ENTRIES = 20_000_000
_FORBIDDEN = {
    "as_custom_obj": "a script object, which is a pickle",
    "as_operator": "an operator as an argument",
}
_FORBIDDEN_INPUTS = {
    "custom_obj": "a script object, which is a pickle",
    "token": "an effect on the world (a token)",
}


def screen(document: Any) -> None:
    """Refuse JSON that names a forbidden operator, expression or object at any depth.

    Raises:
        CompileError: it does; the message says what.
    """
    stack, seen, regions = [(document, "", False)], 0, list[str]()
    while stack:
        held, key, compares = stack.pop()
        seen += 1
        if seen > _MOST_ENTRIES:
            raise CompileError(f"its graph has more than {_MOST_ENTRIES} entries")
        compares |= key == "sym_bool_values"
        if isinstance(held, list):
            stack.extend((each, key, compares) for each in held)
        elif isinstance(held, dict):
            if key != "metadata":  # texts of the user's own, which no one reads
                regions += _look(held, compares)
            stack.extend((each, name, compares) for name, each in held.items())
    if regions:
        raise CompileError(
            f"its graph holds a region with settings of its own ({regions[0]}), which cannot be "
            "replayed step by step; take it out of the forward and export again"
        )


def _look(held: Mapping[str, Any], compares: bool) -> list[str]:
    """Look at one object; return the region that it is, if it is one that cannot be replayed."""
    found = [what for key, what in _FORBIDDEN.items() if key in held]
    for key, what in _FORBIDDEN_INPUTS.items():  # a tensor may have such a name
        if isinstance(held.get(key), dict) and "arg" in held[key]:
            found.append(what)
    if found:
        raise CompileError(f"its graph holds {found[0]}; only tensor operations can be used")
    if held.get("use_pickle") and not isinstance(held["use_pickle"], dict):
        raise CompileError("one of its tensors is a pickle, which can run code")
    if "expr_str" in held and not isinstance(held["expr_str"], (dict, list)):
        read_expression(of_kind(held["expr_str"], str, "expr_str"), compares)
    target = held.get("target")
    if not isinstance(target, str):
        return []
    if not target.startswith(HIGHER):
        find_operator(target)
    elif target.removeprefix(HIGHER) not in REGIONS:
        return [target.removeprefix(HIGHER)[:60]]
    return []
