"""On which rows an event holds, and the refusal to condition on one that never does."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from causalmod.errors import QueryError
from causalmod.information.estimators.binned import bin_edges
from causalmod.information.estimators.exact import value_size
from causalmod.information.protocol import MERGE
from causalmod.queries.events import Bin, Equal, Event, Interval, NotEqual, OneOf
from causalmod.queries.terms import Term
from causalmod.queries.worlds import Columns, World, Worlds, joined, observed


def holds(event: Event, found: Columns, seen: Tensor) -> Tensor:
    """Tell on which rows an event holds; of several coordinates, for every one.

    Args:
        event: what is said.
        found: values ``[row, coordinate]`` in the world that the event is about.
        seen: values ``[row, coordinate]`` on all data: they set what rounding is, and the bins.

    Returns:
        Tensor: bool ``[row]``.

    Raises:
        QueryError: a bin of several coordinates, or one that there is not.
    """
    values = found.values.double()
    match event:
        case Equal(value):
            met = _near(values, value, seen)
        case NotEqual(value):
            met = ~_near(values, value, seen)
        case OneOf(several):
            met = torch.stack([_near(values, value, seen) for value in several]).any(0)
        case Interval(low, high):
            above = values >= low if event.with_low else values > low
            met = above & (values <= high if event.with_high else values < high)
        case Bin(index, bins):
            met = _in_bin(values, index, bins, found.names, seen)
    return met.all(1)


def _near(values: Tensor, value: float, seen: Tensor) -> Tensor:
    size = value_size(seen).clamp_min(abs(value))
    return (values - value).abs() <= MERGE * size


def _in_bin(values: Tensor, index: int, bins: int, names: tuple[str, ...], seen: Tensor) -> Tensor:
    if values.shape[1] != 1:
        raise QueryError(
            f"a bin is of one variable, and {len(names)} are named ({names[0]}, {names[1]}, ...); "
            "give each its own condition"
        )
    edges = bin_edges(seen[:, 0], bins)
    if index > len(edges):
        raise QueryError(
            f"there is no bin({index}, {bins}) of {names[0]}: equal values share a bin, which "
            f"leaves {len(edges) + 1}, numbered from 0"
        )
    return torch.bucketize(values.contiguous(), edges) == index


def meeting(worlds: Worlds, base: World, terms: Sequence[Term]) -> Tensor:
    """Tell on which rows all conditions hold: bool ``[row]``.

    Terms are read in the world of the query; those with a subscript in a world of their own.

    Raises:
        QueryError: on none; with the count of each.
    """
    kept = torch.ones(len(worlds.rows), dtype=torch.bool)
    counts: list[str] = []
    for term in terms:
        if term.event is None:
            continue
        found = worlds.read(term.variable, joined(base, term.world))
        met = holds(term.event, found, observed(worlds.scm, term.variable)).cpu()
        counts.append(f"{term}: {int(met.sum())}")
        kept &= met
    if not bool(kept.any()):
        where = " after the intervention" if base else ""
        alone = f" ({'; '.join(counts)})" if len(counts) > 1 else ""
        raise QueryError(
            f"no row meets the condition{'s' if len(counts) > 1 else ''}{where}: 0 of {len(kept)} "
            f"rows satisfy {', '.join(str(t) for t in terms if t.event is not None)}{alone}; widen "
            "the events, or give the model more data"
        )
    return kept
