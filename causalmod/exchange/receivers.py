"""What modules receive: hybrid runs of one partition, read off by one estimator."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.exchange.blocks import at_rows, spread_of
from causalmod.exchange.choice import distinct_rows
from causalmod.exchange.coordinates import Coordinates
from causalmod.exchange.groups import check_finite
from causalmod.exchange.hybrid import CONTEXT, RESPOND, HybridRuns, Sample
from causalmod.information import Bounds, Estimator
from causalmod.information.estimators.exact import value_codes, value_size
from causalmod.scm import StructuralCausalModel

_NULL_CONTEXTS, _NULL_DRAWS = 64, 4


@dataclass(frozen=True)
class Question:
    """Whose response is read while whose values are set.

    Attributes:
        states: ``[unit]``, as for :meth:`HybridRuns.run`.
        members: bool ``[unit]``: the receiving module.
        senders: modules that take donor values, in the order of their donor streams.
    """

    states: Tensor
    members: Tensor
    senders: tuple[int, ...]


def from_all(labels: Tensor, receiver: int) -> Question:
    """What a module receives from all others, each with a donor of its own."""
    own = labels == receiver
    streams = torch.where(labels < receiver, labels, labels - 1)
    senders = tuple(m for m in range(int(labels.max()) + 1) if m != receiver)
    return Question(torch.where(own, RESPOND, streams), own, senders)


def from_one(labels: Tensor, sender: int, receiver: int) -> Question:
    """What one module sends another, the rest held at the context."""
    states = torch.full_like(labels, CONTEXT)
    states[labels == receiver] = RESPOND
    states[labels == sender] = 0
    return Question(states, labels == receiver, (sender,))


class Receivers:
    """Answers questions about one partition ``[unit]`` of a model."""

    def __init__(
        self,
        scm: StructuralCausalModel,
        labels: Tensor,
        rows: Tensor,
        kind: type[Estimator],
        resolution: float,
        memory: int,
    ) -> None:
        self._scm, self._labels, self._rows = scm, labels, rows
        self._kind, self._resolution, self._memory = kind, resolution, memory
        self._coordinates = Coordinates(scm)
        self._observed = self._coordinates.observed()
        self._distinct: dict[int, tuple[Tensor, Tensor]] = {}

    @cached_property
    def _spread(self) -> Tensor:
        return spread_of(self._observed)

    def draws_that_fit(self) -> int:
        """Donors for one context that the memory has room for."""
        return self._memory // (len(self._coordinates.unit_of) * 64)

    def read(self, question: Question, sample: Sample, rows: Tensor | None = None) -> Bounds:
        """Bits ``[context]`` that the receiver takes in, at the scales of some rows (of all).

        Raises:
            EstimatorError: a response overflows, or the estimator is not for such signals.
        """
        observed = self._observed if rows is None else at_rows(self._observed, rows, self._spread)
        estimator = self._kind.fit(None, observed, self._resolution)
        runs = HybridRuns(self._scm, sample, memory=self._memory)
        names = [n for n, m in zip(self._scm.units.names, question.members, strict=True) if m]
        parts: list[Bounds] = []
        for answers, which in runs.answers(question.states, question.members):
            responses = check_finite(answers, "a module", names)
            some = estimator.some(which)
            if sample.weights is None:
                parts.append(some.unbiased(responses))
            else:
                parts.append(some.response(responses, sample.weights))
        return Bounds.joined(parts)

    def noise(self, question: Question, contexts: Tensor) -> float:
        """What is read where each donor is the context itself: 0, but for numerical noise."""
        same = contexts[:_NULL_CONTEXTS]
        donors = same[None, :, None].expand(len(question.senders), -1, _NULL_DRAWS)
        equal = torch.ones(_NULL_DRAWS)  # nothing to correct: no bias in a count of one value
        return float(self.read(question, Sample(same, donors, equal)).bits.mean())

    # --- exact: every combination of donors -----------------------------------------------------

    def replays(self) -> int:
        """Values that enumerating every donor of every module holds, at most at a time."""
        modules = range(int(self._labels.max()) + 1)
        counts = [len(self._distinct_values(m)[0]) for m in modules]
        most = max(prod(counts[:m] + counts[m + 1 :]) for m in modules)
        return most * len(self._rows) * len(self._coordinates.unit_of)

    def enumerate(self, senders: tuple[int, ...]) -> Sample:
        """All contexts, with all combinations of the senders' distinct values and their counts.

        Raises:
            EstimatorError: they do not fit the memory.
        """
        firsts, counts = zip(*[self._distinct_values(m) for m in senders], strict=True)
        total = prod(len(count) for count in counts)
        size = total * len(self._rows) * len(self._coordinates.unit_of) * 8
        if size > self._memory:
            raise EstimatorError(
                f"estimator={self._kind.name!r} needs {len(self._rows)} contexts × {total} donor "
                f"combinations, about {size / 1e9:.1f} GB; use estimator='pairwise', fewer rows, "
                "or more memory"
            )
        grid = torch.cartesian_prod(*[torch.arange(len(c)) for c in counts]).reshape(total, -1)
        weights = torch.stack([c[grid[:, i]] for i, c in enumerate(counts)]).double().prod(0)
        donors = torch.stack([self._rows[first[grid[:, i]]] for i, first in enumerate(firsts)])
        return Sample(self._rows, donors[:, None, :].expand(-1, len(self._rows), -1), weights)

    def _distinct_values(self, module: int) -> tuple[Tensor, Tensor]:
        """First place (in the rows used) and count of each distinct state of a module."""
        if module not in self._distinct:
            own = (self._labels == module)[self._coordinates.unit_of]
            values = self._observed.values[self._rows][:, own].double()
            first, counts = distinct_rows(value_codes(values, value_size(values)))
            self._distinct[module] = first.cpu(), counts.cpu()
        return self._distinct[module]
