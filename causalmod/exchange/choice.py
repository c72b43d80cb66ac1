"""Which estimator ``auto`` takes, and why."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.information import ESTIMATORS
from causalmod.information.estimators.exact import is_discrete

FEW_ROWS = 128  # below this, rows are not split into a searched and a held-out half


class Choice(NamedTuple):
    """An estimator's name, and the reason for it."""

    name: str
    reason: str


def choose(estimator: str, values: list[Tensor], replays: int, memory: int, single: bool) -> Choice:
    """Resolve ``"auto"``; pass any other name through after checking that it exists.

    Args:
        estimator: a registered name, or ``"auto"``.
        values: observed activations ``[row, coordinate]`` of everything involved.
        replays: values that exact enumeration would hold.
        memory: bytes that it may hold.
        single: are source and target single units?
    """
    if estimator != "auto":
        ESTIMATORS.get(estimator)
        return Choice(estimator, "as asked")
    if all(bool(is_discrete(group).all()) for group in values):
        if replays * 8 <= memory:
            return Choice("exact", "every unit takes few values, so they are counted")
        reason = "units are discrete, but counting all replays would not fit the memory"
        return Choice("pairwise", reason)
    if single and len(values[0]) >= 10:
        return Choice("binned", "single units with continuous values")
    return Choice("pairwise", "units with continuous values")


def check_resolution(resolution: float) -> float:
    """Return the resolution.

    Raises:
        InputError: it is not a positive finite number.
    """
    if not isinstance(resolution, (int, float)) or not 0 < resolution < float("inf"):
        raise InputError(
            f"resolution is a noise scale in standard deviations and must be above 0; given {resolution!r}"
        )
    return float(resolution)


def parse_memory(memory: str | int) -> int:
    """Return a number of bytes from ``"2GB"``, ``"500MB"`` or a number.

    Example:
        >>> parse_memory("2GB")
        2000000000
    """
    if isinstance(memory, int):
        return memory
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    text = memory.strip().upper()
    for unit, size in units.items():
        if text.endswith(unit):
            try:
                return int(float(text[: -len(unit)]) * size)
            except ValueError:
                break
    raise InputError(f"memory is a number of bytes or text such as '2GB'; given {memory!r}")


def distinct_rows(codes: Tensor) -> tuple[Tensor, Tensor]:
    """First row and count of each distinct row of integer codes ``[row, coordinate]``."""
    _, inverse, counts = torch.unique(codes, dim=0, return_inverse=True, return_counts=True)
    first = torch.full((len(counts),), len(codes))
    first.scatter_reduce_(0, inverse, torch.arange(len(codes)), "amin")
    return first, counts
