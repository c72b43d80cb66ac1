"""Laws of interventions: which values a group is set to, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from causalmod.errors import EstimatorError, InputError, nearest
from causalmod.exchange.choice import distinct_rows
from causalmod.information.estimators.exact import is_discrete, value_codes, value_size

LAWS = ("observed", "product", "maxent")
_ENTRIES = 2**14  # of a table that stands for a distribution without a list of its values


@dataclass(frozen=True)
class Donors:
    """Values that a group can be set to.

    Attributes:
        values: site → ``[entry, variable, coordinate]``.
        counts: ``[entry]`` how often each is drawn, relative to the others; None for equally often.
    """

    values: dict[str, Tensor]
    counts: Tensor | None = None

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    @property
    def columns(self) -> Tensor:
        """``[entry, coordinate]``, in the order of the group."""
        return torch.cat([value.flatten(1) for value in self.values.values()], dim=1)

    @property
    def weights(self) -> Tensor:
        """``[entry]`` counts, ones where all are drawn equally often."""
        return torch.ones(len(self), dtype=torch.long) if self.counts is None else self.counts


def check_law(law: str) -> str:
    """Return the name of a law.

    Raises:
        InputError: there is no such law.
    """
    if law not in LAWS:
        raise InputError(f"unknown law {law!r}: {nearest(str(law), LAWS)}")
    return law


def drawn(values: dict[str, Tensor], law: str, seed: int) -> Donors:
    """A table of equally likely entries to draw from.

    ``observed``: what the group was on each row, jointly. ``product``: each variable by itself, its
    own values in an order of its own, so that marginals are kept exactly and nothing else is.
    ``maxent``: each coordinate by itself, evenly over what the data show: its values, where it
    takes few, else the range from the smallest to the largest.

    Args:
        values: site → ``[row, variable, coordinate]`` on the data.
        law: one of :data:`LAWS`.
        seed: seed of the orders.
    """
    if law == "observed":
        return Donors(values)
    generator = torch.Generator().manual_seed(seed)
    rows = len(next(iter(values.values())))
    size = rows * -(-_ENTRIES // rows)
    made = {}
    for site, value in values.items():
        if law == "product":
            orders = [torch.randperm(size, generator=generator) % rows for _ in value[0]]
            columns = [value[order, place] for place, order in enumerate(orders)]
            made[site] = torch.stack(columns, dim=1)
            continue
        flat = [_spread_evenly(column, size) for column in value.flatten(1).T]
        mixed = [column[torch.randperm(size, generator=generator)] for column in flat]
        made[site] = torch.stack(mixed, dim=1).reshape(size, *value.shape[1:])
    return Donors(made)


def _spread_evenly(column: Tensor, size: int) -> Tensor:
    """``[size]`` values that cover what ``[row]`` values cover, each part equally often."""
    if bool(is_discrete(column[:, None])):
        first, _ = distinct_rows(value_codes(column[:, None].double(), value_size(column[:, None])))
        return column[first][torch.arange(size, device=first.device) % len(first)]
    low, high = column.double().min(), column.double().max()
    return (low + (high - low) * (torch.arange(size, device=low.device) + 0.5) / size).to(
        column.dtype
    )


def enumerated(values: dict[str, Tensor], law: str, most: int) -> Donors:
    """Every distinct entry, with its count.

    Args:
        values: site → ``[row, variable, coordinate]`` on the data.
        law: one of :data:`LAWS`; ``maxent`` is uniform over the values of each variable.
        most: entries that are allowed.

    Raises:
        EstimatorError: there are more.
    """
    if law == "observed":
        columns = torch.cat([value.flatten(1) for value in values.values()], dim=1).double()
        first, counts = distinct_rows(value_codes(columns, value_size(columns)))
        return Donors({site: value[first] for site, value in values.items()}, counts)
    firsts, counts = [], []
    for value in values.values():
        for block in value.double().unbind(1):
            first, count = distinct_rows(value_codes(block, value_size(block)))
            firsts.append(first)
            counts.append(torch.ones_like(count) if law == "maxent" else count)
    total = prod(len(first) for first in firsts)
    if total > most:
        raise EstimatorError(
            f"law={law!r} sets {len(firsts)} variables independently, to {total} combinations of "
            f"values (at most {most} fit the memory); use fewer variables, law='observed', or "
            "estimator='pairwise'"
        )
    places = torch.cartesian_prod(*[torch.arange(len(first)) for first in firsts])
    places = places.reshape(total, len(firsts)).to(firsts[0].device)
    parts = [count[places[:, i]].double() for i, count in enumerate(counts)]
    weights = torch.stack(parts).prod(0)
    made, taken = {}, 0
    for site, value in values.items():
        some = range(taken, taken + value.shape[1])
        blocks = [value[firsts[i][places[:, i]], i - taken] for i in some]
        made[site] = torch.stack(blocks, dim=1)
        taken += value.shape[1]
    return Donors(made, weights)
