"""modularity: search a network and its nulls alike, and compare."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from causalmod.errors import InputError, Interrupted
from causalmod.exchange import Exchange, exchange
from causalmod.exchange.choice import check_resolution, parse_memory
from causalmod.exchange.hybrid import RESPOND, HybridRuns, draw_sample
from causalmod.information import ESTIMATORS
from causalmod.modularity.parallel import in_parallel
from causalmod.modularity.pipeline import Found, Settings, enumerate_all, search, settle
from causalmod.modularity.result import Modularity
from causalmod.partition import Partition
from causalmod.provenance import Stopwatch
from causalmod.scm import StructuralCausalModel
from causalmod.search import SearchBudget, null_network, score_of

Progress = Callable[[str, int, int], None]
RESOLUTIONS = (0.3, 1.0, 3.0)
_RANDOM = 60
_JACKKNIFE = 8


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

    Each partition has a score ``S``, its cost ``c`` over the mean cost of random partitions with the
    same sizes per layer, where ``c`` is the worst module's ``X / (X + 2 int)``: ``X`` what it
    exchanges with the rest, ``int`` what flows inside. The best ``S`` of any network is below 1, since
    it is a minimum; so it is calibrated on null networks, searched alike::

        modularity = 1 - min S / mean over null networks of min S

    1 means no communication at all, 0 no better than chance; negative values are given as they are.

    Args:
        scm: the model.
        k: number of modules.
        budget: limits of each search.
        nulls: number of null networks; 0 for none (no calibrated score then).
        estimator: ``"auto"`` counts exactly where units take few values, else ranks with the Gaussian
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

    def _exchange(self, resolution: float) -> Exchange:
        return exchange(
            self.scm, self.partition, estimator=self.reporting, resolution=resolution,
            rows=self.settings.reported, seed=self.settings.seed + 3, held_out=self.settings.held_out,
            memory=self.settings.budget.memory,
        )  # fmt: skip

    def measure(self, tell: Progress) -> None:
        """Measure the exchange of the partition, at several resolutions, and of random ones."""
        steps = len(RESOLUTIONS) + 2
        tell("measure", 0, steps)
        self.exchange = self._exchange(self.settings.resolution)
        scales = () if self.settings.exact else RESOLUTIONS
        for number, resolution in enumerate(scales):
            tell("measure", number + 1, steps)
            same = resolution == self.settings.resolution
            self.curve[resolution] = self.exchange if same else self._exchange(resolution)
        tell("measure", steps - 1, steps)
        self.least, self.random = random_exchanges(
            self.scm, self.settings, self.reporting, self.found.labels
        )
        tell("measure", steps, steps)

    def result(self, nulls: tuple[float, ...], complete: bool) -> Modularity:
        """Put everything together; ``complete`` is False after an interruption."""
        if self.exchange is None:
            self.exchange = self._exchange(self.settings.resolution)
        raw_score = self.found.score
        score, low, high, p, kind, note = _calibrate(self.found, nulls, complete)
        mean = sum(self.random) / len(self.random) if self.random else float("nan")
        ratio = (
            float("inf")
            if self.least == 0 and mean > 0
            else mean / self.least
            if self.least
            else 1.0
        )
        names = self.settings
        return Modularity(
            partition=self.partition, score=score, low=low, high=high, raw=1 - raw_score, ratio=ratio,
            p=p, null=kind, null_scores=nulls, k=names.k, curve={names.k: score},
            exchange=self.exchange, resolution_curve=self.curve, random_exchange=self.random,
            held_out=names.held_out, ties=tuple(as_partition(self.scm, t) for t in self.found.tied[:50]),
            inert=dict(self.scm.units.inert), estimator=names.estimator,
            evaluations=self.found.evaluations, forward_rows=self.found.forward_rows, note=note,
            provenance=self.scm.provenance(names.seed, self.watch.seconds),
        )  # fmt: skip


def _calibrate(
    found: Found, nulls: tuple[float, ...], complete: bool
) -> tuple[float | None, float | None, float | None, float | None, str, str]:
    """Return score, interval, p, kind of null, note."""
    best = found.score
    silent = bool(found.own.silent()[0])
    if not complete:
        return None, None, None, None, "none", f"interrupted after {len(nulls)} null networks"
    if not nulls:
        why = "no null networks were asked for, or the network has no weights to permute"
        return (
            (1.0, 1.0, 1.0, None, "none", why) if silent else (None, None, None, None, "none", why)
        )
    mean = sum(nulls) / len(nulls)
    p = (1 + sum(score <= best + 1e-12 for score in nulls)) / (1 + len(nulls))
    if silent and mean == 0:
        return 1.0, 1.0, 1.0, None, "architecture", "the architecture alone forbids communication"
    if silent:
        return 1.0, 1.0, 1.0, p, "permuted weights", ""
    if mean == 0:
        return None, None, None, p, "permuted weights", "every null network splits without exchange"
    half = _half_width(found, nulls)
    score = 1 - best / mean
    return score, score - half, score + half, p, "permuted weights", ""


def _half_width(found: Found, nulls: tuple[float, ...]) -> float:
    """Half a 95% interval of ``S / mean null S``: contexts by jackknife, null networks by t."""
    from scipy.stats import t

    contexts = found.own.received.shape[-1]
    groups = min(_JACKKNIFE, contexts)
    part = torch.arange(contexts) % groups
    left_out = torch.tensor(
        [
            score_of(found.own, found.same_size, (part != g).nonzero().flatten())
            for g in range(groups)
        ]
    )
    score_error = float(
        ((groups - 1) / groups * (left_out - left_out.mean()).square().sum()).sqrt()
    )
    sample = torch.tensor(nulls, dtype=torch.float64)
    mean = float(sample.mean())
    null_error = float(sample.std() / len(nulls) ** 0.5) if len(nulls) > 1 else 0.0
    relative = ((score_error / mean) ** 2 + (found.score * null_error / mean**2) ** 2) ** 0.5
    return float(t.ppf(0.975, max(min(groups, len(nulls)) - 1, 1))) * relative


def as_partition(scm: StructuralCausalModel, labels: Tensor) -> Partition:
    """Name modules ``A``, ``B``, ... in the order of their first unit."""
    order = {int(label): place for place, label in enumerate(dict.fromkeys(labels.tolist()))}
    modules: dict[str, list[str]] = {_letters(place): [] for place in range(len(order))}
    for name, label in zip(scm.units.names, labels.tolist(), strict=True):
        modules[_letters(order[label])].append(name)
    return Partition(modules)


def _letters(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else f"M{place + 1}"


def random_partitions(units: int, k: int, count: int, seed: int) -> Tensor:
    """Uniform labelled partitions with no empty module: ``[partition, unit]``."""
    generator = torch.Generator().manual_seed(seed)
    found: list[Tensor] = []
    while len(found) < count:
        labels = torch.randint(k, (units,), generator=generator)
        if len(labels.unique()) == k:
            found.append(labels)
    return torch.stack(found)


def random_exchanges(
    scm: StructuralCausalModel, settings: Settings, estimator: str, best: Tensor
) -> tuple[float, tuple[float, ...]]:
    """Exchange (bits) of the best and of random partitions, all on one sample of reported rows."""
    if settings.exact:
        sample = enumerate_all(scm, settings.reported, settings.k - 1)
    else:
        sample = draw_sample(settings.reported, 24, 64, settings.k - 1, settings.seed + 4)
    runs = HybridRuns(scm, sample, memory=parse_memory(settings.budget.memory) // 4)
    fitted = ESTIMATORS.get(estimator).fit(None, runs.coordinates.observed(), settings.resolution)
    labels = torch.cat(
        [best[None], random_partitions(len(best), settings.k, _RANDOM, settings.seed)]
    )
    modules = torch.arange(settings.k)[None, :, None]
    own = labels[:, None, :] == modules
    stream = torch.where(labels[:, None, :] < modules, labels[:, None, :], labels[:, None, :] - 1)
    states = torch.where(own, RESPOND, stream).flatten(0, 1)
    bits = runs.joint(lambda r: fitted.response(r, sample.weights), states, own.flatten(0, 1)).bits
    totals = bits.mean(-1).reshape(len(labels), settings.k).sum(1).tolist()
    return totals[0], tuple(totals[1:])
