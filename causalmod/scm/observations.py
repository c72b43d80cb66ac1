"""Observations: what every site held, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from causalmod.errors import SelectorError, nearest


class Observations(dict[str, Tensor]):
    """Site name → activations ``[rows, *site]``; a site's further names work too.

    Example:
        >>> import torch
        >>> found = Observations({"output": torch.ones(2, 1)}, {"fc2": "output"})
        >>> found["fc2"] is found["output"], "fc2" in found, list(found)
        (True, True, ['output'])
    """

    def __init__(self, values: Mapping[str, Tensor], aliases: Mapping[str, str]) -> None:
        super().__init__(values)
        self._aliases = dict(aliases)

    def __missing__(self, name: str) -> Tensor:
        if name in self._aliases:
            return self[self._aliases[name]]
        raise SelectorError(f"unknown site {name!r}: {nearest(name, [*self, *self._aliases])}")

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._aliases

    def get(self, name: str, default: Any = None) -> Any:
        """Return the activations of a site, under any of its names, or ``default``.

        Example:
            >>> Observations({}, {}).get("fc2") is None
            True
        """
        try:
            return self[name]
        except SelectorError:
            return default
