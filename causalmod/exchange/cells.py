"""Rows of a map: what one source sends each target, all targets read off the same runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.exchange.groups import Group, Setting, held_between
from causalmod.exchange.hybrid import Sample
from causalmod.exchange.laws import Donors
from causalmod.exchange.parties import Parties
from causalmod.information import Bounds, Estimator, Observed, intervals
from causalmod.information.intervals import is_saturated
from causalmod.scm import StructuralCausalModel

_RUN_BYTES = 2**25  # responses held at a time: few enough to stay near the processor's cache
_NULL_CONTEXTS, _NULL_DRAWS = 16, 4


class Cells(NamedTuple):
    """Figures ``[target]`` of one source, in bits."""

    bits: Tensor
    low: Tensor
    high: Tensor
    null: Tensor
    upper: Tensor | None = None
    p: Tensor | None = None
    saturated: Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """Targets with equally many coordinates, and one estimator for all of them.

    Attributes:
        targets: ``[target]`` their numbers.
        columns: ``[target, coordinate]`` where they lie among all coordinates.
        estimator: fitted on each of them.
    """

    targets: Tensor
    columns: Tensor
    estimator: Estimator

    def of(self, responses: Tensor) -> Tensor:
        """Sort ``[..., donor, column]`` out by target: ``[..., target, donor, coordinate]``."""
        whole = self.columns.shape == (responses.shape[-1], 1)
        picked = responses[..., None] if whole else responses[..., self.columns]
        return picked.movedim(-2, -3)


def batches(targets: Parties, fit: Callable[[Observed], Estimator]) -> list[Batch]:
    """Targets by their number of coordinates, each batch with its estimator."""
    seen = targets.together.observed()
    found: list[Batch] = []
    for numbers, columns in targets.by_width():
        values = seen.values[:, columns][:, :, None]  # [row, target, 1, coordinate]
        estimator = fit(Observed(values, seen.scale[columns][:, None]))
        found.append(Batch(numbers, columns, estimator))
    return found


@dataclass(frozen=True)
class Runs:
    """The interventions behind a map.

    Attributes:
        scm: the model.
        targets: all who are read.
        effect: ``"total"`` or ``"direct"``.
        memory: bytes that the runs may hold.
    """

    scm: StructuralCausalModel
    targets: Parties
    effect: str
    memory: int

    def responses(self, source: Group, donors: Donors, contexts: Tensor, entries: Tensor) -> Tensor:
        """All targets' coordinates ``[context, donor, column]`` under one source's donor values.

        This is the whole of the replay: what comes before draws, and what comes after counts.

        Args:
            source: who is set.
            donors: to what.
            contexts: ``[context]`` rows.
            entries: ``[context, donor]`` entries of ``donors``.
        """
        rows = contexts[:, None].expand(entries.shape).reshape(-1)
        settings: list[Setting] = []
        if self.effect == "direct":
            held = held_between(self.scm, [source, self.targets.together])
            settings = [
                Setting(site, index, self.scm.blocks(site)[:, index], rows)
                for site, index in held.items()
            ]
        settings += source.set_to(donors.values, entries.reshape(-1))
        got = self.targets.together.under(settings, rows, self.memory)
        return got.reshape(*entries.shape, -1)

    def in_parts(self, source: Group, donors: Donors, sample: Sample) -> Iterator[Tensor]:
        """:meth:`responses`, a few contexts at a time, as memory allows."""
        wide = self.targets.together.width
        each = sample.shape[1] * wide * 4 * 6  # natural values, sorted out, compared, counted
        step = max(1, min(self.memory, _RUN_BYTES) // each)
        for start in range(0, len(sample.contexts), step):
            some = sample.some(slice(start, start + step))
            yield self.responses(source, donors, some.contexts, some.donors[0])

    def noise(self, source: Group, own: Donors, made: list[Batch]) -> Tensor:
        """What is read ``[target]`` where each donor is the context itself."""
        rows = torch.arange(min(self.scm.rows, _NULL_CONTEXTS))
        got = self.responses(source, own, rows, rows[:, None].expand(-1, _NULL_DRAWS))
        floor = torch.zeros(len(self.targets), dtype=torch.float64)
        for batch in made:
            floor[batch.targets] = batch.estimator.response(batch.of(got)).bits.double().mean(0)
        return floor


def conditional_cells(
    runs: Runs, made: list[Batch], source: Group, donors: Donors, sample: Sample
) -> Cells:
    """``E_x H( C(x, B') )`` for each target; t-intervals over contexts."""
    count = len(runs.targets)
    parts: list[list[Bounds]] = [[] for _ in made]
    for responses in runs.in_parts(source, donors, sample):
        for batch, found in zip(made, parts, strict=True):
            some = batch.of(responses)
            weights = sample.weights
            found.append(
                batch.estimator.unbiased(some)
                if weights is None
                else batch.estimator.response(some, weights)
            )
    cells = _empty(count, bounded=parts[0][0].upper is not None)
    exact = sample.weights is not None
    for batch, found in zip(made, parts, strict=True):
        bounds = Bounds.joined(found)
        cells.bits[batch.targets], low, high = _over_contexts(bounds.bits)
        cells.low[batch.targets] = cells.bits[batch.targets] if exact else low
        cells.high[batch.targets] = cells.bits[batch.targets] if exact else high
        if bounds.upper is not None and cells.upper is not None and cells.saturated is not None:
            cells.upper[batch.targets] = _over_contexts(bounds.upper)[0]
            full = [is_saturated(float(u), sample.shape[1]) for u in cells.upper[batch.targets]]
            cells.saturated[batch.targets] = torch.tensor(full)
    if cells.saturated is not None:
        cells.low[cells.saturated] = float("nan")
        cells.high[cells.saturated] = float("nan")
    own = Donors(source.values)
    return cells._replace(null=runs.noise(source, own, made))


def counted_cells(runs: Runs, made: list[Batch], source: Group, donors: Donors) -> Cells:
    """The averaged form, every donor with every row, every value counted.

    ``H(C) - sum_b P(b) H(C|do(b))``, as in :mod:`causalmod.information.channel`.
    """
    cells = _empty(len(runs.targets))
    rows, entries = torch.arange(runs.scm.rows), torch.arange(len(donors))
    got = runs.responses(source, donors, rows, entries.expand(len(rows), -1))
    share = donors.weights.double() / donors.weights.sum()
    for batch in made:
        some = batch.of(got.transpose(0, 1))  # [donor, target, context, coordinate]
        within = share @ batch.estimator.response(some).bits
        pool = some.transpose(0, 1).flatten(1, 2)
        total = batch.estimator.response(pool, donors.weights.repeat_interleave(len(rows))).bits
        bits = (total - within).clamp_min(0)
        for table in (cells.bits, cells.low, cells.high):
            table[batch.targets] = bits
    return cells


def _empty(count: int, bounded: bool = False) -> Cells:
    tables = [torch.zeros(count, dtype=torch.float64) for _ in range(5)]
    full = torch.zeros(count, dtype=torch.bool)
    return Cells(*tables[:4], tables[4] if bounded else None, None, full)


def _over_contexts(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    values = values.double()
    each = [intervals.t_interval(column) for column in values.T]
    value, low, high = torch.tensor(each, dtype=torch.float64).T
    return value, low, high
