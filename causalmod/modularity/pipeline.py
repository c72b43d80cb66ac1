"""One network's search: find its best partition on some rows, score it on others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.errors import InputError, Interrupted
from causalmod.exchange.choice import FEW_ROWS, choose, distinct_rows, parse_memory
from causalmod.exchange.coordinates import Coordinates
from causalmod.exchange.hybrid import Sample, draw_sample
from causalmod.information import ESTIMATORS
from causalmod.information.estimators.exact import value_codes
from causalmod.scm import StructuralCausalModel
from causalmod.search import (
    ALGORITHMS,
    Candidate,
    Journal,
    Meter,
    Objective,
    Problem,
    SearchBudget,
    Terms,
    score_of,
)
from causalmod.search.algorithms.exhaustive import ties
from causalmod.search.margins import margins, undecided
from causalmod.search.stability import agreement
from causalmod.search.weighting import DEFAULT, weighting_of


class Effort(NamedTuple):
    """How finely an objective is evaluated."""

    contexts: int
    donors: int
    resolution: float  # in units of the reported resolution
    same_size: int  # random partitions that a size class is compared with, at most

    def for_units(self, count: int) -> Effort:
        """Fewer rows for very many units, over which figures average out as they do over rows."""
        if count <= _MANY:
            return self
        return self._replace(contexts=max(8, self.contexts // 2), donors=min(16, self.donors))


_MANY = 3000
RANK = Effort(16, 24, 0.2, 12)
JUDGE = Effort(32, 32, 1.0, 16)
REPORT = Effort(32, 32, 1.0, 32)
#: Evaluations of a search that is given no number, by the units that the model has at most.
EVALUATIONS = {300: 150, 2000: 40, 1_000_000_000: 12}
_FINALISTS = 3
#: Steps that read the flow graph alone, the most telling first.
STARTS = ("spectral with inputs", "spectral", "connected", "joint spectral", "leiden")
_WORTH = 0.1  # of the score: what is nearer counts as equal
_WORTH_AT_LEAST, _WORTH_AT_MOST = 0.015, 0.05


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
    method: str = "auto"
    weighting: str = DEFAULT
    journal: Journal | None = field(default=None, compare=False)

    @property
    def exact(self) -> bool:
        """Are values counted, with every donor enumerated?"""
        return ESTIMATORS.get(self.estimator).exact


@dataclass(frozen=True)
class Found:
    """The best partition of one network, with the terms of its score on the reported rows.

    Attributes:
        labels: ``[unit]`` module numbers.
        own: terms of the partition.
        same_size: those of partitions of the same sizes per layer; None where nothing is exchanged,
            or the weighting compares with none.
        tied: further partitions with an equal minimum.
        evaluations: candidates evaluated, those looked at on fewer rows by their share.
        forward_rows: rows of the network run in all.
        origin: the step of the search that found it.
    """

    labels: Tensor
    own: Terms
    same_size: Terms | None
    tied: tuple[Tensor, ...]
    evaluations: int
    forward_rows: int
    origin: str = ""

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
    *,
    method: str = "auto",
    weighting: str = DEFAULT,
    journal: Journal | None = None,
) -> Settings:
    """Choose estimator and rows for a model.

    Data that are counted exactly, or fewer than 128 rows, are not split: search and report use all
    rows, and the result says so.

    Raises:
        InputError: more modules than live units, or fewer than two; an unknown method or weighting.
        EstimatorError: an unknown or unsuitable estimator.
    """
    ALGORITHMS.get(method)
    weighting_of(weighting)
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
    searched = reported = torch.arange(scm.rows)
    held_out = name != "exact" and scm.rows >= FEW_ROWS
    if held_out:
        order = torch.randperm(scm.rows, generator=torch.Generator().manual_seed(seed))
        half = scm.rows // 2
        searched, reported = order[:half].sort()[0], order[half:].sort()[0]
    return Settings(
        k, name, resolution, budget, searched, reported, held_out, seed, method, weighting, journal
    )


def search(
    scm: StructuralCausalModel, settings: Settings, report: Callable[[float], None] = lambda _: None
) -> Found:
    """Find a network's best partition on the searched rows; score it on the reported ones.

    Args:
        scm: the model.
        settings: see :func:`settle`.
        report: called with the best score so far, on the searched rows.

    Raises:
        InputError: the budget is too small for the method.
        Interrupted: Ctrl-C; ``.partial`` is the best :class:`Candidate` so far, or None.
    """
    meter = Meter(settings.budget, default_evaluations(len(scm.units)))
    ranking = _objective(scm, settings, settings.searched, RANK, settings.seed)
    problem = Problem(
        scm,
        ranking,
        meter,
        rows=settings.searched,
        seed=settings.seed,
        report=report,
        journal=settings.journal,
        memory=parse_memory(settings.budget.memory) // 4,
    )
    try:
        ALGORITHMS.get(settings.method)(problem)
        return _finish(problem, settings)
    except KeyboardInterrupt as stop:
        raise Interrupted(problem.best) from stop


def default_evaluations(units: int) -> int:
    """Evaluations that a search may make if its budget names no number."""
    return next(number for most, number in EVALUATIONS.items() if units <= most)


def _finish(problem: Problem, settings: Settings) -> Found:
    """Choose among the finalists, and score the winner on the reported rows."""
    scm, ranking, meter = problem.scm, problem.objective, problem.meter
    assert problem.best is not None
    objectives = [ranking]
    best = problem.best
    if settings.exact:
        final = ranking
    else:
        finalists = _finalists(problem.candidates)
        if len(finalists) > 1 and best.score > 0:
            judging = _objective(scm, settings, settings.searched, JUDGE, settings.seed + 1)
            objectives.append(judging)
            best = _judged(finalists, judging)
        final = reporting(scm, settings)
        objectives.append(final)
    own = final.terms(best.labels[None])
    compared = weighting_of(settings.weighting).same_size and not bool(own.silent()[0])
    same = final.same_size(best.labels) if compared else None
    counted = meter.used + sum(each.evaluations for each in objectives[1:])
    rows = meter.rows + sum(each.forward_rows for each in objectives)
    tied = ties(problem.candidates) if best is problem.best else [best]
    others = tuple(each.labels for each in tied if each is not best)
    return Found(best.labels, own, same, others, ceil(counted), rows, best.origin)


def reporting(scm: StructuralCausalModel, settings: Settings) -> Objective:
    """Return the objective that scores a network's best partition in the end.

    Any partition can be scored on it; the one that :func:`search` found scores :attr:`Found.score`.
    """
    if settings.exact:
        return _objective(scm, settings, settings.searched, RANK, settings.seed)
    return _objective(scm, settings, settings.reported, REPORT, settings.seed + 2)


def _finalists(candidates: list[Candidate]) -> list[Candidate]:
    """The best candidate of each step of the search, where several steps were made."""
    first: dict[str, Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.origin, candidate)
    return list(first.values()) if len(first) > 1 else candidates[:_FINALISTS]


def _judged(finalists: list[Candidate], judging: Objective) -> Candidate:
    """The most telling start that scores about as well as the best, on other contexts.

    The labels under which all flows are most likely rest on every flow; the least of many scores
    rests on the worst module alone, and on the sample. In planted blocks of few units, some other
    partition scores up to a tenth less as a rule, by units that hardly matter. So a start is given
    up only for what scores less by a tenth, or by .05 where that is less (at least by .015, within
    which scores are not told apart).
    """
    scores = {id(each): judging.score(each.labels) for each in finalists}
    best = min(finalists, key=lambda each: scores[id(each)])
    least = scores[id(best)]
    most = least + min(max(_WORTH * least, _WORTH_AT_LEAST), _WORTH_AT_MOST)
    for origin in STARTS:
        for each in finalists:
            if each.origin == origin and scores[id(each)] <= most:
                return each
    return best


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
        effort = effort.for_units(len(scm.units))
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
        weighting=settings.weighting,
        journal=settings.journal,
    )


def margins_of(
    scm: StructuralCausalModel, settings: Settings, labels: Tensor
) -> tuple[dict[str, float], tuple[str, ...]]:
    """How firmly each unit belongs to its module, on the reported rows.

    Returns:
        Unit → by how much ``S`` rises when it moves to the best other module (negative where it
        falls, infinite for a module's only unit); and the units that belong nowhere cleanly.
    """
    rows = settings.reported
    objective = _objective(scm, settings, rows, REPORT, settings.seed + 2)
    problem = Problem(
        scm, objective, Meter(settings.budget, 1), rows=rows, seed=settings.seed + 2,
        memory=parse_memory(settings.budget.memory) // 4,
    )  # fmt: skip
    found = margins(problem, labels)
    doubtful = undecided(found, objective.score(labels))
    names = scm.units.names
    unclear = tuple(name for name, flag in zip(names, doubtful.tolist(), strict=True) if flag)
    return dict(zip(names, found.tolist(), strict=True)), unclear


def stability_of(
    scm: StructuralCausalModel, settings: Settings, labels: Tensor, seeds: int
) -> float:
    """Mean adjusted Rand index of a partition and those found from further seeds, on all pairs."""
    others = [replace(settings, seed=settings.seed + 7919 * (n + 1)) for n in range(seeds)]
    return agreement([labels, *(search(scm, each).labels for each in others)])


def enumerate_all(scm: StructuralCausalModel, rows: Tensor, streams: int) -> Sample:
    """All rows as contexts; all distinct rows (by the units' values) as donors, in each stream."""
    values = Coordinates(scm).observed().values[rows].double()
    first, counts = distinct_rows(value_codes(values, values.abs().amax(0).clamp_min(1e-30)))
    first, counts = first.cpu(), counts.cpu()
    grid = torch.cartesian_prod(*[torch.arange(len(first))] * streams).reshape(-1, streams)
    donors = torch.stack([rows[first[grid[:, s]]] for s in range(streams)])
    weights = counts[grid].prod(1)
    return Sample(rows, donors[:, None, :].expand(-1, len(rows), -1), weights)
