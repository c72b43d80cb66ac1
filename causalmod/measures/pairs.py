"""Figures that are sums over ordered pairs of modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf, sqrt

from torch import Tensor

from causalmod._memory import parse_memory
from causalmod.errors import EstimatorError, PartitionError
from causalmod.exchange import partition_of
from causalmod.exchange.choice import check_rows, choose
from causalmod.exchange.coordinates import Coordinates
from causalmod.information import Estimate
from causalmod.partition import Partition
from causalmod.provenance import stopwatch
from causalmod.scm import StructuralCausalModel

MEMORY = parse_memory("2GB")


def modules_of(scm: StructuralCausalModel, partition: Partition) -> dict[str, list[str]]:
    """Return module → names of its live units.

    Raises:
        PartitionError: the partition does not fit the model, or has one module only.
    """
    split = partition_of(scm, partition)
    if len(split) < 2:
        raise PartitionError("one module has no other to compare with; give at least two modules")
    return {name: list(members) for name, members in split.modules.items()}


def on_rows(scm: StructuralCausalModel, rows: Tensor | None) -> StructuralCausalModel:
    """Return the model on some rows; itself for all.

    Raises:
        InputError: rows that cannot be, or a model with interventions.
    """
    return scm if rows is None else scm.with_rows(check_rows(rows, scm.rows))


def countable(scm: StructuralCausalModel) -> bool:
    """Do all live units take so few values that states are counted?"""
    values = Coordinates(scm).observed().values
    return choose("auto", [values], 0, MEMORY, single=False).name == "exact"


Pair = Callable[[StructuralCausalModel, Sequence[str], Sequence[str]], Estimate]


def over_pairs(
    scm: StructuralCausalModel,
    partition: Partition,
    rows: Tensor | None,
    seed: int,
    counted: Pair,
    sampled: Pair,
) -> Estimate:
    """Sum a figure over ordered pairs (sender, receiver) of modules.

    Half-widths of intervals add as those of independent figures.

    Args:
        scm: the model.
        partition: a split of all its live units.
        rows: row numbers to use; all by default.
        seed: recorded in the result.
        counted: measures a pair where states are counted.
        sampled: measures a pair where they are not, or are too many.
    """
    if countable(scm):
        try:
            return _summed(scm, partition, rows, seed, counted)
        except EstimatorError:  # too many states off the data
            pass
    return _summed(scm, partition, rows, seed, sampled)


def _summed(
    scm: StructuralCausalModel, partition: Partition, rows: Tensor | None, seed: int, measure: Pair
) -> Estimate:
    with stopwatch() as watch:
        modules = modules_of(scm, partition)
        some = on_rows(scm, rows)
        found = [
            measure(some, sender, receiver)
            for name, sender in modules.items()
            for other, receiver in modules.items()
            if name != other
        ]
        first = found[0]
        bits = sum(each.bits for each in found)
        low, high = _interval(bits, found)
        uppers = [each.upper for each in found if each.upper is not None]
        return replace(
            first,
            bits=bits,
            low=low,
            high=high,
            upper=sum(uppers) if len(uppers) == len(found) else None,
            upper_low=None,
            upper_high=None,
            null=sum(each.null for each in found),
            p=None,
            gap=None if any(each.gap is None for each in found) else _gaps(found),
            off_manifold=None,
            seed=seed,
            saturated=any(each.saturated for each in found),
            note=f"sum over {len(found)} ordered pairs of modules; {first.note}",
            provenance=scm.provenance(seed, watch.seconds),
        )


def _gaps(found: Sequence[Estimate]) -> float:
    return sum(each.gap or 0.0 for each in found)


def _interval(bits: float, found: Sequence[Estimate]) -> tuple[float | None, float | None]:
    if bits == inf:
        return inf, inf
    below, above = 0.0, 0.0
    for each in found:
        if each.low is None or each.high is None:
            return None, None
        below += (each.bits - each.low) ** 2
        above += (each.high - each.bits) ** 2
    return max(0.0, bits - sqrt(below)), bits + sqrt(above)
