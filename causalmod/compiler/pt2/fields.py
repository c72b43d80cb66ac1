"""Fields of JSON that nobody vouches for: each has to be of the kind that it should be."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from causalmod.errors import CompileError

Kind = TypeVar("Kind")


def read_json(content: bytes, name: str) -> Any:
    """Parse a JSON member.

    Raises:
        CompileError: it is no JSON, repeats a key, or is nested without end.
    """
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as reason:
        raise CompileError(f"{name} is damaged: {reason}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def field(held: object, key: str, kind: type[Kind]) -> Kind:
    """Return a field of a JSON object, which has to be of a kind (a number may not be a bool)."""
    if not isinstance(held, dict) or key not in held:
        raise CompileError(f"the file is damaged: {key!r} is missing")
    return of_kind(held[key], kind, key)


def of_kind(value: object, kind: type[Kind], name: str) -> Kind:
    """Return a value if it is of a kind."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise CompileError(
            f"the file is damaged: {name!r} is a {type(value).__name__}, expected {kind.__name__}"
        )
    return value


def union(held: object) -> tuple[str, Any]:
    """Return the one entry of an object that says by its key what its value is."""
    if not isinstance(held, dict) or len(held) != 1:
        raise CompileError("the file is damaged: expected an object with one entry")
    return next(iter(held.items()))


def number(held: object, key: str = "as_int") -> int:
    """Return the whole number in ``{"as_int": ...}``, and nothing that depends on the data."""
    kind, value = union(held)
    if kind != key:
        raise CompileError(f"the file is damaged: expected a plain number, given {kind!r}")
    return of_kind(value, int, key)
