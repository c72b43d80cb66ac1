"""Terms: the bits that the score of a partition is made of.

X(m)   = in(m) + in(rest)           what module m exchanges with the rest
int(m) = sum of what each unit of m receives from the others of m
c(m)   = X(m) / (X(m) + 2 int(m)),  1 when int(m) = 0
c      = max over modules
S      = c / mean c over random partitions with the same sizes per layer
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from causalmod.search.weighting import DEFAULT, Means, weighting_of


@dataclass(frozen=True)
class Terms:
    """Bits in each context: ``[partition, module, context]``.

    Attributes:
        received: ``in(m)``.
        rest: ``in(V - m)``.
        inside: ``int(m)``.
        entropy: the smaller of ``H(m)`` and ``H(V - m)``, where the weighting asks for it.
        weighting: what the exchange is measured against.
    """

    received: Tensor
    rest: Tensor
    inside: Tensor
    entropy: Tensor | None = None
    weighting: str = DEFAULT

    def __len__(self) -> int:
        return len(self.received)

    def __getitem__(self, which: slice | Tensor) -> Terms:
        entropy = None if self.entropy is None else self.entropy[which]
        return Terms(
            self.received[which], self.rest[which], self.inside[which], entropy, self.weighting
        )

    @classmethod
    def joined(cls, parts: Sequence[Terms]) -> Terms:
        """Put the terms of several partitions one after another."""
        entropies = [part.entropy for part in parts if part.entropy is not None]
        return cls(
            torch.cat([part.received for part in parts]),
            torch.cat([part.rest for part in parts]),
            torch.cat([part.inside for part in parts]),
            torch.cat(entropies) if entropies else None,
            parts[0].weighting,
        )

    def costs(self, contexts: Tensor | None = None) -> Tensor:
        """Cost of each partition (``c`` by default), over some of the contexts (all by default)."""
        pick = slice(None) if contexts is None else contexts
        entropy = None if self.entropy is None else self.entropy[..., pick].mean(-1)
        means = Means(
            self.received[..., pick].mean(-1).clamp_min(0),
            (self.received + self.rest)[..., pick].mean(-1).clamp_min(0),
            self.inside[..., pick].mean(-1).clamp_min(0),
            entropy,
        )
        return weighting_of(self.weighting).cost(means)

    def silent(self) -> Tensor:
        """Bool: exchange exactly 0, and something flows inside every module."""
        quiet = (self.received == 0).all(-1).all(-1) & (self.rest == 0).all(-1).all(-1)
        return quiet & (self.inside.mean(-1) > 0).all(-1)


def score_of(own: Terms, same_size: Terms | None, contexts: Tensor | None = None) -> float:
    """``S`` from the terms of one partition and of its size class."""
    if bool(own.silent()[0]):
        return 0.0
    cost = float(own.costs(contexts)[0])
    if not weighting_of(own.weighting).same_size:
        return cost
    if same_size is None:
        return 0.0
    mean = float(same_size.costs(contexts).mean())
    return 1.0 if mean == 0 else cost / mean
