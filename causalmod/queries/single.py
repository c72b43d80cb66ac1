"""The answer to one query in which nothing is left open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from causalmod.errors import QueryError
from causalmod.queries import summaries
from causalmod.queries.conditions import holds, meeting
from causalmod.queries.distribution import Distribution
from causalmod.queries.kinds import Expectation, Probability
from causalmod.queries.terms import quoted
from causalmod.queries.worlds import Columns, Worlds, is_discrete_on_data, joined, observed
from causalmod.scm import StructuralCausalModel


def answer_one(worlds: Worlds, asked: Probability | Expectation, bins: int | None) -> Distribution:
    """Answer a query by running the network, once for each world that it speaks of.

    Abduction: the rows that meet the conditions are kept, and worlds in which nothing is
    conditioned on run on those alone.
    """
    known = [(joined(asked.do, term.world), term.variable) for term in asked.given]
    wanted = [(joined(asked.do, term.world), term.variable) for term in asked.outcomes]
    first = {world for world, _ in known} if known else {world for world, _ in wanted}
    for world in first:  # all that is read in one world is found in one run
        worlds.prepare(world, [name for where, name in (*known, *wanted) if where == world])
    kept = meeting(worlds, asked.do, asked.given)
    after = worlds.on(kept)
    met = torch.ones(len(after.rows), dtype=torch.bool)
    values: list[Tensor] = []
    names: list[str] = []
    for term, (world, name) in zip(asked.outcomes, wanted, strict=True):
        if world in first:
            found = worlds.read(name, world)
            found = Columns(found.values[kept.to(found.values.device)], found.names)
        else:
            found = after.read(name, world)
        if term.event is not None:
            met &= holds(term.event, found, observed(worlds.scm, name)).cpu()
            continue
        subscript = term.name.removeprefix(quoted(name))
        several = [f"{each}{subscript}" for each in found.names]
        names += several if len(several) > 1 else [term.name]
        values.append(found.values.double().cpu())
    held = _Held(asked, met, len(kept), exact=worlds.everything)
    if not values:
        return held.probability()
    joint = values[0] if len(values) == 1 else torch.cat(values, dim=1)
    if isinstance(asked, Expectation):
        return held.means(joint, tuple(names))
    selectors = [term.variable for term in asked.outcomes if term.event is None]
    return held.distribution(joint, tuple(names), worlds.scm, selectors, bins)


@dataclass(frozen=True)
class _Held:
    """What is known once the network has run.

    Attributes:
        asked: the query.
        met: bool ``[row]``: among the rows that meet the conditions, where the events hold.
        of: number of rows, before conditioning.
        exact: are these all rows of the data?
    """

    asked: Probability | Expectation
    met: Tensor
    of: int
    exact: bool

    def _fields(self) -> dict[str, Any]:
        return {
            "query": str(self.asked),
            "rows": len(self.met),
            "of": self.of,
            "exact": self.exact,
        }

    def probability(self) -> Distribution:
        """Return the probability that the events hold."""
        import pandas as pd

        count = self.met.sum()[None]
        shares = summaries.shares(count, len(self.met), self.exact)
        share = shares["probability"][0]
        return Distribution(
            kind="probability",
            names=(", ".join(map(str, self.asked.outcomes)),),
            samples=self.met.double()[:, None],
            table=pd.DataFrame(shares),
            low=shares.get("low", [share])[0],
            high=shares.get("high", [share])[0],
            **self._fields(),
        )

    def means(self, values: Tensor, names: tuple[str, ...]) -> Distribution:
        """Return the mean of each column of ``[row, column]``."""
        return summarised(
            values, names, "expectation", summaries.averaged(values, names, self.exact),
            self._fields(),
        )  # fmt: skip

    def distribution(
        self,
        values: Tensor,
        names: tuple[str, ...],
        scm: StructuralCausalModel,
        selectors: list[str],
        bins: int | None,
    ) -> Distribution:
        """Return a table, or samples of what is continuous."""
        fields = self._fields()
        discrete = all(is_discrete_on_data(scm, name) for name in selectors)
        if discrete and summaries.has_few_levels(values):
            table = summaries.counted(values, names, self.met, self.exact)
            return Distribution(kind="discrete", names=names, samples=values, table=table, **fields)
        if bins is not None:
            seen = torch.cat([observed(scm, name).cpu() for name in selectors], dim=1)
            table = summaries.binned(values, names, self.met, seen, bins, self.exact)
            return Distribution(kind="binned", names=names, samples=values, table=table, **fields)
        if not bool(self.met.all()):
            events = ", ".join(str(term) for term in self.asked.outcomes if term.event is not None)
            raise QueryError(
                f"{self.asked} mixes events ({events}) with a continuous outcome ({names[0]}); ask "
                "for a table with bins=10, or condition on the events"
            )
        table = summaries.described(values, names, self.exact)
        return summarised(values, names, "continuous", table, fields)


def summarised(
    values: Tensor, names: tuple[str, ...], kind: str, table: Any, fields: dict[str, Any]
) -> Distribution:
    """Return a distribution whose figure is a mean, with its interval."""
    mean = summaries.per_column(values.mean(0).tolist(), names)
    low, high = mean, mean
    if not fields["exact"]:
        low, high = (summaries.per_column(end.tolist(), names) for end in summaries.student(values))
    return Distribution(
        kind=kind, names=names, samples=values, table=table, low=low, high=high, **fields
    )
