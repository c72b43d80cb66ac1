"""Checks of what a model is told: which rows, and what is known of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.variables import Site, Variable


def row_numbers(rows: int | Sequence[int] | Tensor, count: int) -> Tensor:
    """Return numbers of data rows as a vector.

    Raises:
        InputError: none, or not whole numbers below ``count``.

    Example:
        >>> row_numbers([0, 2], 3).tolist()
        [0, 2]
    """
    try:
        index = torch.as_tensor([rows] if isinstance(rows, int) else rows)
    except (TypeError, ValueError, RuntimeError):
        index = torch.empty(0)
    if (
        index.ndim != 1
        or index.numel() == 0
        or index.dtype == torch.bool
        or index.is_floating_point()
        or int(index.min()) < 0
        or int(index.max()) >= count
    ):
        raise InputError(
            f"rows must be whole numbers from 0 to {count - 1}, such as [0, 7]; given {rows!r}"
        )
    return index.long().cpu()


def check_facts(
    facts: Mapping[str, Any], sites: Mapping[str, Site], inputs: Collection[str]
) -> None:
    """Check what is said of a model beyond its mechanisms.

    Raises:
        InputError: a fact of the wrong kind, or about what the model does not have.
    """
    modules, independent, inside = facts["modules"], facts["independent"], facts["members"]
    members = [*inside, *(each for variables in modules.values() for each in variables)]
    if (
        not isinstance(facts["note"], str)
        or not isinstance(facts["sampled"], bool)
        or not isinstance(independent, frozenset)
        or not isinstance(inside, tuple)
        or not independent <= set(inputs)
        or not all(isinstance(each, Variable) for each in members)
        or not all(0 <= each.index < sites[each.site].count for each in members)
    ):
        raise InputError("what is said of the model does not fit it")
