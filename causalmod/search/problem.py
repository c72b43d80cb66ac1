"""Problem: what is searched, what it has cost so far, and what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.exchange.hybrid import draw_sample
from causalmod.scm import StructuralCausalModel
from causalmod.search.budget import Meter
from causalmod.search.flow import FlowGraph, find_flow, with_inputs
from causalmod.search.journal import Journal, key_of
from causalmod.search.objective import Objective
from causalmod.search.terms import Terms

_BATCH = 256
_SCREEN = (2, 24)  # contexts and donors with which many candidates are looked at


@dataclass(frozen=True)
class Candidate:
    """A partition that a search found.

    Attributes:
        labels: module numbers ``[unit]``, in the order of their first unit.
        score: its score there.
        origin: the step of the search that came to it first.
    """

    labels: Tensor
    score: float
    origin: str = ""


class Problem:
    """One search: the model, the objective, the budget, and all candidates so far.

    Args:
        scm: the model.
        objective: scores candidates.
        meter: counts them.
        rows: row numbers that may be looked at.
        seed: seed of everything random.
        report: called with the best score so far, when there is a better one.
        journal: where what is dear to find is looked up and noted.
        memory: bytes that the work may hold.

    Attributes:
        best: the best candidate so far.
        step: what the candidates are noted to come from.

    Raises:
        InputError: more modules than units.
    """

    def __init__(
        self,
        scm: StructuralCausalModel,
        objective: Objective,
        meter: Meter,
        *,
        rows: Tensor,
        seed: int = 0,
        report: Callable[[float], None] = lambda score: None,
        journal: Journal | None = None,
        memory: int = 2 * 10**9,
    ) -> None:
        if objective.k > len(scm.units):
            raise InputError(
                f"{len(scm.units)} live units cannot be split into {objective.k} modules"
            )
        self.scm, self.objective, self.meter = scm, objective, meter
        self.rows, self.seed, self.memory = rows, seed, memory
        self._report, self._journal = report, journal
        self._found: dict[bytes, Candidate] = {}
        self.best: Candidate | None = None
        self.step = ""

    @property
    def k(self) -> int:
        """Number of modules."""
        return self.objective.k

    @property
    def layer(self) -> Tensor:
        """``[unit]`` depth of each unit."""
        return self.scm.units.layer

    @property
    def candidates(self) -> list[Candidate]:
        """All that were scored, best first; of equals the first found."""
        return sorted(self._found.values(), key=lambda each: each.score)

    @property
    def solved(self) -> bool:
        """Is there a partition that nothing can beat?"""
        return self.best is not None and self.best.score <= 0.0

    def left(self) -> int:
        """Evaluations that remain; none once the problem is solved."""
        return 0 if self.solved else self.meter.left()

    # --- scores -----------------------------------------------------------------------------------

    def score(self, labels: Tensor) -> Candidate:
        """Score one partition ``[unit]``; one seen before costs nothing.

        Raises:
            InputError: the time was up before anything was scored.
        """
        known = self.seen(labels)
        if known is not None:
            return known
        late = self.meter.late and self.best is None
        terms = self.objective.terms(labels[None])
        self.meter.spend(1)
        found = self.judge(labels, terms)
        if late:
            raise InputError(
                f"SearchBudget(seconds={self.meter.budget.seconds}) ended before the first "
                f"partition was evaluated; that takes about {self.meter.seconds:.2g} seconds here"
            )
        return found

    def seen(self, labels: Tensor) -> Candidate | None:
        """Return a partition that was scored before, by whatever names of its modules."""
        return self._found.get(canonical(labels).numpy().tobytes())

    def unseen(self, labels: Sequence[Tensor]) -> list[Tensor]:
        """Those partitions that were not scored yet, once each, without empty modules."""
        found: dict[bytes, Tensor] = {}
        for each in labels:
            key = canonical(each).numpy().tobytes()
            if key not in self._found and len(each.unique()) == self.k:
                found.setdefault(key, each)
        return list(found.values())

    def terms(self, labels: Sequence[Tensor]) -> Terms:
        """Evaluate some partitions, without comparing them with others of their sizes yet."""
        every = torch.stack(list(labels))
        parts = [self.objective.terms(some) for some in every.split(_BATCH)]
        self.meter.spend(len(every))
        return Terms.joined(parts)

    def judge(self, labels: Tensor, terms: Terms) -> Candidate:
        """Turn terms into a candidate, and remember it."""
        return self.keep(labels, self.objective.score(labels, terms))

    def keep(self, labels: Tensor, score: float) -> Candidate:
        """Remember a scored partition."""
        found = Candidate(canonical(labels), score, self.step)
        self._found.setdefault(found.labels.numpy().tobytes(), found)
        if self.best is None or score < self.best.score:
            self.best = found
            self._report(score)
        return found

    def rough(self, labels: Sequence[Tensor]) -> Tensor:
        """Costs of partitions on a few contexts, to screen them; counts as a part of one each."""
        before = self._screening.forward_rows
        every = torch.stack(list(labels))
        costs = self._screening.terms(every).costs()
        rows = self._screening.forward_rows - before
        self.meter.spend(rows / self.objective.rows_of_one, rows)
        return costs

    @cached_property
    def _screening(self) -> Objective:
        sample = draw_sample(self.rows, _SCREEN[0], _SCREEN[1], self.k - 1, self.seed + 17)
        return self.objective.on(sample)

    # --- what is found once -----------------------------------------------------------------------

    @cached_property
    def flow(self) -> FlowGraph:
        """Flow between units."""
        return self._flow(joint=False)

    @cached_property
    def input_flow(self) -> FlowGraph | None:
        """Flow between units, and to them from inputs; None where no input is read linearly."""
        return with_inputs(self.scm, self.rows, self.flow)

    @cached_property
    def joint_flow(self) -> FlowGraph:
        """Flow between units, where what units cancel among themselves is nothing."""
        return self._flow(joint=True)

    def _flow(self, *, joint: bool) -> FlowGraph:
        found = find_flow(self.scm, self.rows, seed=self.seed, memory=self.memory, joint=joint)
        self.meter.spend(0, found.rows)
        return found

    def once(self, what: str, find: Callable[[], Tensor]) -> Tensor:
        """Return integers that a costly step finds, from the journal if it has them.

        The step's own spending is noted as well, so that a search that goes on counts alike.
        """
        if self._journal is None:
            return find()
        key = key_of(
            what, *self.scm.digests, self.scm.units.names, self.k, self.seed,
            self.objective.weighting, key_of(self.rows), self.meter.limit,
        )  # fmt: skip
        known = self._journal.get(key)
        if known is None:
            used, rows = self.meter.used, self.meter.rows
            found = find()
            spent = [self.meter.used - used, self.meter.rows - rows]
            self._journal.put(key, [found.tolist(), *spent])
            return found
        self.meter.spend(known[1], known[2])
        return torch.tensor(known[0])


def canonical(labels: Tensor) -> Tensor:
    """Number modules in the order of their first unit.

    Example:
        >>> canonical(torch.tensor([2, 0, 2, 1])).tolist()
        [0, 1, 0, 2]
    """
    _, inverse = labels.unique(return_inverse=True)
    first = torch.full((int(inverse.max()) + 1,), len(labels))
    first.scatter_reduce_(0, inverse, torch.arange(len(labels)), "amin")
    return first.argsort().argsort()[inverse]
