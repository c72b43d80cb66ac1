"""A mapping whose entries are found when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class OnDemand(Mapping[Key, Value]):
    """Entries that are measured when first looked at, and kept; going through all measures all.

    Args:
        keys: all keys that there are.
        measure: from a key to its entry; it may return entries for other keys along with it.

    Example:
        >>> squares = OnDemand([1, 2, 3], lambda key: {key: key * key})
        >>> squares[2], len(squares), squares
        (4, 3, <1 of 3 measured so far>)
        >>> dict(squares)
        {1: 1, 2: 4, 3: 9}
    """

    def __init__(self, keys: Iterable[Key], measure: Callable[[Key], Mapping[Key, Value]]) -> None:
        self._keys = dict.fromkeys(keys)
        self._measure = measure
        self._known: dict[Key, Value] = {}

    def __getitem__(self, key: Key) -> Value:
        if key not in self._known:
            if key not in self._keys:
                raise KeyError(key)
            self._known.update(self._measure(key))
        return self._known[key]

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"<{len(self._known)} of {len(self)} measured so far>"

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)  # measured, since what measures is not written down
