"""modularity: search a network and its nulls alike, and compare."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from causalmod.errors import EstimatorError, InputError, Interrupted
from causalmod.exchange.choice import check_count, check_resolution
from causalmod.exchange.parallel import in_parallel
from causalmod.exchange.progress import Progress, progress_of
from causalmod.modularity.modules_count import (
    FEW_NULLS,
    Tried,
    agreement,
    beats_chance,
    choose,
    contenders,
    counts_of,
    try_counts,
)
from causalmod.modularity.pipeline import Settings, search, settle
from causalmod.modularity.reading import Reading
from causalmod.modularity.result import Modularity
from causalmod.provenance import Stopwatch
from causalmod.scm import StructuralCausalModel
from causalmod.search import Journal, SearchBudget, null_network
from causalmod.search.weighting import DEFAULT


def modularity(
    scm: StructuralCausalModel,
    k: int | Iterable[int] | None = None,
    *,
    method: str = "auto",
    weighting: str = DEFAULT,
    budget: SearchBudget | None = None,
    nulls: int = 19,
    estimator: str = "auto",
    resolution: float = 1.0,
    curves: bool = True,
    stability: int = 0,
    seed: int = 0,
    resume: str | os.PathLike[str] | None = None,
    progress: Progress | bool | None = None,
) -> Modularity:
    """Find the partition into modules that communicate least for what flows inside them.

    Each partition has a score ``S``, its cost ``c`` over the mean cost of random partitions with
    the same sizes per layer, where ``c`` is the worst module's ``X / (X + 2 int)``: ``X`` what it
    exchanges with the rest, ``int`` what flows inside. The best ``S`` of any network is below 1,
    since it is a minimum; so it is calibrated on null networks, searched alike::

        modularity = 1 - min S / mean over null networks of min S

    1 means no communication at all, 0 no better than chance; negative values are given as they are.

    Args:
        scm: the model, or a submodel.
        k: number of modules; several, to choose from; or None to choose among 2 to 10: the finest
            split whose calibrated score is as good as the best one, or 1, "no modular structure
            found", where the best split is not below every null network and 2 standard deviations
            under their mean.
        method: search algorithm; ``"auto"`` is the best combination of them.
        weighting: what the exchange is weighed against: ``"internal"`` is ``S`` as above;
            ``"size"``, ``"entropy"``, ``"cut"`` and ``"none"`` are offered for comparison.
        budget: limits of each search.
        nulls: number of null networks; 0 for none (no calibrated score then).
        estimator: ``"auto"`` counts exactly where units take few values, else ranks with the
            Gaussian channel and reports pairwise bounds.
        resolution: noise scale in standard deviations of the reported figures.
        curves: measure the exchange at several resolutions and that of random partitions too, and
            by how much the score rises when a unit moves to another module.
        stability: further seeds to search from, to see whether the same modules are found.
        seed: seed of everything random.
        resume: a journal file: what is evaluated is noted there, and what stands there already is
            not evaluated again. So the same call goes on where an earlier one was interrupted.
        progress: True or False for a bar or none; or a function of (stage, steps done, steps in
            all). None shows a bar on a terminal.

    Returns:
        Modularity: search on one half of the rows, figures on the other (all rows when counting
        exactly or below 128 rows).

    Raises:
        InputError: no live unit, or ``k``, ``nulls`` or ``resolution`` out of range.
        Interrupted: Ctrl-C; ``.partial`` holds what was found.

    Example:
        >>> from causalmod import compile, zoo
        >>> case = zoo.isolated()
        >>> modularity(compile(case.model, case.inputs), 2, nulls=0).raw
        1.0
    """
    if not isinstance(nulls, int) or nulls < 0:
        raise InputError(f"nulls is the number of null networks, 0 or more; given {nulls!r}")
    counts = counts_of(scm, k)
    check_count("stability", stability, 0)
    settings = partial(
        settle,
        scm,
        method=method,
        weighting=weighting,
        journal=None if resume is None else Journal(resume, scm),
        estimator=estimator,
        resolution=check_resolution(resolution),
        budget=budget or SearchBudget(),
        seed=seed,
    )
    settings(k=counts[0])  # what cannot be is refused before any work
    given = isinstance(k, int)
    with progress_of(progress) as tell:
        work = _Work(scm, settings, estimator, nulls, tell)
        try:
            work.choose(counts, given=given)
            work.measure(curves=curves, stability=stability)
            work.calibrate()
        except KeyboardInterrupt as stop:
            raise Interrupted(work.result(complete=False) if work.tried else None) from stop
        return work.result(complete=True)


def _null_score(scm: StructuralCausalModel, settings: Settings, seed: int) -> float | None:
    """Least ``S`` of one null network; None when the network has no weights to permute."""
    null = null_network(scm, seed)
    if null is None:
        return None
    try:
        return search(null, settings).score
    except InputError:  # too few live units are left to split: nothing modular about it
        return 1.0


class _Work:
    """What is known so far of one network; turned into a result at any time."""

    def __init__(
        self,
        scm: StructuralCausalModel,
        settings: Callable[..., Settings],
        estimator: str,
        nulls: int,
        tell: Progress,
    ) -> None:
        self.scm, self.settings, self.estimator = scm, settings, estimator
        self.nulls, self.tell, self.watch = nulls, tell, Stopwatch()
        self.tried: list[Tried] = []
        self.given = True
        self.chosen: Tried | None = None
        self.reading: Reading | None = None
        self.agreement: float | None = None

    def choose(self, counts: Sequence[int], *, given: bool) -> None:
        """Search for each number of modules, and choose one."""
        self.given = given
        self.tell("search", 0, len(counts))

        def attempt(k: int) -> Tried:
            settings = self.settings(k=k)
            made = Tried(settings, search(self.scm, settings))
            self.tried.append(made)
            self.tell("search", len(self.tried), len(counts))
            return made

        try:
            try_counts(counts, attempt)
        except (EstimatorError, InputError):
            if not self.tried:  # a finer split may be too much to enumerate, or have too few units
                raise
        self.tell("search", len(counts), len(counts))
        self.chosen = self.tried[0]
        some = contenders(self.tried)
        if len(some) > 1 and not some[0].silent and self.nulls:
            some = self._compare(some)
        self.chosen = choose(some)
        self.agreement = None if given else agreement(some, self.chosen)

    def _compare(self, some: list[Tried]) -> list[Tried]:
        """Search a few null networks for each number that may be the answer."""
        few = min(FEW_NULLS, self.nulls)
        compared: list[Tried] = []
        for place, each in enumerate(some):
            self.tell("number of modules", place, len(some))
            compared.append(each.with_nulls(self._null_scores(each, range(few))))
            self._replace(compared[-1])
        self.tell("number of modules", len(some), len(some))
        return compared

    def _null_scores(
        self, each: Tried, numbers: range, tell: Callable[[float], None] = lambda _: None
    ) -> list[float]:
        seeds = [each.settings.seed * 100_003 + number + 1 for number in numbers]
        scores: list[float] = []
        work = in_parallel(lambda draw: _null_score(self.scm, each.settings, draw), seeds)
        for score in work:
            if score is None:
                break
            scores.append(score)
            tell(score)
        return scores

    def _replace(self, new: Tried) -> None:
        self.tried = [new if each.k == new.k else each for each in self.tried]
        if self.chosen is not None and self.chosen.k == new.k:
            self.chosen = new

    def measure(self, *, curves: bool, stability: int) -> None:
        """Measure the exchange of the partition."""
        assert self.chosen is not None
        reading = Reading(self.scm, self.chosen.settings, self.estimator, self.chosen.found)
        self.reading = reading
        reading.measure(self.tell, curves=curves, stability=stability)

    def calibrate(self) -> None:
        """Search the null networks that are still missing."""
        assert self.chosen is not None
        chosen = self.chosen
        self.tell("null networks", len(chosen.nulls), self.nulls)

        def note(score: float) -> None:
            assert self.chosen is not None
            self._replace(self.chosen.with_nulls((*self.chosen.nulls, score)))
            self.tell("null networks", len(self.chosen.nulls), self.nulls)

        self._null_scores(chosen, range(len(chosen.nulls), self.nulls), note)

    def result(self, complete: bool) -> Modularity:
        """Put everything together; ``complete`` is False after an interruption."""
        chosen = self.chosen or min(self.tried, key=lambda each: each.found.score)
        reading = self.reading or Reading(self.scm, chosen.settings, self.estimator, chosen.found)
        one = not self.given and complete and not beats_chance(chosen.found, chosen.nulls)
        return reading.result(
            chosen,
            self.tried,
            complete=complete,
            one=one,
            given=self.given,
            agreement=self.agreement,
            seconds=self.watch.seconds,
        )
