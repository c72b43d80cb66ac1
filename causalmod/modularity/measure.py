"""modularity: search a network and its nulls alike, and compare."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from torch import Tensor

from causalmod.errors import CausalmodWarning, InputError, Interrupted
from causalmod.exchange import Exchange, exchange
from causalmod.exchange.choice import check_resolution
from causalmod.exchange.parallel import in_parallel
from causalmod.modularity.calibration import calibrate
from causalmod.modularity.pipeline import Found, Settings, search, settle
from causalmod.modularity.random_partitions import posts_ratio, random_exchanges
from causalmod.modularity.result import Modularity
from causalmod.partition import Partition
from causalmod.provenance import Stopwatch
from causalmod.scm import StructuralCausalModel
from causalmod.search import SearchBudget, null_network

Progress = Callable[[str, int, int], None]
RESOLUTIONS = (0.3, 1.0, 3.0)
_CURVE_DRAWS = 64
_TIES_SHOWN = 50


def modularity(
    scm: StructuralCausalModel,
    k: int = 2,
    *,
    budget: SearchBudget | None = None,
    nulls: int = 19,
    estimator: str = "auto",
    resolution: float = 1.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Modularity:
    """Find the partition into ``k`` modules that communicate least for what flows inside them.

    Each partition has a score ``S``, its cost ``c`` over the mean cost of random partitions with
    the
    same sizes per layer, where ``c`` is the worst module's ``X / (X + 2 int)``: ``X`` what it
    exchanges with the rest, ``int`` what flows inside. The best ``S`` of any network is below 1,
    since
    it is a minimum; so it is calibrated on null networks, searched alike::

        modularity = 1 - min S / mean over null networks of min S

    1 means no communication at all, 0 no better than chance; negative values are given as they are.

    Args:
        scm: the model.
        k: number of modules.
        budget: limits of each search.
        nulls: number of null networks; 0 for none (no calibrated score then).
        estimator: ``"auto"`` counts exactly where units take few values, else ranks with the
            Gaussian
            channel and reports pairwise bounds.
        resolution: noise scale in standard deviations of the reported figures.
        seed: seed of everything random.
        progress: called with (stage, steps done, steps in all).

    Returns:
        Modularity: search on one half of the rows, figures on the other (all rows when counting
        exactly or below 128 rows).

    Raises:
        InputError: no live unit, or ``k``, ``nulls`` or ``resolution`` out of range.
        Interrupted: Ctrl-C; ``.partial`` holds what was found.

    Example:
        >>> from causalmod import compile, zoo
        >>> case = zoo.isolated()
        >>> modularity(compile(case.model, case.inputs), nulls=0).raw
        1.0
    """
    watch = Stopwatch()
    if not isinstance(nulls, int) or nulls < 0:
        raise InputError(f"nulls is the number of null networks, 0 or more; given {nulls!r}")
    budget = budget or SearchBudget()
    settings = settle(scm, k, estimator, check_resolution(resolution), budget, seed)
    tell = progress or (lambda stage, done, total: None)
    tell("search", 0, 1)
    try:
        found = search(scm, settings)
    except KeyboardInterrupt as stop:
        raise Interrupted from stop
    tell("search", 1, 1)
    scores: list[float] = []
    state = _State(scm, settings, estimator, found, watch)
    try:
        state.measure(tell)
        tell("null networks", 0, nulls)
        seeds = [seed * 100_003 + number + 1 for number in range(nulls)]
        for score in in_parallel(lambda draw: _null_score(scm, settings, draw), seeds):
            if score is None:
                break
            scores.append(score)
            tell("null networks", len(scores), nulls)
    except KeyboardInterrupt as stop:
        raise Interrupted(state.result(tuple(scores), complete=False)) from stop
    return state.result(tuple(scores), complete=True)


def _null_score(scm: StructuralCausalModel, settings: Settings, seed: int) -> float | None:
    """Least ``S`` of one null network; None when the network has no weights to permute."""
    null = null_network(scm, seed)
    if null is None:
        return None
    try:
        return search(null, settings).score
    except InputError:  # too few live units are left to split: nothing modular about it
        return 1.0


class _State:
    """What is known so far of one network; turned into a result at any time."""

    def __init__(
        self,
        scm: StructuralCausalModel,
        settings: Settings,
        estimator: str,
        found: Found,
        watch: Stopwatch,
    ) -> None:
        self.scm, self.settings, self.found, self.watch = scm, settings, found, watch
        self.reporting = (
            estimator if estimator != "auto" else "exact" if settings.exact else "pairwise"
        )
        self.partition = as_partition(scm, found.labels)
        self.exchange: Exchange | None = None
        self.curve: dict[float, Exchange] = {}
        self.random: tuple[float, ...] = ()
        self.least = float("nan")

    def _exchange(self, resolution: float, draws: int | None = None) -> Exchange:
        return exchange(
            self.scm,
            self.partition,
            estimator=self.reporting,
            resolution=resolution,
            draws=draws,
            rows=self.settings.reported,
            seed=self.settings.seed + 3,
            held_out=self.settings.held_out,
            memory=self.settings.budget.memory,
            progress=False,
        )

    def measure(self, tell: Progress) -> None:
        """Measure the exchange of the partition, at several resolutions, and of random ones."""
        main = self.settings.resolution
        scales = [] if self.settings.exact else sorted({*RESOLUTIONS, main})
        steps = len(scales) + 2
        tell("measure", 0, steps)
        self.exchange = self._exchange(main)
        for number, resolution in enumerate(scales):
            tell("measure", number + 1, steps)
            with warnings.catch_warnings():  # that a finer reading saturates stands in the curve
                warnings.simplefilter("ignore", CausalmodWarning)
                self.curve[resolution] = (
                    self.exchange
                    if resolution == main
                    else self._exchange(resolution, _CURVE_DRAWS)
                )
        tell("measure", steps - 1, steps)
        self.least, self.random = random_exchanges(
            self.scm, self.settings, self.reporting, self.found.labels
        )
        tell("measure", steps, steps)

    def result(self, nulls: tuple[float, ...], complete: bool) -> Modularity:
        """Put everything together; ``complete`` is False after an interruption."""
        if self.exchange is None:
            self.exchange = self._exchange(self.settings.resolution)
        found = calibrate(self.found, nulls, complete)
        known = self.settings
        return Modularity(
            partition=self.partition,
            score=found.score,
            low=found.low,
            high=found.high,
            raw=1 - self.found.score,
            ratio=posts_ratio(self.least, self.random),
            p=found.p,
            null=found.null,
            null_scores=nulls,
            k=known.k,
            curve={known.k: found.score},
            exchange=self.exchange,
            resolution_curve=self.curve,
            random_exchange=self.random,
            compared_exchange=self.least,
            held_out=known.held_out,
            ties=tuple(as_partition(self.scm, tie) for tie in self.found.tied[:_TIES_SHOWN]),
            inert=dict(self.scm.units.inert),
            estimator=known.estimator,
            evaluations=self.found.evaluations,
            forward_rows=self.found.forward_rows,
            note=found.note,
            provenance=self.scm.provenance(known.seed, self.watch.seconds),
        )


def as_partition(scm: StructuralCausalModel, labels: Tensor) -> Partition:
    """Name modules ``A``, ``B``, ... in the order of their first unit."""
    order = {int(label): place for place, label in enumerate(dict.fromkeys(labels.tolist()))}
    modules: dict[str, list[str]] = {_letters(place): [] for place in range(len(order))}
    for name, label in zip(scm.units.names, labels.tolist(), strict=True):
        modules[_letters(order[label])].append(name)
    return Partition(modules)


def _letters(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else f"M{place + 1}"
