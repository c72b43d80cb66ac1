"""How the rows of a map are measured, and the tables that they fill."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod.errors import CausalmodWarning, EstimatorError
from causalmod.exchange.cells import (
    Batch,
    Cells,
    Runs,
    batches,
    conditional_cells,
    counted_cells,
    paired_cells,
    shared_cells,
)
from causalmod.exchange.choice import Choice, choose
from causalmod.exchange.flow_result import Flow
from causalmod.exchange.groups import Group
from causalmod.exchange.hybrid import Sample, draw_sample
from causalmod.exchange.information import information
from causalmod.exchange.laws import Donors, drawn, enumerated
from causalmod.exchange.parallel import in_parallel
from causalmod.exchange.parties import Parties
from causalmod.exchange.question import Kind
from causalmod.exchange.strength import has_arrow
from causalmod.information import ESTIMATORS, Estimate, Estimator
from causalmod.information.bins import Bins
from causalmod.information.significance import adjusted
from causalmod.scm import StructuralCausalModel

if TYPE_CHECKING:
    import pandas as pd

_LEVEL = 0.05
_MISSING = float("nan")


@dataclass(frozen=True, kw_only=True)
class Job:
    """A map that is asked for: see :func:`causalmod.flow`."""

    scm: StructuralCausalModel
    sources: Parties
    targets: Parties
    same: Tensor
    asked: Kind
    estimator: str
    resolution: float
    bins: Any
    contexts: int
    draws: int
    seed: int
    memory: int

    @cached_property
    def choice(self) -> Choice:
        """The estimator, and why that one."""
        values = [side.together.observed().values for side in (self.sources, self.targets)]
        single = self.targets.single and (self.sources.single or self.asked.kind == "strength")
        count = Bins.pair(self.bins)[1].count

        def chosen(replays: int) -> Choice:
            return choose(self.estimator, values, replays, self.memory, single, count)

        found = chosen(0)
        exact = ESTIMATORS.get(found.name).exact
        if self.estimator == "auto" and exact and self.asked.law is not None:
            try:
                most = max(len(self._listed(group)) for group in self.sources.groups)
            except EstimatorError:  # too many combinations to list
                most = self.memory
            found = chosen(most * self.scm.rows * self.targets.together.width)
        return found

    @property
    def kind(self) -> type[Estimator]:
        """The estimator's class."""
        return ESTIMATORS.get(self.choice.name)

    def _listed(self, source: Group) -> Donors:
        """All values that a source is set to."""
        most = max(1, self.memory // (8 * self.scm.rows))
        return enumerated(source.values, self.asked.law or "observed", most)

    def _donors(self, source: Group) -> Donors:
        """Values that a source is set to: all, where they are counted, else entries to draw."""
        if self.kind.exact:
            return self._listed(source)
        return drawn(source.values, self.asked.law or "observed", self.seed + 1)

    def reader(self) -> Callable[[int], Iterator[Cells]]:
        """Return what measures the rows of the first so many sources, in order.

        Raises:
            EstimatorError: the estimator is not for such parties.
        """
        row, apart = self._row()

        def read(count: int) -> Iterator[Cells]:
            if not apart:
                yield from map(row, range(count))
                return
            yield row(0)  # fills what all rows share
            yield from in_parallel(row, range(1, count))

        return read

    def _row(self) -> tuple[Callable[[int], Cells], bool]:
        """What measures one row; and can rows be measured side by side?"""
        kind, asked = self.kind, self.asked
        if asked.kind == "conditional" and kind.contextual:
            made = self._batches()
            return lambda number: self._conditional(made, number), True
        compared = asked.reference == "observational"
        if asked.averaged and kind.exact and not compared:
            made = self._batches()
            return lambda number: self._counted(made, number), True
        if kind.uses_bins and self.sources.single and self.targets.single:
            if asked.kind == "observational":
                every = cache(lambda: shared_cells(*self._sides, self._bins, self.memory))
                return lambda number: every()[number], False
            if asked.averaged and not compared:
                return self._paired, True
        return self._pair_by_pair, False

    def _batches(self) -> list[Batch]:
        fit = self.kind.fit
        return batches(self.targets, lambda seen: fit(None, seen, self.resolution, self.bins))

    @cached_property
    def _runs(self) -> Runs:
        share = self.memory // max(1, torch.get_num_threads())  # rows are measured side by side
        return Runs(self.scm, self.targets, self.asked.effect or "total", share)

    @property
    def _sides(self) -> tuple[Parties, Parties]:
        return self.sources, self.targets

    @property
    def _bins(self) -> Any:
        width = self.asked.kind == "effective" and isinstance(self.bins, Integral)
        return Bins(int(self.bins), "width") if width else self.bins

    def _paired(self, number: int) -> Cells:
        source, pairs = self.sources.groups[number], self.contexts * self.draws
        donors = self._donors(source)
        return paired_cells(self._runs, source, donors, self._bins, pairs, self.seed)

    def _conditional(self, made: list[Batch], number: int) -> Cells:
        source = self.sources.groups[number]
        donors = self._donors(source)
        rows, entries = torch.arange(self.scm.rows), torch.arange(len(donors))
        if self.kind.exact:
            sample = Sample(rows, entries.expand(1, len(rows), -1), donors.weights)
        else:
            drawn_rows = draw_sample(rows, min(self.contexts, len(rows)), 1, 1, self.seed).contexts
            generator = torch.Generator().manual_seed(self.seed + 4)
            shape = (1, len(drawn_rows), self.draws)
            picks = torch.randint(len(entries), shape, generator=generator)
            sample = Sample(drawn_rows, picks)
        return conditional_cells(self._runs, made, source, donors, sample)

    def _counted(self, made: list[Batch], number: int) -> Cells:
        source = self.sources.groups[number]
        return counted_cells(self._runs, made, source, self._donors(source))

    def _pair_by_pair(self, number: int) -> Cells:
        """Each pair by itself, for estimators that read one pair at a time."""
        found = [self._one(number, target) for target in range(len(self.targets))]

        def column(name: str, missing: float = _MISSING) -> Tensor:
            values = [getattr(each, name) for each in found]
            return torch.tensor(
                [missing if value is None else value for value in values], dtype=torch.float64
            )

        bounded = any(each.upper is not None for each in found)
        tested = any(each.p is not None for each in found)
        return Cells(
            column("bits"),
            column("low"),
            column("high"),
            column("null", 0.0),
            column("upper") if bounded else None,
            column("p", 1.0) if tested else None,
            column("saturated").bool(),
        )

    def _one(self, number: int, target: int) -> Estimate:
        source, reader = self.sources.groups[number], self.targets.groups[target]
        quiet = self.asked.kind == "strength" and not has_arrow(self.scm, source, reader)
        if bool(self.same[number, target]) or quiet:
            name = self.choice.name
            return Estimate(bits=0.0, low=0.0, high=0.0, kind=self.asked.kind, estimator=name)
        sender, receiver = ([v.name for v in group.variables] for group in (source, reader))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CausalmodWarning)  # tables say what these would
            return information(
                self.scm, sender, receiver, self.asked.kind,
                reference=self.asked.reference or "do", law=self.asked.law,
                effect=self.asked.effect or "total", estimator=self.choice.name,
                resolution=self.resolution, bins=self.bins, contexts=self.contexts,
                draws=self.draws, seed=self.seed, memory=self.memory,
            )  # fmt: skip


