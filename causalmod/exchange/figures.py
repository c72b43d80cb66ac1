"""The three kinds of information between groups, as fields of an Estimate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
from causalmod.information import Bounds, Estimator
from causalmod.information.channel import averaged
from causalmod.information.estimators.exact import value_codes, value_size
from causalmod.information.intervals import (
    Interval,
    crossed_jackknife,
    is_saturated,
    jackknives,
    permutation_null,
    without_donor_bias,
)
from causalmod.scm import StructuralCausalModel

_PERMUTATIONS = 99
_FEW_PERMUTATIONS = 19  # for groups, where each costs matrices of distances
_NULL_CONTEXTS, _NULL_DRAWS = 64, 4


@dataclass
class Task:
    """One question, with what is needed to answer it."""

    scm: StructuralCausalModel
    source: Group
    target: Group
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
        got = task.responses(sample.contexts[:, None], sample.donors[0])
        return [without_donor_bias(task.estimator, got)]

    most = task.memory // (task.target.width * 64)
    found, draws = read_with_enough_draws(read, task.contexts, task.draws, most)
    return over_contexts(found[0], draws) | null


def observational(task: Task) -> dict[str, Any]:
    """``I(B;C)`` on the data; jackknife over rows, null by permutation."""
    left, right = task.source.observed().values, task.target.observed().values
    most = task.estimator.most_rows
    if most is not None and task.rows > most:
        generator = torch.Generator().manual_seed(task.seed)
        kept = torch.randperm(task.rows, generator=generator)[:most]
        left, right = left[kept], right[kept]
    shape = {"contexts": len(left), "donors": 1}
    if task.estimator.exact:
        return _exact(task.estimator.shared(left, right)) | shape

    def figures(kept: Tensor) -> Tensor:
        return _stack(task.estimator.shared(left[kept], right[kept]))

    def permuted(generator: torch.Generator) -> float:
        order = torch.randperm(len(left), generator=generator)
        return float(task.estimator.shared(left[order], right).bits)

    found = jackknives(figures, len(left))
    fields = _with_null(task, found, permuted, found[0].value)
    return _saturating(fields, len(left)) | shape


def interventional(task: Task) -> dict[str, Any]:
    """``sum_b P(b) KL( P(C|do(b)) || sum_b P(b) P(C|do(b)) )``, with the context unknown."""
    if task.estimator.exact:
        grid, counts = task.enumerated()
        shape = {"contexts": task.rows, "donors": len(counts)}
        return _exact(averaged(task.estimator, grid, counts)) | shape
    return _on_grid(task) if task.estimator.groups else _on_pairs(task)


def _on_grid(task: Task) -> dict[str, Any]:
    """Every donor in every context: entropies of the target are found for each donor apart."""
    generator = torch.Generator().manual_seed(task.seed)
    draws = task.draws or DRAWS[0]
    contexts = torch.randperm(task.rows, generator=generator)[: task.contexts]
    donors = torch.randint(task.rows, (draws,), generator=generator)
    grid = task.responses(contexts[None], donors[:, None])
    shape = {"contexts": len(contexts), "donors": draws}
    if _silent(task.estimator, grid.transpose(0, 1)):
        return _nothing(task.estimator) | shape

    def figures(some_donors: Tensor, some_contexts: Tensor) -> Tensor:
        return _stack(averaged(task.estimator, grid[some_donors][:, some_contexts]))

    def permuted(generator: torch.Generator) -> float:
        # each context hands its responses to other donors: what no channel would look like
        order = torch.rand(grid.shape[:2], generator=generator).argsort(0)
        shuffled = grid.gather(0, order[..., None].expand_as(grid))
        return float(averaged(task.estimator, shuffled).bits)

    found = crossed_jackknife(figures, (draws, len(contexts)))
    plain = float(averaged(task.estimator, grid).bits)
    fields = _with_null(task, found, permuted, plain)
    return _saturating(fields, min(draws, len(contexts))) | shape


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
    if _silent(task.estimator, grid):
        return _nothing(task.estimator) | shape
    sent, got = task.source.observed().values[sample.donors[0].flatten()], grid.flatten(0, 1)
    places = torch.arange(count * each).reshape(count, each)

    def figures(kept: Tensor) -> Tensor:
        some = places[kept].flatten()
        return _stack(task.estimator.shared(sent[some], got[some]))

    def permuted(generator: torch.Generator) -> float:
        order = torch.randperm(len(sent), generator=generator)
        return float(task.estimator.shared(sent[order], got).bits)

    found = jackknives(figures, count)
    return _with_null(task, found, permuted, found[0].value) | shape


def _silent(estimator: Estimator, responses: Tensor) -> bool:
    """Does no response ``[context, donor, coordinate]`` move? Then nothing at all is sent."""
    return not bool(estimator.response(responses).bits.any())


def _nothing(estimator: Estimator) -> dict[str, Any]:
    zero = {"bits": 0.0, "low": 0.0, "high": 0.0}
    return zero | ({"upper": 0.0, "upper_low": 0.0, "upper_high": 0.0} if estimator.groups else {})


def _stack(bounds: Bounds) -> Tensor:
    return torch.stack([bounds.bits] if bounds.upper is None else [bounds.bits, bounds.upper])


def _exact(bounds: Bounds) -> dict[str, Any]:
    bits = max(0.0, float(bounds.bits))
    return {"bits": bits, "low": bits, "high": bits}


def _with_null(
    task: Task,
    found: list[Interval],
    permuted: Callable[[torch.Generator], float],
    observed: float,
) -> dict[str, Any]:
    """Fields of figures that have a null to be permuted; none of them below zero."""
    draws = _FEW_PERMUTATIONS if task.estimator.groups else _PERMUTATIONS
    floor, p = permutation_null(permuted, observed, draws, task.seed)
    bits = found[0].above_zero()
    fields: dict[str, Any] = {
        "bits": bits.value,
        "low": bits.low,
        "high": bits.high,
        "null": max(0.0, floor),
        "p": p,
    }
    if len(found) > 1:
        upper = found[1].above_zero()
        fields |= {
            "upper": max(bits.value, upper.value),
            "upper_low": upper.low,
            "upper_high": upper.high,
        }
    return fields


def _saturating(fields: dict[str, Any], draws: int) -> dict[str, Any]:
    full = is_saturated(fields.get("upper", 0.0), draws)
    return fields | (SATURATED if full else {})
