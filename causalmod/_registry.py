"""Named implementations: one file each, found by importing the package they stand in."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from causalmod.errors import InputError, nearest

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of implementations of one protocol.

    ``package`` is imported file by file on first use, so a new implementation is one new file and
    nothing else. ``required`` maps each callable that an implementation must have to the
    parameter names it must accept; both are checked when it registers.

    Example:
        >>> colours = Registry("colour", package=None, required={"mix": ("other",)})
        >>> @colours.register("red")
        ... class Red:
        ...     def mix(self, other): return other
        >>> colours.names()
        ('red',)
        >>> colours.get("rde")
        Traceback (most recent call last):
        ...
        causalmod.errors.InputError: unknown colour 'rde': did you mean 'red'?
    """

    def __init__(
        self, kind: str, package: str | None, required: dict[str, tuple[str, ...]] | None = None
    ) -> None:
        self.kind = kind
        self._package = package
        self._required = required or {}
        self._entries: dict[str, T] = {}
        self._loaded = package is None

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that stores its argument under ``name``."""

        def store(implementation: T) -> T:
            self._check(name, implementation)
            self._entries[name] = implementation
            return implementation

        return store

    def _check(self, name: str, implementation: T) -> None:
        if name in self._entries:
            raise InputError(f"a {self.kind} named {name!r} is registered already")
        for method, parameters in self._required.items():
            function = (
                implementation if method == "__call__" else getattr(implementation, method, None)
            )
            if not callable(function):
                raise InputError(f"{self.kind} {name!r} lacks the method {method!r}")
            accepted = inspect.signature(function).parameters
            missing = [p for p in parameters if p not in accepted]
            if missing:
                raise InputError(
                    f"{self.kind} {name!r}: {method}() lacks the parameters {missing}; "
                    f"it has {list(accepted)}"
                )

    def _load(self) -> None:
        if self._loaded or self._package is None:
            return
        self._loaded = True  # before the imports, which may ask this table themselves
        try:
            package = importlib.import_module(self._package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self._package}.{module.name}")
        except BaseException:
            self._loaded = False  # or the next call would find the table empty, and not say why
            raise

    def get(self, name: str) -> T:
        """Return the implementation called ``name``.

        Raises:
            InputError: no implementation has that name; the nearest is suggested.
        """
        self._load()
        if name not in self._entries:
            raise InputError(f"unknown {self.kind} {name!r}: {nearest(name, self._entries)}")
        return self._entries[name]

    def names(self) -> tuple[str, ...]:
        """Return every registered name, sorted."""
        self._load()
        return tuple(sorted(self._entries))

    def __iter__(self) -> Iterator[tuple[str, T]]:
        self._load()
        return iter(sorted(self._entries.items()))
