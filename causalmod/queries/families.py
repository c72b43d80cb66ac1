"""Queries that leave a value open, as in ``P(y | do(x))``: an answer for each value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import torch
from torch import Tensor

from causalmod.errors import QueryError
from causalmod.information.estimators.binned import bin_edges
from causalmod.information.protocol import BINS
from causalmod.queries import summaries
from causalmod.queries.conditions import meeting
from causalmod.queries.distribution import Distribution
from causalmod.queries.events import Bin, Equal
from causalmod.queries.kinds import Expectation, Probability
from causalmod.queries.single import answer_one
from causalmod.queries.terms import Term, Treatment, quoted
from causalmod.queries.worlds import Worlds, is_discrete_on_data, joined, observed
from causalmod.scm import StructuralCausalModel

Labels = dict[str, Any]
MOST_MEMBERS = 4096


def answer(worlds: Worlds, asked: Probability | Expectation, bins: int | None) -> Distribution:
    """Answer a query; one that leaves values open, for each of them."""
    members = list(_closed(worlds, asked, bins or BINS))
    if len(members) == 1 and not members[0][0]:
        return answer_one(worlds, asked, bins)
    from pandas import DataFrame, concat

    found = {tuple(labels.values()): answer_one(worlds, one, bins) for labels, one in members}
    tables = [
        DataFrame({**labels, **answer.table.to_dict("list")})
        for (labels, _), answer in zip(members, found.values(), strict=True)
    ]
    first = next(iter(found.values()))
    return Distribution(
        query=str(asked),
        kind=first.kind,
        names=first.names,
        table=concat(tables, ignore_index=True),
        rows=first.of,
        of=first.of,
        exact=first.exact,
        members={key[0] if len(key) == 1 else key: each for key, each in found.items()},
    )


def _closed(
    worlds: Worlds, asked: Probability | Expectation, bins: int
) -> Iterator[tuple[Labels, Probability | Expectation]]:
    """Yield the queries that a query with open values stands for, and the values."""
    open_do = [place for place, each in enumerate(asked.do) if each.value is None]
    choices = [_doses(worlds.scm, asked.do[place], bins) for place in open_do]
    _check_members(asked, [len(each) for each in choices])
    for values in product(*choices):
        do = list(asked.do)
        labels: Labels = {}
        for place, value in zip(open_do, values, strict=True):
            do[place] = replace(do[place], value=value)
            labels[f"do({quoted(do[place].variable)})"] = value
        yield from _given_each(worlds, replace(asked, do=tuple(do)), labels, bins)


def _doses(scm: StructuralCausalModel, treatment: Treatment, bins: int) -> list[float]:
    """Return the values to try: all that occur, or the medians of bins of what is continuous."""
    seen = observed(scm, treatment.variable)
    if seen.shape[1] != 1:
        raise QueryError(
            f"do({treatment}) leaves {seen.shape[1]} variables open; give them values, or leave "
            "one variable open"
        )
    values = seen[:, 0].double()
    if is_discrete_on_data(scm, treatment.variable):
        return summaries.levels_of(values)
    codes = torch.bucketize(values.contiguous(), bin_edges(values, bins))
    return [float(values[codes == code].median()) for code in codes.unique()]


def _given_each(
    worlds: Worlds, asked: Probability | Expectation, labels: Labels, bins: int
) -> Iterator[tuple[Labels, Probability | Expectation]]:
    places = [place for place, term in enumerate(asked.given) if term.event is None]
    if not places:
        yield labels, asked
        return
    kept = meeting(worlds, asked.do, asked.given)
    found = [_cells(worlds, asked, asked.given[place], bins, kept) for place in places]
    codes = torch.stack([codes for codes, _ in found], dim=1)[kept]
    cells = codes.unique(dim=0).tolist()
    _check_members(asked, [len(cells)])
    for cell in cells:
        given = list(asked.given)
        shown = dict(labels)
        for place, code, (_, events) in zip(places, cell, found, strict=True):
            label, event = events[code]
            given[place] = replace(given[place], event=event)
            shown[given[place].name] = label
        yield shown, replace(asked, given=tuple(given))


def _cells(
    worlds: Worlds, asked: Probability | Expectation, term: Term, bins: int, kept: Tensor
) -> tuple[Tensor, list[tuple[Any, Any]]]:
    """Return the cell ``[row]`` of what is conditioned on, and each cell's label and event."""
    import pandas as pd

    values = worlds.read(term.variable, joined(asked.do, term.world)).values
    seen = observed(worlds.scm, term.variable)
    if values.shape[1] != 1:
        raise QueryError(
            f"{term.variable!r} names {values.shape[1]} coordinates; name variables one by one to "
            "condition on each of their values"
        )
    column = values[:, 0].double().contiguous()
    if is_discrete_on_data(worlds.scm, term.variable) and summaries.has_few_levels(values[kept]):
        found = torch.tensor(summaries.levels_of(column), dtype=torch.float64)
        codes = torch.bucketize(column, (found[1:] + found[:-1]) / 2)
        return codes, [(value, Equal(value)) for value in found.tolist()]
    edges = bin_edges(seen[:, 0], bins)
    breaks = [-torch.inf, *edges.tolist(), torch.inf]
    labels = [pd.Interval(low, high) for low, high in pairwise(breaks)]
    events = [(label, Bin(place, bins)) for place, label in enumerate(labels)]
    return torch.bucketize(column, edges), events


def _check_members(asked: Probability | Expectation, sizes: list[int]) -> None:
    total = int(torch.tensor(sizes, dtype=torch.float64).prod()) if sizes else 1
    if total > MOST_MEMBERS:
        raise QueryError(
            f"{asked} leaves values open that make {total} combinations, at most {MOST_MEMBERS} "
            "are answered at once; give some of them values"
        )