class Tables:
    """The tables of a map, filled row by row.

    Args:
        sources: names of the rows.
        targets: names of the columns.
    """

    def __init__(self, sources: tuple[str, ...], targets: tuple[str, ...]) -> None:
        self._names = sources, targets
        self._filled: dict[str, Tensor] = {}

    def put(self, number: int, cells: Cells, same: Tensor) -> None:
        """Enter the figures of one source; those of targets that it shares variables with go."""
        shape = len(self._names[0]), len(self._names[1])
        for name, values in cells._asdict().items():
            if values is not None:
                empty = torch.full(shape, _MISSING, dtype=torch.float64)
                table = self._filled.setdefault(name, empty)
                table[number] = torch.where(same, _MISSING, values.double())

    def result(self, job: Job, significance: str | None, seconds: float, complete: bool) -> Flow:
        """Return the map, with p-values adjusted for the number of pairs."""
        filled = dict(self._filled)
        for name in ("bits", "low", "high", "null", "saturated"):
            shape = len(self._names[0]), len(self._names[1])
            filled.setdefault(name, torch.full(shape, _MISSING, dtype=torch.float64))
        if "p" in filled:
            filled["adjusted"] = adjusted(filled["p"], significance or "none")
            significant = filled["adjusted"] <= _LEVEL
        else:
            significant = filled["bits"] > filled["null"]
        kind = job.kind
        frames: dict[str, Any] = {name: self._frame(table) for name, table in filled.items()}
        frames["saturated"] = self._frame(filled["saturated"] == 1.0)
        return Flow(
            **frames,
            significant=self._frame(significant),
            kind=job.asked.kind,
            estimator=kind.name,
            reason=job.choice.reason,
            significance=significance if "p" in filled else None,
            resolution=job.resolution if kind.uses_resolution else None,
            bins=Bins.pair(job.bins)[1].count if kind.uses_bins else None,
            contexts=job.scm.rows if kind.exact else min(job.contexts, job.scm.rows),
            donors=0 if kind.exact or job.asked.law is None else job.draws,
            seed=job.seed,
            law=job.asked.law,
            effect=job.asked.effect,
            reference=job.asked.reference,
            complete=complete,
            provenance=job.scm.provenance(job.seed, seconds),
        )

    def _frame(self, table: Tensor) -> pd.DataFrame:
        import pandas as pd

        rows, columns = (pd.Index(names) for names in self._names)
        return pd.DataFrame(table.numpy(), index=rows, columns=columns)
