"""What is read of the best partition: its exchange, at several resolutions and among others."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

from torch import Tensor

from causalmod.errors import CausalmodWarning
from causalmod.exchange import Exchange, exchange
from causalmod.modularity.calibration import calibrate
from causalmod.modularity.modules_count import Tried
from causalmod.modularity.pipeline import Found, Settings, margins_of, stability_of
from causalmod.modularity.random_partitions import posts_ratio, random_exchanges
from causalmod.modularity.result import Modularity
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel

RESOLUTIONS = (0.3, 1.0, 3.0)
_CURVE_DRAWS = 64
_TIES_SHOWN = 50


class Reading:
    """Figures of one partition, as far as they have been measured."""

    def __init__(
        self, scm: StructuralCausalModel, settings: Settings, estimator: str, found: Found
    ) -> None:
        self.scm, self.settings, self.found = scm, settings, found
        self.reporting = (
            estimator if estimator != "auto" else "exact" if settings.exact else "pairwise"
        )
        self.partition = as_partition(scm, found.labels)
        self.exchange: Exchange | None = None
        self.curve: dict[float, Exchange] = {}
        self.random: tuple[float, ...] = ()
        self.least = float("nan")
        self.margins: dict[str, float] = {}
        self.unclear: tuple[str, ...] = ()
        self.stability: float | None = None

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

    def measure(
        self, tell: Callable[[str, int, int], None], *, curves: bool, stability: int
    ) -> None:
        """Measure the exchange; with ``curves`` also at other resolutions and among random ones."""
        if stability:
            tell("stability", 0, 1)
            self.stability = stability_of(self.scm, self.settings, self.found.labels, stability)
            tell("stability", 1, 1)
        main = self.settings.resolution
        if not curves:
            tell("measure", 0, 1)
            self.exchange = self._exchange(main)
            tell("measure", 1, 1)
            return
        scales = [] if self.settings.exact else sorted({*RESOLUTIONS, main})
        steps = len(scales) + 3
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
        tell("measure", steps - 2, steps)
        self.margins, self.unclear = margins_of(self.scm, self.settings, self.found.labels)
        tell("measure", steps - 1, steps)
        self.least, self.random = random_exchanges(
            self.scm, self.settings, self.reporting, self.found.labels
        )
        tell("measure", steps, steps)

    def result(
        self,
        chosen: Tried,
        tried: Sequence[Tried],
        *,
        complete: bool,
        one: bool,
        given: bool,
        agreement: float | None,
        seconds: float,
    ) -> Modularity:
        """Put everything together.

        Args:
            chosen: the number of modules taken, with all of its null networks.
            tried: all numbers tried.
            complete: False after an interruption.
            one: is the best split no better than chance, so that the answer is one module?
            given: was the number asked for?
            agreement: share of subsets of the rows with the same number.
            seconds: time that everything took.
        """
        if self.exchange is None:
            self.exchange = self._exchange(self.settings.resolution)
        found = calibrate(self.found, chosen.nulls, complete)
        known = self.settings
        curve = {each.k: each.calibrated().score for each in tried}
        return Modularity(
            partition=Partition.whole(self.scm.units.names) if one else self.partition,
            score=found.score,
            low=found.low,
            high=found.high,
            raw=1 - self.found.score,
            ratio=posts_ratio(self.least, self.random),
            p=found.p,
            null=found.null,
            null_scores=chosen.nulls,
            k=1 if one else known.k,
            curve={**curve, known.k: found.score},
            split_scores={each.k: each.found.score for each in tried},
            split_nulls={each.k: each.nulls for each in tried},
            chosen=not given,
            agreement=agreement,
            exchange=self.exchange,
            resolution_curve=self.curve,
            random_exchange=self.random,
            compared_exchange=self.least,
            held_out=known.held_out,
            ties=tuple(as_partition(self.scm, tie) for tie in self.found.tied[:_TIES_SHOWN]),
            inert=dict(self.scm.units.inert),
            margins=self.margins,
            unclear=self.unclear,
            stability=self.stability,
            weighting=known.weighting,
            estimator=known.estimator,
            evaluations=sum(each.found.evaluations for each in tried),
            forward_rows=sum(each.found.forward_rows for each in tried),
            note=found.note,
            provenance=self.scm.provenance(known.seed, seconds),
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
