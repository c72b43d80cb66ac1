"""How a network takes and returns tensors, read from the text that torch saves for it.

The text names types (``builtins.dict``, a dataclass of the network's author), which torch imports.
Here nothing is imported: a container is what its keys say it is, whatever its type.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from causalmod.compiler.pt2.fields import field, of_kind
from causalmod.errors import CompileError

_DEEPEST = 20
_LONGEST = 1_000_000
_LISTS = {"builtins.tuple", "builtins.list", "collections.deque"}


@dataclass(frozen=True)
class Container:
    """A tree of tensors: a leaf has no parts and is no container.

    Attributes:
        keys: names of the parts; None for a tuple or list, whose parts have numbers.
        parts: the parts; None for a leaf.
    """

    keys: tuple[str, ...] | None
    parts: tuple[Container, ...] | None

    @property
    def leaves(self) -> int:
        """Number of leaves under it."""
        return 1 if self.parts is None else sum(part.leaves for part in self.parts)

    def fill(self, leaves: Iterator[Any]) -> Any:
        """Put values in place of the leaves: tuples and dicts."""
        if self.parts is None:
            return next(leaves)
        filled = [part.fill(leaves) for part in self.parts]
        return tuple(filled) if self.keys is None else dict(zip(self.keys, filled, strict=True))


def read_container(text: str, named: Mapping[str, tuple[str, ...]]) -> Container:
    """Read a container from its saved text.

    Args:
        text: what torch saved.
        named: names of the fields of named tuples, by type.

    Raises:
        CompileError: the text is damaged, or of another version.
    """
    if len(text) > _LONGEST:
        raise CompileError("the file is damaged: its inputs or outputs are described without end")
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as reason:
        raise CompileError(f"the file is damaged: its inputs or outputs: {reason}") from None
    if not isinstance(read, list) or len(read) != 2 or read[0] != 1:
        raise CompileError("its inputs or outputs are described in another version than torch's 1")
    return _container(read[1], named, 0)


def _container(held: object, named: Mapping[str, tuple[str, ...]], depth: int) -> Container:
    if depth > _DEEPEST:
        raise CompileError(f"its inputs or outputs are nested more than {_DEEPEST} deep")
    children = field(held, "children_spec", list)
    parts = tuple(_container(part, named, depth + 1) for part in children)
    kind = field(held, "type", object)
    if kind is None:
        return Container(None, None)
    if of_kind(kind, str, "type") in _LISTS:
        return Container(None, parts)
    return Container(_keys(field(held, "context", object), len(parts), named), parts)


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str)


def _keys(context: object, count: int, named: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Keys of a dict or dataclass; numbers where the text tells no more than a type."""
    try:
        read = json.loads(context) if isinstance(context, str) else context
    except (ValueError, RecursionError):
        read = None
    inner = read if isinstance(read, list) else []  # some types put their keys beside others
    tried = [read, *inner[:2], *(named.get(each) for each in (context, read) if _is_text(each))]
    for each in tried:
        if isinstance(each, (list, tuple)) and len(each) == count:
            names = tuple(str(key) for key in each if isinstance(key, (str, int)))
            if len(set(names)) == count and all(len(n) < 200 and n.isprintable() for n in names):
                return names
    return tuple(map(str, range(count)))
