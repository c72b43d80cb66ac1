"""The objective: how much modules exchange against how much flows inside them, size for size.

X(m)   = in(m) + in(rest)           what module m exchanges with the rest
int(m) = sum of what each unit of m receives from the others of m
c(m)   = X(m) / (X(m) + 2 int(m)),  1 when int(m) = 0
c      = max over modules
S      = c / mean c over random partitions with the same sizes per layer
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from causalmod.exchange.hybrid import CONTEXT, RESPOND, HybridRuns, Sample
from causalmod.information import ESTIMATORS
from causalmod.scm import StructuralCausalModel

SAME_SIZE_DRAWS = 32


@dataclass(frozen=True)
class Terms:
    """Bits in each context: ``[partition, module, context]``.

    Attributes:
        received: ``in(m)``.
        rest: ``in(V - m)``.
        inside: ``int(m)``.
    """

    received: Tensor
    rest: Tensor
    inside: Tensor

    def __getitem__(self, which: slice | Tensor) -> Terms:
        return Terms(self.received[which], self.rest[which], self.inside[which])

    def costs(self, contexts: Tensor | None = None) -> Tensor:
        """``c`` of each partition, over some of the contexts (all by default)."""
        pick = slice(None) if contexts is None else contexts
        crossing = (self.received + self.rest)[..., pick].mean(-1).clamp_min(0)
        inside = self.inside[..., pick].mean(-1).clamp_min(0)
        share = crossing / (crossing + 2 * inside).clamp_min(1e-300)
        return torch.where(inside > 0, share, 1.0).amax(-1)

    def silent(self) -> Tensor:
        """Bool: exchange exactly 0, and something flows inside every module."""
        quiet = (self.received == 0).all(-1).all(-1) & (self.rest == 0).all(-1).all(-1)
        return quiet & (self.inside.mean(-1) > 0).all(-1)


class Objective:
    """Evaluates candidate partitions of one model on one sample.

    All candidates share rows and donors, so that differences between them are not noise.
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
    ) -> None:
        self.k = k
        self._draws = draws
        self.units = scm.units
        self._runs = HybridRuns(scm, sample, dtype=dtype, memory=memory)
        kind = ESTIMATORS.get(estimator)
        self._joint = kind.fit(None, self._runs.coordinates.observed(), resolution)
        apart = self._runs.coordinates.observed_apart()
        self._apart = [
            kind.fit(None, o, resolution) if o.values.numel() else self._joint for o in apart
        ]
        self._seed = seed
        self._means: dict[tuple[tuple[int, ...], ...], Terms | None] = {}
        self.evaluations = 0

    @property
    def forward_rows(self) -> int:
        """Rows of the network run so far."""
        return self._runs.rows_run

    def terms(self, labels: Tensor) -> Terms:
        """Evaluate partitions ``[partition, unit]`` of module numbers below ``k``."""
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
        self.evaluations += count
        return Terms(into, rest, within)

    def size_class(self, labels: Tensor) -> tuple[tuple[int, ...], ...]:
        """Modules' unit counts per layer, in an order that does not depend on module names."""
        layers = int(self.units.layer.max()) + 1
        counts = [
            tuple(torch.bincount(self.units.layer[labels == m], minlength=layers).tolist())
            for m in range(self.k)
        ]
        return tuple(sorted(counts))

    def same_size(self, labels: Tensor) -> Terms:
        """Terms of random partitions with the same sizes per layer, kept per size class."""
        key = self.size_class(labels)
        if key not in self._means:
            generator = torch.Generator().manual_seed(self._seed)
            self._means[key] = self.terms(
                shuffle_in_layers(labels, self.units.layer, self._draws, generator)
            )
            self.evaluations -= self._draws  # they are part of scoring one candidate
        found = self._means[key]
        assert found is not None
        return found

    def score(self, labels: Tensor, terms: Terms | None = None) -> float:
        """``S`` of one partition ``[unit]``."""
        own = self.terms(labels[None]) if terms is None else terms
        return score_of(own, self.same_size(labels) if not bool(own.silent()[0]) else None)


def score_of(own: Terms, same_size: Terms | None, contexts: Tensor | None = None) -> float:
    """``S`` from the terms of one partition and of its size class."""
    if same_size is None or bool(own.silent()[0]):
        return 0.0
    mean = float(same_size.costs(contexts).mean())
    return 1.0 if mean == 0 else float(own.costs(contexts)[0]) / mean


def shuffle_in_layers(
    labels: Tensor, layer: Tensor, draws: int, generator: torch.Generator
) -> Tensor:
    """Shuffle module labels among the units of each layer: ``[draw, unit]``."""
    shuffled = labels.repeat(draws, 1)
    for number in layer.unique():
        places = (layer == number).nonzero().flatten()
        order = torch.rand(draws, len(places), generator=generator).argsort(1)
        shuffled[:, places] = labels[places][order]
    return shuffled
