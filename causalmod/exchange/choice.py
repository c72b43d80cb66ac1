"""Checks of the arguments that measuring calls share."""

from __future__ import annotations

from numbers import Integral, Real

import torch
from torch import Tensor

from causalmod._memory import parse_memory
from causalmod.errors import InputError
from causalmod.information.choice import Choice, choose

__all__ = [
    "FEW_ROWS",
    "Choice",
    "check_count",
    "check_resolution",
    "check_rows",
    "choose",
    "distinct_rows",
    "parse_memory",
]

FEW_ROWS = 128  # below this, rows are not split into a searched and a held-out half


def check_resolution(resolution: float) -> float:
    """Return the resolution.

    Raises:
        InputError: it is not a positive finite number.
    """
    number = isinstance(resolution, Real) and not isinstance(resolution, bool)
    if not number or not 0 < float(resolution) < float("inf"):
        raise InputError(
            "resolution is a noise scale in standard deviations, a number above 0; "
            f"given {resolution!r}"
        )
    return float(resolution)


def check_count(name: str, value: int, least: int, rows: int | None = None) -> int:
    """Return a whole number.

    Args:
        name: what it counts.
        value: what was given.
        least: the smallest that makes sense.
        rows: the number of rows that it may not pass, where they are taken from these.

    Raises:
        InputError: it is not one, below ``least``, or above ``rows``.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}; given {value!r}")
    if rows is not None and value > rows:
        raise InputError(
            f"{name}={value} asks for more rows than there are to use ({rows}); leave it out to "
            "take as many as there are, or give more data"
        )
    return int(value)


def check_rows(rows: Tensor | None, count: int) -> Tensor:
    """Return row numbers, all of them for None.

    Raises:
        InputError: not a vector of at least two row numbers of the data.
    """
    if rows is None:
        return torch.arange(count)
    if (
        not isinstance(rows, Tensor)
        or rows.ndim != 1
        or rows.dtype not in {torch.int64, torch.int32}
    ):
        what = f"{type(rows).__name__} {tuple(getattr(rows, 'shape', ()))}"
        raise InputError(f"rows is a vector of row numbers, a torch.int64 tensor; given {what}")
    if len(rows) < 2 or int(rows.min()) < 0 or int(rows.max()) >= count:
        raise InputError(
            f"rows must be at least two numbers from 0 to {count - 1}; given {len(rows)}"
            + (f", from {int(rows.min())} to {int(rows.max())}" if len(rows) else "")
        )
    return rows.long().cpu()


def distinct_rows(codes: Tensor) -> tuple[Tensor, Tensor]:
    """First row and count of each distinct row of integer codes ``[row, coordinate]``."""
    _, inverse, counts = torch.unique(codes, dim=0, return_inverse=True, return_counts=True)
    first = torch.full_like(counts, len(codes))
    first.scatter_reduce_(0, inverse, torch.arange(len(codes), device=codes.device), "amin")
    return first, counts
