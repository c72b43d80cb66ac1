"""Pairwise distances: lower and upper bounds on information through Gaussian noise."""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.information.estimators.gaussian import standardise
from causalmod.information.protocol import DUST, ESTIMATORS, Bounds, Estimator, Observed

_CHUNK = 2**25  # entries of a distance matrix held at a time
_POOL = 2048  # draws of the mixture over all donors


@ESTIMATORS.register("pairwise")
class PairwiseBounds(Estimator):
    """Bounds on the entropy of a mixture of equal Gaussians, from distances between their centres.

    With ``d`` in noise scales and equal weights over ``N`` draws,
    ``I >= -mean_i log2 mean_j exp(-d_ij^2 / 8)`` (Bhattacharyya distance) and
    ``I <= -mean_i log2 mean_j exp(-d_ij^2 / 2)`` (Kullback-Leibler divergence).
    Source: Kolchinsky and Tracey, Entropy 19(7):361 (2017), equations 10, 12 and 13.
    """

    name = "pairwise"
    paper = "Kolchinsky and Tracey (2017)"

    def __init__(self, source_noise: Tensor | None, target_noise: Tensor) -> None:
        self._source_noise = source_noise
        self._target_noise = target_noise

    @classmethod
    def fit(cls, source: Observed | None, target: Observed, resolution: float) -> PairwiseBounds:
        """See :meth:`Estimator.fit`."""
        noise = None if source is None else resolution * source.scale
        return cls(noise, resolution * target.scale)

    def response(self, responses: Tensor, weights: Tensor | None = None) -> Bounds:
        """See :meth:`Estimator.response`."""
        return mixture_bounds(standardise(responses.double(), self._target_noise), weights)

    def shared(self, source: Tensor, target: Tensor) -> Bounds:
        """See :meth:`Estimator.shared`; noise is added to both sides.

        ``I(B;C) = H(B) + H(C) - H(B,C)``, each entropy bounded from both sides.
        """
        assert self._source_noise is not None
        left = standardise(source.double(), self._source_noise)
        right = standardise(target.double(), self._target_noise)
        return _difference(
            [mixture_bounds(left), mixture_bounds(right)],
            mixture_bounds(torch.cat([left, right], dim=-1)),
        )

    def averaged(self, source: Tensor, responses: Tensor) -> Bounds:
        """See :meth:`Estimator.averaged`: ``H(C) - sum_b P(b) H(C | do(b))``, both bounded."""
        scaled = responses.double() / self._target_noise
        pool = scaled.flatten(0, 1)
        stride = -(-len(pool) // _POOL)  # evenly over donors and contexts
        total = mixture_bounds(standardise(pool[::stride], None))
        each = mixture_bounds(standardise(scaled, None))
        assert each.upper is not None
        return _difference([total], Bounds(each.bits.mean(), each.upper.mean()))


def _difference(positive: list[Bounds], negative: Bounds) -> Bounds:
    assert negative.upper is not None
    low = sum((b.bits for b in positive), start=torch.zeros(())) - negative.upper
    high = (
        sum((b.upper for b in positive if b.upper is not None), start=torch.zeros(()))
        - negative.bits
    )
    return Bounds(low.clamp_min(0), high.clamp_min(0))


def mixture_bounds(scaled: Tensor, weights: Tensor | None = None) -> Bounds:
    """Bounds ``[...]`` for mixtures with centres ``[..., draw, coordinate]`` in noise scales."""
    lead, (draws, width) = scaled.shape[:-2], scaled.shape[-2:]
    flat = scaled.reshape(-1, draws, width)
    share = None if weights is None else weights.double() / weights.sum()
    step = max(1, _CHUNK // max(draws * draws, 1))
    lows: list[Tensor] = []
    highs: list[Tensor] = []
    for part in flat.split(step):
        squared = _squared_distances(part)
        lows.append(_bound(squared, 8.0, share))
        highs.append(_bound(squared, 2.0, share))
    return Bounds(torch.cat(lows).reshape(lead), torch.cat(highs).reshape(lead))


def _squared_distances(centres: Tensor) -> Tensor:
    """Exact zeros where centres are equal: measured from the first draw, in double precision."""
    gram = centres @ centres.mT
    square = gram.diagonal(dim1=-2, dim2=-1)
    squared = square[..., :, None] + square[..., None, :] - 2 * gram
    # cancellation leaves about 1e-15 of the squares; what is below that or DUST is no distance
    floor = torch.clamp(square.amax(-1) * 1e-13, min=DUST**2)[..., None, None]
    return torch.where(squared < floor, 0.0, squared)


def _bound(squared: Tensor, divisor: float, share: Tensor | None) -> Tensor:
    kernel = (squared / -divisor).exp()
    if share is None:
        return -kernel.mean(-1).log2().mean(-1) + 0.0
    return -((kernel * share).sum(-1).clamp_max(1).log2() * share).sum(-1) + 0.0
