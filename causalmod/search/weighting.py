"""Weightings: what the exchange of a partition is measured against.

====================  ==========================================================================
``"internal"``        ``S`` of the theory: the worst module's ``X / (X + 2 int)``, over its mean
                      among random partitions with the same sizes per layer (default)
``"size"``            exchange over its mean among such partitions; a weak unit or a cut between
                      layers can win
``"entropy"``         the worst module's exchange over the smaller entropy of the two sides, as in
                      the minimum information bipartition of Tononi and Sporns (2003)
``"cut"``             sum over modules of ``X / (X + 2 int)``: the normalised cut of Shi and Malik
                      (2000), with information in place of weights
``"none"``            exchange in bits; the most uneven partition wins as a rule
====================  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.errors import InputError, nearest

DEFAULT = "internal"


class Means(NamedTuple):
    """Means over contexts ``[partition, module]``, in bits.

    Attributes:
        received: ``in(m)``.
        crossing: ``X(m)``.
        inside: ``int(m)``.
        entropy: the smaller of ``H(m)`` and ``H(rest)``, where the weighting asks for it.
    """

    received: Tensor
    crossing: Tensor
    inside: Tensor
    entropy: Tensor | None


class Weighting(NamedTuple):
    """How a partition's terms become one number, the less the better.

    Attributes:
        cost: of each partition.
        same_size: is it divided by its mean over partitions of the same sizes per layer?
        entropy: does it need entropies?
    """

    cost: Callable[[Means], Tensor]
    same_size: bool = False
    entropy: bool = False


def _shares(means: Means) -> Tensor:
    share = means.crossing / (means.crossing + 2 * means.inside).clamp_min(1e-300)
    return torch.where(means.inside > 0, share, 1.0)


def _over_entropy(means: Means) -> Tensor:
    assert means.entropy is not None
    share = means.crossing / (2 * means.entropy).clamp_min(1e-300)
    return torch.where(means.entropy > 0, share, 1.0).amax(-1)


WEIGHTINGS: dict[str, Weighting] = {
    "internal": Weighting(lambda means: _shares(means).amax(-1), same_size=True),
    "size": Weighting(lambda means: means.received.sum(-1), same_size=True),
    "entropy": Weighting(_over_entropy, entropy=True),
    "cut": Weighting(lambda means: _shares(means).sum(-1)),
    "none": Weighting(lambda means: means.received.sum(-1)),
}


def weighting_of(name: str) -> Weighting:
    """Return a weighting by its name.

    Raises:
        InputError: no weighting has that name; the nearest is suggested.
    """
    if name not in WEIGHTINGS:
        raise InputError(f"unknown weighting {name!r}: {nearest(str(name), WEIGHTINGS)}")
    return WEIGHTINGS[name]
