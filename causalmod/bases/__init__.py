"""Bases: the directions of a site in which a network may compute, a kind in each file.

``cm.compile(..., basis={"fc1": cm.bases.pca()})`` and ``scm.with_basis({...})`` read sites in a
basis; variables are then coordinates (or blocks of them). ``names()`` lists the kinds.
"""

from __future__ import annotations

from typing import Any

from causalmod.bases.choose import Choice, chosen
from causalmod.bases.protocol import BASES, Basis, SiteData
from causalmod.bases.solve import inverted, orthonormal

__all__ = ["BASES", "Basis", "Choice", "SiteData", "chosen", "inverted", "names", "orthonormal"]


def names() -> tuple[str, ...]:
    """Return the name of every kind of basis.

    Example:
        >>> "pca" in names()
        True
    """
    return BASES.names()


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name not in BASES.names():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return BASES.get(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *BASES.names()})
