"""Rows of a map: what one source sends each target, all targets read off the same runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.exchange.groups import Group, Setting, held_between, patches
from causalmod.exchange.hybrid import Sample
from causalmod.exchange.laws import Donors
from causalmod.exchange.parties import Parties
from causalmod.information import Bounds, Estimator, Observed
from causalmod.information.all_pairs import binned_pairs, pair_codes
from causalmod.information.bins import Bins, BinsLike
from causalmod.information.channel import without_rounding
from causalmod.information.intervals import is_saturated, t_intervals
from causalmod.scm import StructuralCausalModel

_RUN_BYTES = 2**27  # responses held at a time: few enough to stay near the processor's cache
_NULL_CONTEXTS, _NULL_DRAWS = 8, 2


class Cells(NamedTuple):
    """Figures ``[target]`` of one source, in bits."""

    bits: Tensor
    low: Tensor
    high: Tensor
    null: Tensor
    upper: Tensor | None = None
    p: Tensor | None = None
    saturated: Tensor | None = None


Responses = dict[str, Tensor]  # site → [context, donor, variable, coordinate]


@dataclass(frozen=True)
class Batch:
    """Targets with equally many coordinates, and one estimator for all of them.

    Attributes:
        targets: ``[target]`` their numbers.
        pick: from responses to ``[context, donor, target, coordinate]``.
        estimator: fitted on each of them.
    """

    targets: Tensor
    pick: Callable[[Responses], Tensor]
    estimator: Estimator

    def of(self, responses: Responses) -> Tensor:
        """Responses ``[context, target, donor, coordinate]`` of these targets."""
        return self.pick(responses).movedim(2, 1)


def batches(targets: Parties, fit: Callable[[Observed], Estimator]) -> list[Batch]:
    """Targets that are read together, each batch with its estimator.

    Single variables of one site lie side by side, so nothing is copied. Groups are put together
    from all sites.
    """
    group, seen = targets.together, targets.together.observed()
    if targets.variables:
        found: list[Batch] = []
        taken = 0
        for site, numbers in targets.by_site().items():
            values = group.values[site]
            scale = seen.scale[taken : taken + values[0].numel()].reshape(values.shape[1:])
            taken += values[0].numel()
            fitted = fit(Observed(values[:, :, None], scale[:, None]))
            found.append(Batch(numbers, lambda got, site=site: got[site], fitted))
        return found
    return [
        Batch(
            numbers,
            lambda got, columns=columns: _side_by_side(got)[..., columns],
            fit(Observed(seen.values[:, columns][:, :, None], seen.scale[columns][:, None])),
        )
        for numbers, columns in targets.by_width()
    ]


def _side_by_side(responses: Responses) -> Tensor:
    return torch.cat([values.flatten(2) for values in responses.values()], dim=2)


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

    @cached_property
    def _constant(self) -> dict[str, Tensor]:
        """Site → positions of targets that are constant on the data."""
        every = self.targets.together.index.items()
        found = {site: index[self.scm.constant[site][index]] for site, index in every}
        return {site: index for site, index in found.items() if len(index)}

    def responses(
        self, source: Group, donors: Donors, contexts: Tensor, entries: Tensor
    ) -> Responses:
        """All targets under one source's donor values.

        This is the whole of the replay: what comes before draws, and what comes after counts.

        Args:
            source: who is set.
            donors: to what.
            contexts: ``[context]`` rows.
            entries: ``[context, donor]`` entries of ``donors``.
        """
        rows = contexts[:, None].expand(entries.shape).reshape(-1)
        # what is constant is read as it answers, and held for all who read it further on
        settings = [
            Setting(site, index, self.scm.blocks(site)[:, index], rows)
            for site, index in self._constant.items()
        ]
        if self.effect == "direct":
            held = held_between(self.scm, [source])
            settings += [
                Setting(site, index, self.scm.blocks(site)[:, index], rows)
                for site, index in held.items()
            ]
        settings += source.set_to(donors.values, entries.reshape(-1))
        found = self.targets.together.run(patches(settings), rows)
        return {site: values.unflatten(0, entries.shape) for site, values in found.items()}

    def in_parts(self, source: Group, donors: Donors, sample: Sample) -> Iterator[Responses]:
        """:meth:`responses`, a few contexts at a time, as memory allows."""
        sites = self.scm.sites
        wide = sum(sites[name].count * sites[name].width for name in sites)
        each = sample.shape[1] * wide * 4 * 4  # what is replayed, and what is compared
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
            floor[batch.targets] = (
                batch.estimator.response(batch.of(got)).bits.double().mean(0).cpu()
            )
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
        bounds = Bounds.joined(found).cpu()
        cells.bits[batch.targets], low, high = t_intervals(bounds.bits.double())
        cells.low[batch.targets] = cells.bits[batch.targets] if exact else low
        cells.high[batch.targets] = cells.bits[batch.targets] if exact else high
        if bounds.upper is not None and cells.upper is not None and cells.saturated is not None:
            cells.upper[batch.targets] = t_intervals(bounds.upper.double())[0]
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
        some = batch.of(got).movedim(2, 0).transpose(1, 2)  # [donor, target, context, coordinate]
        within = share @ batch.estimator.response(some).bits
        pool = some.transpose(0, 1).flatten(1, 2)
        total = batch.estimator.response(pool, donors.weights.repeat_interleave(len(rows))).bits
        bits = without_rounding(total - within).clamp_min(0).cpu()
        for table in (cells.bits, cells.low, cells.high):
            table[batch.targets] = bits
    return cells


def paired_cells(
    runs: Runs, source: Group, donors: Donors, bins: BinsLike, pairs: int, seed: int
) -> Cells:
    """The averaged form, binned: pairs of a donor and a response, each with its own context.

    No row is the context of two pairs, which would not be independent then.

    Targets whose bin never differs from what it is without the intervention read exactly 0.
    """
    generator = torch.Generator().manual_seed(seed)
    contexts = torch.randperm(runs.scm.rows, generator=generator)[:pairs]
    entries = torch.randint(len(donors), (len(contexts), 1), generator=generator)
    sample = Sample(contexts, entries[None])
    parts = [
        torch.cat([values.flatten(1) for values in got.values()], dim=1)
        for got in runs.in_parts(source, donors, sample)
    ]
    sent, got = donors.columns[entries[:, 0]], torch.cat(parts)
    seen = source.observed().values, runs.targets.together.observed().values
    found = binned_pairs(sent, got, bins, reference=seen, memory=runs.memory)
    cut = Bins.pair(bins)[1]
    natural = seen[1][contexts]
    codes = pair_codes(got, natural, (cut, cut), reference=(seen[1], seen[1]))
    moved = (codes.left != codes.right).any(1).cpu()
    order = torch.cat(runs.targets.columns)

    def column(values: Tensor, still: float = 0.0) -> Tensor:
        return torch.where(moved, values[0], still)[order]

    return Cells(
        column(found.bits), column(found.low), column(found.high), column(found.null),
        None, column(found.p, 1.0), torch.zeros(len(order), dtype=torch.bool),
    )  # fmt: skip


def shared_cells(sources: Parties, targets: Parties, bins: BinsLike, memory: int) -> list[Cells]:
    """``I(B;C)``, binned, of all pairs at once."""
    left, right = sources.together.observed().values, targets.together.observed().values
    found = binned_pairs(left, right, bins, memory=memory)
    rows, columns = torch.cat(sources.columns), torch.cat(targets.columns)
    full = torch.zeros(len(targets), dtype=torch.bool)
    tables = [table[rows][:, columns] for table in found]
    return [
        Cells(bits, low, high, null, None, p, full)
        for bits, low, high, null, p in zip(*tables, strict=True)
    ]


def _empty(count: int, bounded: bool = False) -> Cells:
    def zeros() -> Tensor:
        return torch.zeros(count, dtype=torch.float64)

    upper = zeros() if bounded else None
    full = torch.zeros(count, dtype=torch.bool)
    return Cells(zeros(), zeros(), zeros(), zeros(), upper, None, full)
