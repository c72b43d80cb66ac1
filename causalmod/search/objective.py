"""The objective: how much modules exchange against how much flows inside them, size for size.

See :mod:`causalmod.search.terms` for the formula.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.exchange.hybrid import CONTEXT, RESPOND, HybridRuns, Sample
from causalmod.information import ESTIMATORS
from causalmod.scm import StructuralCausalModel
from causalmod.search.journal import Journal, key_of
from causalmod.search.same_size import (
    SizeClass,
    class_size,
    labelled,
    shuffle_in_layers,
    size_class,
    whole_class,
)
from causalmod.search.terms import Terms, score_of
from causalmod.search.weighting import DEFAULT, weighting_of

__all__ = ["SAME_SIZE_DRAWS", "Objective", "Terms", "score_of", "shuffle_in_layers"]

SAME_SIZE_DRAWS = 32
_ROUNDING = 1e-7  # bits that a network in single precision may send where weights cancel
_AT_ONCE = 4  # draws of a size class after which their mean is looked at
_MANY = 3000  # units from which the mean is known after fewer
_SURE = 0.01  # standard error of that mean, relative, at which it is known well enough


class Objective:
    """Evaluates candidate partitions of one model on one sample.

    All candidates share rows and donors, so that differences between them are not noise.

    Args:
        scm: the model.
        sample: contexts, and as many donor streams as there are other modules.
        k: number of modules.
        estimator: what reads the responses.
        resolution: noise scale in standard deviations.
        seed: seed of the partitions of equal sizes.
        memory: bytes that the work may hold.
        dtype: precision of the readings.
        draws: most partitions of equal sizes to compare with; fewer where their mean is known to
            1%, all of them where there are no more.
        weighting: what the exchange is measured against.
        journal: where terms are looked up and noted.

    Raises:
        InputError: an unknown weighting, or memory for less than one candidate.
    """

    def __init__(
        self,
        scm: StructuralCausalModel,
        sample: Sample,
        k: int,
        *,
        estimator: str = "gaussian",
        resolution: float = 0.2,
        seed: int = 0,
        memory: int = 2 * 10**9,
        dtype: torch.dtype = torch.float64,
        draws: int = SAME_SIZE_DRAWS,
        weighting: str = DEFAULT,
        journal: Journal | None = None,
    ) -> None:
        self.k, self.units, self.weighting = k, scm.units, weighting
        self.scm, self.resolution = scm, resolution
        self._options: dict[str, Any] = {
            "estimator": estimator, "resolution": resolution, "seed": seed, "memory": memory,
            "dtype": dtype, "draws": draws, "weighting": weighting,
        }  # fmt: skip
        self._measure = weighting_of(weighting)
        self._draws = draws
        self._runs = HybridRuns(scm, sample, dtype=dtype, memory=memory)
        _check_memory(self._runs, memory)
        kind = ESTIMATORS.get(estimator)
        observed = self._runs.coordinates.observed()
        self._values, self._dtype = observed.values, dtype
        self._joint = kind.fit(None, observed, resolution)
        apart = self._runs.coordinates.observed_apart()
        self._apart = [
            kind.fit(None, o, resolution) if o.values.numel() else self._joint for o in apart
        ]
        self._seed = seed
        self._means: dict[SizeClass, Terms] = {}
        self._journal = journal
        self._key: tuple[object, ...] = ()
        if journal is not None:
            self._key = (
                *scm.digests, scm.units.names, k, estimator, resolution, weighting, dtype,
                key_of(sample.contexts, sample.donors),
            )  # fmt: skip
        self.evaluations = 0
        self._recalled = 0

    def on(self, sample: Sample) -> Objective:
        """Return the same objective on another sample, without a journal."""
        return Objective(self.scm, sample, self.k, **self._options)

    @property
    def forward_rows(self) -> int:
        """Rows of the network run so far, those that a journal has saved included."""
        return self._runs.rows_run + self._recalled

    @property
    def rows_of_one(self) -> int:
        """Rows of the network that the terms of one candidate take."""
        contexts, donors = self._runs.sample.shape
        return contexts * donors * self.k * (2 if self.k == 2 else 3)

    def terms(self, labels: Tensor) -> Terms:
        """Evaluate partitions ``[partition, unit]`` of module numbers below ``k``."""
        self.evaluations += len(labels)
        return self._terms(labels)

    def _terms(self, labels: Tensor) -> Terms:
        if self._journal is None:
            return self._measured(labels)
        keys = [key_of(*self._key, each) for each in labels]
        known = [self._recall(key) for key in keys]
        new = [place for place, terms in enumerate(known) if terms is None]
        if new:
            made = self._measured(labels[new])
            for place, number in enumerate(new):
                known[number] = one = made[place : place + 1]
                values = (one.received, one.rest, one.inside, one.entropy)
                self._journal.put(keys[number], [None if v is None else v.tolist() for v in values])
        return Terms.joined([terms for terms in known if terms is not None])

    def _recall(self, key: str) -> Terms | None:
        found = None if self._journal is None else self._journal.get(key)
        if found is None:
            return None
        received, rest, inside = (torch.tensor(each, dtype=self._dtype) for each in found[:3])
        entropy = None if found[3] is None else torch.tensor(found[3], dtype=self._dtype)
        self._recalled += self.rows_of_one
        return Terms(received, rest, inside, entropy, self.weighting)

    def _measured(self, labels: Tensor) -> Terms:
        count, k = len(labels), self.k
        modules = torch.arange(k)
        own = labels[:, None, :] == modules[None, :, None]  # [partition, module, unit]
        stream = torch.where(
            labels[:, None, :] < modules[None, :, None], labels[:, None, :], labels[:, None, :] - 1
        )
        flat = own.flatten(0, 1)
        received = torch.where(own, RESPOND, stream).flatten(0, 1)
        inside = torch.where(own, 0, CONTEXT).flatten(0, 1)
        shape = (count, k, -1)
        into = self._runs.joint(self._joint, received, flat).bits.reshape(shape)
        within = self._runs.apart(self._apart, inside, flat).reshape(shape)
        if k == 2:
            rest = into.flip(1)
        else:
            complement = torch.where(own, 0, RESPOND).flatten(0, 1)
            rest = self._runs.joint(self._joint, complement, ~flat).bits.reshape(shape)
        entropy = self._entropies(own) if self._measure.entropy else None
        into, rest, within = (
            torch.where(each < _ROUNDING, 0.0, each).to(self._dtype)
            for each in (into, rest, within)
        )
        return Terms(into, rest, within, entropy, self.weighting)

    def _entropies(self, own: Tensor) -> Tensor:
        """The smaller entropy of module and rest: ``[partition, module, context]``."""
        sample, unit_of = self._runs.sample, self._runs.coordinates.unit_of
        drawn = self._values[sample.donors[0]].to(self._dtype)
        found = []
        for members in own.flatten(0, 1):
            keep = members[unit_of]
            sides = [
                self._joint.some(side).response(drawn[..., side], sample.weights).bits
                for side in (keep, ~keep)
                if bool(side.any())
            ]
            found.append(torch.stack(sides).amin(0))
        return torch.stack(found).reshape(*own.shape[:2], -1).to(self._dtype)

    def size_class(self, labels: Tensor) -> SizeClass:
        """Modules' unit counts per layer, in an order that does not depend on module names."""
        return size_class(labels, self.units.layer, self.k)

    def same_size(self, labels: Tensor) -> Terms:
        """Terms of random partitions with the same sizes per layer, kept per size class.

        Neighbouring classes share their shuffles, so that they differ by little else than size.
        """
        key = self.size_class(labels)
        if key not in self._means:
            self._means[key] = self._drawn(key)
        return self._means[key]

    def learn(self, labels: Tensor, terms: Terms) -> None:
        """Take the terms of all partitions of a size class from somebody who has them."""
        self._means[self.size_class(labels)] = terms

    def _drawn(self, key: SizeClass) -> Terms:
        """Measure a class; it is part of scoring one candidate, and no evaluation of its own."""
        layer = self.units.layer
        if class_size(key) <= self._draws:
            return self._terms(whole_class(key, layer))
        generator = torch.Generator().manual_seed(self._seed)
        drawn = shuffle_in_layers(labelled(key, layer), layer, self._draws, generator)
        found: list[Terms] = []
        for some in drawn.split(_AT_ONCE if len(self.units) <= _MANY else _AT_ONCE // 2):
            found.append(self._terms(some))
            costs = Terms.joined(found).costs()
            if float(costs.std()) <= _SURE * len(costs) ** 0.5 * float(costs.mean()):
                break
        return Terms.joined(found)

    def score(self, labels: Tensor, terms: Terms | None = None) -> float:
        """``S`` of one partition ``[unit]``."""
        own = self.terms(labels[None]) if terms is None else terms
        compared = self._measure.same_size and not bool(own.silent()[0])
        return score_of(own, self.same_size(labels) if compared else None)


def _check_memory(runs: HybridRuns, memory: int) -> None:
    """Refuse memory that does not hold the run of one candidate."""
    contexts, donors = runs.sample.shape
    width = max(int(runs.coordinates.unit_of.numel()), donors)
    at_a_time = 1 if runs.staged is not None else contexts
    least = at_a_time * donors * width * 8 * (6 + 2 * len(runs.sample.donors))
    if memory < least:
        raise InputError(
            f"one candidate partition takes {least / 1e6:.2g} MB to evaluate, and the search may "
            f"hold {memory / 1e6:.2g} MB at a time: give it SearchBudget(memory=...) of at least "
            f"{4 * least / 1e6:.2g} MB"
        )
