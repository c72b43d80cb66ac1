"""The three kinds of information between groups, as fields of an Estimate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.exchange.choice import distinct_rows
from causalmod.exchange.contexts import (
    DRAWS,
    SATURATED,
    over_contexts,
    read_with_enough_draws,
)
from causalmod.exchange.groups import Group
from causalmod.exchange.hybrid import draw_sample
from causalmod.information import Bounds, Estimator, Observed
from causalmod.information.channel import averaged_over_all, averaged_over_sets
from causalmod.information.estimators.exact import value_codes, value_size
from causalmod.information.intervals import (
    is_saturated,
    jackknives,
    permutation_null,
)
from causalmod.scm import StructuralCausalModel

_PERMUTATIONS = 99
_FEW_PERMUTATIONS = 19  # for groups, where each costs matrices of distances
_MOST_PERMUTED = 256  # draws in a set, all of whose distances are found again each time
_NULL_CONTEXTS, _NULL_DRAWS = 64, 4
_HELD = 2**25  # bytes of responses at a time


@dataclass
class Task:
    """One question, with what is needed to answer it.

    ``fit`` makes an estimator from observed sources and targets; ``estimator`` is the one from all
    rows.
    """

    scm: StructuralCausalModel
    source: Group
    target: Group
    fit: Callable[[Observed, Observed], Estimator]
    estimator: Estimator
    contexts: int
    draws: int | None
    seed: int
    memory: int
    reason: str

    @property
    def rows(self) -> int:
        """Number of rows of data."""
        return self.scm.rows

    def responses(self, contexts: Tensor, donors: Tensor) -> Tensor:
        """The target ``[..., coordinate]`` on context rows ``[...]``, source from donor rows."""
        both = torch.broadcast_tensors(contexts, donors)
        flat = [rows.reshape(-1) for rows in both]
        got = self.target.under(self.source, flat[0], flat[1], self.memory)
        return got.reshape(*both[0].shape, -1).double()

    def distinct_donors(self) -> tuple[Tensor, Tensor]:
        """First row and count of each distinct value of the source."""
        values = self.source.observed().values.double()
        return distinct_rows(value_codes(values, value_size(values)))

    def replays(self) -> int:
        """Values of the target that enumerating every donor holds."""
        return len(self.distinct_donors()[0]) * self.rows * self.target.width

    def enumerated(self) -> tuple[Tensor, Tensor]:
        """Responses ``[donor, context, coordinate]`` to each distinct donor, and its count.

        Raises:
            EstimatorError: they do not fit the memory.
        """
        first, counts = self.distinct_donors()
        size = len(first) * self.rows * self.target.width * 8
        if size > self.memory:
            raise EstimatorError(
                f"estimator={self.estimator.name!r} needs {len(first)} × {self.rows} replays, "
                f"about {size / 1e9:.1f} GB; use another estimator, fewer rows, or more memory"
            )
        return self.responses(torch.arange(self.rows)[None], first[:, None]), counts


def conditional(task: Task) -> dict[str, Any]:
    """``E_x H( C(x, B') )``: donors drawn afresh for each context; t-interval over contexts."""
    same = torch.arange(task.rows)[:_NULL_CONTEXTS, None]
    noise = task.responses(same, same.expand(-1, _NULL_DRAWS))
    null = {"null": float(task.estimator.response(noise).bits.mean())}
    if task.estimator.exact:
        grid, counts = task.enumerated()
        bounds = task.estimator.response(grid.transpose(0, 1), counts)
        return over_contexts(bounds, len(counts), exact=True) | null

    def read(contexts: int, draws: int) -> list[Bounds]:
        sample = draw_sample(torch.arange(task.rows), min(contexts, task.rows), draws, 1, task.seed)
        step = max(1, min(task.memory, _HELD) // (draws * task.target.width * 32))
        parts = (sample.some(slice(at, at + step)) for at in range(0, len(sample.contexts), step))
        got = (task.responses(part.contexts[:, None], part.donors[0]) for part in parts)
        return [Bounds.joined([task.estimator.unbiased(responses) for responses in got])]

    most = task.memory // (task.target.width * 64)
    found, draws = read_with_enough_draws(read, task.contexts, task.draws, most)
    return over_contexts(found[0], draws) | null


def observational(task: Task) -> dict[str, Any]:
    """``I(B;C)`` on the data; jackknife over rows, null by permutation."""
    source, target = task.source.observed(), task.target.observed()
    most = task.estimator.most_rows
    if most is not None and task.rows > most:
        generator = torch.Generator().manual_seed(task.seed)
        some = torch.randperm(task.rows, generator=generator)[:most]
        source, target = _at(source, some), _at(target, some)
    left, right = source.values, target.values
    shape = {"contexts": len(left), "donors": 1}
    if task.estimator.exact:
        return _exact(task.estimator.shared(left, right)) | shape

    def permuted(generator: torch.Generator) -> float:
        order = torch.randperm(len(left), generator=generator)
        return float(task.estimator.shared(left[order], right).bits)

    def figures(kept: Tensor) -> Bounds:
        # scales and edges are found from the rows as well, so they are found again
        try:
            estimator = task.fit(_at(source, kept), _at(target, kept))
        except EstimatorError:  # as many rows as bins: without some, there are too few
            estimator = task.estimator
        return estimator.shared(left[kept], right[kept])

    plain = float(task.estimator.shared(left, right).bits)
    return _jackknifed(figures, len(left)) | _null(task, permuted, plain) | shape


def interventional(task: Task) -> dict[str, Any]:
    """``sum_b P(b) KL( P(C|do(b)) || sum_b P(b) P(C|do(b)) )``, with the context unknown."""
    if task.estimator.exact:
        grid, counts = task.enumerated()
        shape = {"contexts": task.rows, "donors": len(counts)}
        return _exact(averaged_over_all(task.estimator, grid, counts)) | shape
    return _on_sets(task) if task.estimator.groups else _on_pairs(task)


def _on_sets(task: Task) -> dict[str, Any]:
    """Pairs of sets of draws on the same contexts, each pair with its own contexts and donor."""
    held: list[tuple[Tensor, Tensor]] = []  # of the last read, for permutations

    def read(sets: int, draws: int) -> list[Bounds]:
        generator = torch.Generator().manual_seed(task.seed)
        contexts = torch.randint(task.rows, (sets, draws), generator=generator)
        several = torch.randint(task.rows, (sets, draws), generator=generator)
        one = torch.randint(task.rows, (sets, 1), generator=generator)
        held[:] = [(task.responses(contexts, several), task.responses(contexts, one))]
        return list(averaged_over_sets(task.estimator, *held[0]))

    most = min(_MOST_PERMUTED, task.memory // (task.target.width * 64))
    (bounds, whole), draws = read_with_enough_draws(
        read, task.contexts, task.draws, most, wide=DRAWS[0]
    )
    mixed, fixed = held[0]
    shape = {"contexts": draws, "donors": len(mixed)}
    if not _moves(task, torch.stack([mixed, fixed], dim=-2)):
        return _exact(_nothing(bounds)) | shape

    def permuted(generator: torch.Generator) -> float:
        # each context hands its two responses to either set: what no channel would look like
        swap = (torch.rand(mixed.shape[:2], generator=generator) < 0.5)[..., None]
        first, second = torch.where(swap, fixed, mixed), torch.where(swap, mixed, fixed)
        return float(averaged_over_sets(task.estimator, first, second)[0].bits.mean())

    full = whole.upper is not None and is_saturated(float(whole.upper.mean()), draws)
    fields = over_contexts(bounds, draws, saturated=full) | shape
    if not full:
        fields |= _null(task, permuted, float(bounds.bits.mean()))
    return fields if whole.upper is None else _below_conditional(task, fields)


def _below_conditional(task: Task, fields: dict[str, Any]) -> dict[str, Any]:
    """Knowing the context can only help: the conditional form's upper bound holds here too.

    It also holds where ``H(C)`` saturates, which leaves 0 for a lower bound.
    """
    known = conditional(replace(task, draws=task.draws or DRAWS[0]))
    full = fields.get("saturated", False)
    if known.get("saturated") or (known["upper"] >= fields["upper"] and not full):
        return fields
    if full:
        fields |= _exact(Bounds(torch.zeros(()))) | {"saturated": False}
    return fields | {name: known[name] for name in ("upper", "upper_low", "upper_high")}


def _on_pairs(task: Task) -> dict[str, Any]:
    """Pairs of a donor and a response, donors drawn afresh, over as many contexts as there are.

    A sample of contexts is not balanced as all of them are, and an imbalance reads as information;
    so for the same number of pairs many contexts with few donors are better than the reverse.
    """
    pairs = task.contexts * (task.draws or DRAWS[0])
    contexts = min(task.rows, max(pairs // 2, 2))
    sample = draw_sample(torch.arange(task.rows), contexts, max(2, pairs // contexts), 1, task.seed)
    count, each = sample.shape
    shape = {"contexts": count, "donors": each}
    grid = task.responses(sample.contexts[:, None], sample.donors[0])
    if not _moves(task, grid):
        return _exact(Bounds(torch.zeros(()))) | shape
    sent = task.source.observed().values[sample.donors[0].flatten()]
    got = grid.flatten(0, 1)
    places = torch.arange(count * each).reshape(count, each)

    def figures(kept: Tensor) -> Bounds:
        some = places[kept].flatten()
        return task.estimator.shared(sent[some], got[some])

    def permuted(generator: torch.Generator) -> float:
        order = torch.randperm(len(sent), generator=generator)
        return float(task.estimator.shared(sent[order], got).bits)

    plain = float(task.estimator.shared(sent, got).bits)
    return _jackknifed(figures, count) | _null(task, permuted, plain) | shape


def _at(observed: Observed, rows: Tensor) -> Observed:
    """Some rows, with scales that follow their spread."""
    values = observed.values.double()
    spread, now = values.std(0, unbiased=False), values[rows].std(0, unbiased=False)
    follow = torch.where((spread > 0) & (now > 0), now / spread.clamp_min(1e-300), 1.0)
    return Observed(observed.values[rows], observed.scale * follow)


def _moves(task: Task, responses: Tensor) -> bool:
    """Does any response ``[..., donor, coordinate]`` move? If not, nothing is sent in any form."""
    return bool(task.estimator.response(responses).bits.any())


def _nothing(like: Bounds) -> Bounds:
    zero = torch.zeros(())
    return Bounds(zero, None if like.upper is None else zero)


def _exact(bounds: Bounds) -> dict[str, Any]:
    """Fields of a figure that is no sample: what is between its ends is the figure itself."""
    bits = max(0.0, float(bounds.bits))
    fields = {"bits": bits, "low": bits, "high": bits}
    if bounds.upper is None:
        return fields
    upper = max(bits, float(bounds.upper))
    return fields | {"upper": upper, "upper_low": upper, "upper_high": upper}


def _jackknifed(figures: Callable[[Tensor], Bounds], rows: int) -> dict[str, Any]:
    """Fields of figures of rows, none of them below zero."""

    def stacked(kept: Tensor) -> Tensor:
        bounds = figures(kept)
        return torch.stack([part for part in bounds if part is not None])

    bits, *upper = (found.above_zero() for found in jackknives(stacked, rows))
    fields: dict[str, Any] = {"bits": bits.value, "low": bits.low, "high": bits.high}
    for most in upper:
        fields |= {"upper": max(most.value, bits.value)}
        fields |= {"upper_low": most.low, "upper_high": most.high}
        fields |= SATURATED if is_saturated(most.value, rows) else {}
    return fields


def _null(
    task: Task, permuted: Callable[[torch.Generator], float], observed: float
) -> dict[str, Any]:
    """Null floor and p-value; where permuting changes nothing, nothing is sent for certain."""
    draws = _FEW_PERMUTATIONS if task.estimator.groups else _PERMUTATIONS
    floor, p = permutation_null(permuted, observed, draws, task.seed)
    return {"null": max(0.0, floor), "p": p}
