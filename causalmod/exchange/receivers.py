"""What modules receive: hybrid runs of one partition, read off by one estimator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.exchange.blocks import Block, at_rows, spread_of
from causalmod.exchange.choice import distinct_rows
from causalmod.exchange.coordinates import Coordinates
from causalmod.exchange.groups import check_finite
from causalmod.exchange.hybrid import CONTEXT, RESPOND, HybridRuns, Sample
from causalmod.information import Bounds, Estimator
from causalmod.information.estimators.exact import value_codes, value_size
from causalmod.scm import StructuralCausalModel, Units

_RUN_BYTES = 2**25  # what is held at a time: replays are quickest near the processor's cache
_NULL_CONTEXTS, _NULL_DRAWS = 64, 4


@dataclass(frozen=True)
class Question:
    """Whose response is read while whose values are set.

    Attributes:
        states: ``[unit]``, as for :meth:`HybridRuns.run`.
        members: bool ``[unit]``: the receiving module.
        senders: for each donor stream the modules that take its values.
    """

    states: Tensor
    members: Tensor
    senders: tuple[tuple[int, ...], ...]


def from_all(labels: Tensor, receiver: int, *, joint: bool = False) -> Question:
    """What a module receives from all others, each with a donor of its own, or one for all."""
    own = labels == receiver
    senders = tuple(m for m in range(int(labels.max()) + 1) if m != receiver)
    if joint:
        return Question(torch.where(own, RESPOND, 0), own, (senders,))
    streams = torch.where(labels < receiver, labels, labels - 1)
    return Question(torch.where(own, RESPOND, streams), own, tuple((m,) for m in senders))


def from_one(labels: Tensor, sender: int, receiver: int, others: int = CONTEXT) -> Question:
    """What one module sends another, the rest held at the context or left to respond."""
    states = torch.full_like(labels, others)
    states[labels == receiver] = RESPOND
    states[labels == sender] = 0
    return Question(states, labels == receiver, ((sender,),))


def to_all(labels: Tensor, sender: int) -> Question:
    """What one module sends all others together, which respond as one."""
    rest = labels != sender
    return Question(torch.where(rest, RESPOND, 0), rest, ((sender,),))


class Receivers:
    """Answers questions about one partition ``[unit]`` of a model.

    Args:
        scm: the model.
        labels: ``[unit]`` module numbers.
        rows: numbers of the data rows that are used.
        kind: the estimator.
        resolution: its noise scale.
        memory: bytes that the work may hold.
        units: which units the labels are of; those of the model by default.
    """

    def __init__(
        self,
        scm: StructuralCausalModel,
        labels: Tensor,
        rows: Tensor,
        kind: type[Estimator],
        resolution: float,
        *,
        memory: int,
        units: Units | None = None,
    ) -> None:
        self._scm, self._labels, self._rows = scm, labels, rows
        self._kind, self._resolution, self._memory = kind, resolution, memory
        self._units = scm.units if units is None else units
        self._coordinates = Coordinates(scm, self._units)
        self._observed = self._coordinates.observed()
        self._distinct: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}
        self._scaled: dict[tuple[int, ...], Estimator] = {}

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
        estimator = self._fitted(rows)
        runs = HybridRuns(self._scm, sample, memory=self._memory, units=self._units)
        names = self._names(question)
        parts: list[Bounds] = []
        for answers, which in runs.answers(question.states, question.members):
            responses = check_finite(answers, "a module", names)
            some = estimator.some(which)
            if sample.weights is None:
                parts.append(some.unbiased(responses))
            else:
                parts.append(some.response(responses, sample.weights))
        return Bounds.joined(parts)

    def read_blocks(self, question: Question, blocks: Sequence[Block]) -> list[Bounds]:
        """Bits ``[context]`` in each block, at the scales of its rows, all in one run.

        Raises:
            EstimatorError: see :meth:`read`.
        """
        if not blocks:
            return []
        contexts = torch.cat([block.sample.contexts for block in blocks])
        donors = torch.cat([block.sample.donors for block in blocks], dim=1)
        runs = HybridRuns(
            self._scm, Sample(contexts, donors), memory=self._memory, units=self._units
        )
        names = self._names(question)
        estimators = [self._fitted(block.rows) for block in blocks]
        block_of = torch.arange(len(blocks)).repeat_interleave(
            torch.tensor([len(block.sample.contexts) for block in blocks])
        )
        parts: list[list[Bounds]] = [[] for _ in blocks]
        start = 0
        for answers, which in runs.answers(question.states, question.members):
            responses = check_finite(answers, "a module", names)
            here = block_of[start : start + len(responses)]
            start += len(responses)
            for number in here.unique().tolist():
                some = responses[(here == number).nonzero().flatten().to(responses.device)]
                parts[number].append(estimators[number].some(which).unbiased(some))
        return [Bounds.joined(each) for each in parts]

    def estimator(self, question: Question, rows: Tensor | None = None) -> Estimator:
        """The estimator fitted on the receiver, at the scales of some rows (of all)."""
        return self._fitted(rows).some(question.members[self._coordinates.unit_of])

    def responses(self, question: Question, sample: Sample) -> Tensor:
        """Double ``[context, donor, coordinate]`` of the receiver, whether or not a donor moves it.

        Raises:
            EstimatorError: a response overflows.
        """
        contexts, draws = sample.shape
        wide = len(self._coordinates.unit_of) * (4 + len(sample.donors))
        step = max(1, min(self._memory, _RUN_BYTES) // (draws * wide * 4))
        parts: list[Tensor] = []
        for start in range(0, contexts, step):
            some = sample.some(slice(start, start + step))
            runs = HybridRuns(self._scm, some, memory=self._memory, units=self._units)
            each = zip(runs.filled, runs.run(question.states[None]), strict=True)
            own = [a[0][:, :, question.members[self._units.at(s)]].flatten(2) for s, a in each]
            parts.append(torch.cat(own, dim=-1).double())
        return check_finite(torch.cat(parts), "a module", self._names(question))

    def width(self, question: Question) -> int:
        """Number of coordinates of the receiver."""
        return int(question.members[self._coordinates.unit_of].sum())

    def observed(self, question: Question) -> Tensor:
        """``[row, coordinate]`` of the receiver on the data."""
        keep = question.members[self._coordinates.unit_of]
        return self._observed.values[self._rows][:, keep].double()

    def _fitted(self, rows: Tensor | None) -> Estimator:
        if rows is None:
            return self._kind.fit(None, self._observed, self._resolution)
        key = tuple(rows.tolist())  # all questions are asked on the same few blocks
        if key not in self._scaled:
            observed = at_rows(self._observed, rows, self._spread)
            self._scaled[key] = self._kind.fit(None, observed, self._resolution)
        return self._scaled[key]

    def _names(self, question: Question) -> list[str]:
        return [n for n, m in zip(self._units.names, question.members, strict=True) if m]

    def noise(self, question: Question, contexts: Tensor) -> float:
        """What is read where each donor is the context itself: 0, but for numerical noise."""
        same = contexts[:_NULL_CONTEXTS]
        donors = same[None, :, None].expand(len(question.senders), -1, _NULL_DRAWS)
        equal = torch.ones(_NULL_DRAWS)  # nothing to correct: no bias in a count of one value
        return float(self.read(question, Sample(same, donors, equal)).bits.mean())

    # --- exact: every combination of donors -----------------------------------------------------

    def replays(self, questions: Sequence[Question]) -> int:
        """Values that enumerating every donor of the senders holds, at most at a time."""
        most = max(
            prod(len(self._distinct_values(modules)[0]) for modules in question.senders)
            for question in questions
        )
        return most * len(self._rows) * len(self._coordinates.unit_of)

    def enumerate(self, senders: tuple[tuple[int, ...], ...]) -> Sample:
        """All contexts, with all combinations of the senders' distinct values and their counts.

        Raises:
            EstimatorError: they do not fit the memory.
        """
        firsts, counts = zip(*[self._distinct_values(each) for each in senders], strict=True)
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

    def _distinct_values(self, modules: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """First place (in the rows used) and count of each distinct joint state of modules."""
        if modules not in self._distinct:
            own = torch.isin(self._labels, torch.tensor(modules))[self._coordinates.unit_of]
            values = self._observed.values[self._rows][:, own].double()
            first, counts = distinct_rows(value_codes(values, value_size(values)))
            self._distinct[modules] = first.cpu(), counts.cpu()
        return self._distinct[modules]
