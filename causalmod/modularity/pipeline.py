"""One network's search: find its best partition on some rows, score it on others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.exchange.choice import FEW_ROWS, choose, distinct_rows, parse_memory
from causalmod.exchange.coordinates import Coordinates
from causalmod.exchange.hybrid import Sample, draw_sample
from causalmod.information import ESTIMATORS
from causalmod.information.estimators.exact import value_codes
from causalmod.scm import StructuralCausalModel
from causalmod.search import ALGORITHMS, Candidate, Meter, Objective, SearchBudget, Terms, score_of
from causalmod.search.algorithms.exhaustive import MAX_UNITS, ties


class Effort(NamedTuple):
    """How finely an objective is evaluated."""

    contexts: int
    donors: int
    resolution: float  # in units of the reported resolution
    same_size: int  # random partitions that a size class is compared with


RANK = Effort(16, 24, 0.2, 12)
JUDGE = Effort(24, 32, 1.0, 16)
REPORT = Effort(32, 32, 1.0, 32)
DEFAULT_EVALUATIONS = 60
_FINALISTS = 3


@dataclass(frozen=True)
class Settings:
    """What every search of one call shares: the network's own and those of its nulls."""

    k: int
    estimator: str
    resolution: float
    budget: SearchBudget
    searched: Tensor
    reported: Tensor
    held_out: bool
    seed: int

    @property
    def exact(self) -> bool:
        """Are values counted, with every donor enumerated?"""
        return ESTIMATORS.get(self.estimator).exact


@dataclass(frozen=True)
class Found:
    """The best partition of one network, with the terms of its score on the reported rows."""

    labels: Tensor
    own: Terms
    same_size: Terms | None
    tied: tuple[Tensor, ...]
    evaluations: int
    forward_rows: int

    @property
    def score(self) -> float:
        """``S`` on the reported rows."""
        return score_of(self.own, self.same_size)


def settle(
    scm: StructuralCausalModel,
    k: int,
    estimator: str,
    resolution: float,
    budget: SearchBudget,
    seed: int,
) -> Settings:
    """Choose estimator and rows for a model.

    Data that are counted exactly, or fewer than 128 rows, are not split: search and report use all
    rows, and the result says so.

    Raises:
        InputError: more modules than live units, or fewer than two.
        EstimatorError: an unknown or unsuitable estimator.
    """
    if not isinstance(k, int) or k < 2:
        raise InputError(f"k is the number of modules, a whole number of at least 2; given {k!r}")
    if k > len(scm.units):
        raise InputError(
            f"{len(scm.units)} live units cannot be split into {k} modules "
            f"({len(scm.units.inert)} inert units take part in no partition)"
        )
    memory = parse_memory(budget.memory)
    values = Coordinates(scm).observed().values
    replays = scm.rows * scm.rows ** (k - 1) * values.shape[1] * 4
    name = choose(estimator, [values], replays, memory, single=False).name
    if name in {"pairwise", "binned"}:
        name = "gaussian"  # smooth and cheap; the bits reported are measured again
    rows = torch.arange(scm.rows)
    if name == "exact" or scm.rows < FEW_ROWS:
        return Settings(k, name, resolution, budget, rows, rows, False, seed)
    order = torch.randperm(scm.rows, generator=torch.Generator().manual_seed(seed))
    half = scm.rows // 2
    return Settings(
        k, name, resolution, budget, order[:half].sort()[0], order[half:].sort()[0], True, seed
    )


def search(
    scm: StructuralCausalModel, settings: Settings, report: Callable[[float], None] = lambda _: None
) -> Found:
    """Find a network's best partition on the searched rows; score it on the reported ones."""
    meter = Meter(settings.budget, DEFAULT_EVALUATIONS)
    ranking = _objective(scm, settings, settings.searched, RANK, settings.seed)
    exhaustive = len(scm.units) <= MAX_UNITS
    method = ALGORITHMS.get("exhaustive" if exhaustive else "spectral")
    candidates = method(
        scm, ranking, meter, rows=settings.searched, seed=settings.seed, report=report
    )
    tied = tuple(c.labels for c in ties(candidates)[1:]) if exhaustive else ()
    rows_run, evaluations = ranking.forward_rows, ranking.evaluations
    best = candidates[0]
    if not settings.exact:
        judging = _objective(scm, settings, settings.searched, JUDGE, settings.seed + 1)
        best = _best(candidates[:_FINALISTS], judging)
        rows_run, evaluations = rows_run + judging.forward_rows, evaluations + judging.evaluations
        final = _objective(scm, settings, settings.reported, REPORT, settings.seed + 2)
    else:
        final = ranking
    own = final.terms(best.labels[None])
    if exhaustive and settings.exact:
        same = _whole_class(final, best.labels, candidates)
    else:
        same = None if bool(own.silent()[0]) else final.same_size(best.labels)
    if final is not ranking:
        rows_run, evaluations = rows_run + final.forward_rows, evaluations + final.evaluations
    return Found(best.labels, own, same, tied, evaluations, rows_run)


def _best(finalists: list[Candidate], judging: Objective) -> Candidate:
    if len(finalists) == 1 or finalists[0].score == 0:
        return finalists[0]
    return min(finalists, key=lambda candidate: judging.score(candidate.labels))


def _whole_class(objective: Objective, labels: Tensor, candidates: list[Candidate]) -> Terms:
    key = objective.size_class(labels)
    members = [c.labels for c in candidates if objective.size_class(c.labels) == key]
    return objective.terms(torch.stack(members))


def _objective(
    scm: StructuralCausalModel,
    settings: Settings,
    rows: Tensor,
    effort: Effort,
    seed: int,
) -> Objective:
    if settings.exact:
        sample = enumerate_all(scm, rows, settings.k - 1)
    else:
        sample = draw_sample(
            rows, min(effort.contexts, len(rows)), effort.donors, settings.k - 1, seed
        )
    return Objective(
        scm,
        sample,
        settings.k,
        estimator=settings.estimator,
        resolution=effort.resolution * settings.resolution,
        seed=seed,
        memory=parse_memory(settings.budget.memory) // 4,
        dtype=torch.float64 if settings.exact else torch.float32,
        draws=effort.same_size,
    )


def enumerate_all(scm: StructuralCausalModel, rows: Tensor, streams: int) -> Sample:
    """All rows as contexts; all distinct rows (by the units' values) as donors, in each stream."""
    values = Coordinates(scm).observed().values[rows].double()
    first, counts = distinct_rows(value_codes(values, values.abs().amax(0).clamp_min(1e-30)))
    first, counts = first.cpu(), counts.cpu()
    grid = torch.cartesian_prod(*[torch.arange(len(first))] * streams).reshape(-1, streams)
    donors = torch.stack([rows[first[grid[:, s]]] for s in range(streams)])
    weights = counts[grid].prod(1)
    return Sample(rows, donors[:, None, :].expand(-1, len(rows), -1), weights)
