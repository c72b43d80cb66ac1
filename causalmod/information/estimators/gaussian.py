"""Gaussian channel: smooth, cheap, never saturates; for ranking, not for bits of discrete signals.

Its figures are no bits of a discrete signal: a fair bit reads 3.33 at resolution 0.1.
"""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.information.bins import BINS, BinsLike
from causalmod.information.protocol import (
    DUST,
    ESTIMATORS,
    MERGE,
    Bounds,
    Estimator,
    Observed,
)

_ROUNDING = 1e-3  # error of a variance, in that of the noise, that is let pass


@ESTIMATORS.register("gaussian")
class GaussianChannel(Estimator):
    """Information through additive noise, as if the signal were Gaussian.

    ``I = 1/2 log2 det(I + S / s^2)`` bits, with ``S`` the covariance of the response over donors
    and ``s = resolution × standard deviation`` of each unit. An upper bound on the information of
    the noisy channel: of all signals with one covariance, the Gaussian has the largest entropy.

    Source: Cover and Thomas, *Elements of Information Theory* (2006), sections 8.4 and 9.4.
    """

    name = "gaussian"
    by_distance = True
    paper = "Shannon (1948)"
    assumes = "noise of the resolution; signals near Gaussian (an upper bound on others)"
    cost = "n d min(n, d)"

    def __init__(self, source_noise: Tensor | None, target_noise: Tensor) -> None:
        self._source_noise = source_noise
        self._target_noise = target_noise

    @classmethod
    def fit(
        cls, source: Observed | None, target: Observed, resolution: float, bins: BinsLike = BINS
    ) -> GaussianChannel:
        """See :meth:`Estimator.fit`."""
        noise = None if source is None else resolution * source.scale
        return cls(noise, resolution * target.scale)

    def unbiased(self, responses: Tensor) -> Bounds:
        """See :meth:`Estimator.unbiased`; wide signals are read off their distances, found once."""
        donors, width = responses.shape[-2:]
        if width <= donors:
            return super().unbiased(responses)
        return self.from_distances(self.distances(responses), unbiased=True)

    def distances(self, responses: Tensor) -> Tensor:
        """See :meth:`Estimator.distances`."""
        scaled = standardise(responses, self._target_noise)
        return from_products(scaled @ scaled.mT)

    def from_distances(self, squared: Tensor, *, unbiased: bool = False) -> Bounds:
        """See :meth:`Estimator.from_distances`; products of centred values follow from these."""
        whole = channel_bits_of(squared)
        middle = squared.shape[-1] // 2
        if not unbiased or middle < 2:
            return Bounds(whole)
        first = channel_bits_of(squared[..., :middle, :middle])
        second = squared[..., middle : 2 * middle, middle : 2 * middle]
        return Bounds(2 * whole - (first + channel_bits_of(second)) / 2)

    def some(self, keep: Tensor) -> GaussianChannel:
        """See :meth:`Estimator.some`."""
        return type(self)(self._source_noise, self._target_noise[keep])

    def response(self, responses: Tensor, weights: Tensor | None = None) -> Bounds:
        """See :meth:`Estimator.response`."""
        return Bounds(channel_bits(standardise(responses, self._target_noise), weights))

    def shared(self, source: Tensor, target: Tensor) -> Bounds:
        """See :meth:`Estimator.shared`; noise is added to both sides."""
        if self._source_noise is None:
            raise EstimatorError("fit the estimator with a source to measure what is shared")
        left = standardise(source.double(), self._source_noise)
        right = standardise(target.double(), self._target_noise)
        joint = channel_bits(torch.cat([left, right], dim=-1))
        one, other = channel_bits(left), channel_bits(right)
        still = (one == 0) | (other == 0)  # a side that does not move: not even rounding
        return Bounds(torch.where(still, 0.0, (one + other - joint).clamp_min(0)))

    def square_bias(self, rows: int) -> float:
        """See :meth:`Estimator.square_bias`."""
        return 0.0


def standardise(responses: Tensor, noise: Tensor) -> Tensor:
    """Measure ``[..., donor, coordinate]`` from the first donor, in noise scales, in double.

    A coordinate that moves by no more than rounding is at exactly 0, whatever its offset.
    """
    merge = max(MERGE, 8 * torch.finfo(responses.dtype).eps)
    values = responses.float() if merge > MERGE else responses
    first = values[..., :1, :]
    moved = values - first
    low, high = moved.amin(-2, keepdim=True), moved.amax(-2, keepdim=True)  # aminmax is slower
    size = torch.maximum((first + high).abs(), (first + low).abs()).double()
    rounding = torch.maximum(size * merge, DUST * noise.double())
    moves = torch.maximum(high, -low) >= rounding
    return moved.double().mul_(torch.where(moves, 1 / noise.double(), 0.0))


def channel_bits(scaled: Tensor, weights: Tensor | None = None) -> Tensor:
    """``1/2 log2 det(I + S)`` with ``S`` the covariance over donors.

    Args:
        scaled: ``[..., donor, coordinate]`` in noise scales.
        weights: ``[donor]`` counts; equal weights by default.

    Returns:
        Tensor: ``[...]`` bits.
    """
    donors, width = scaled.shape[-2:]
    share = scaled.new_full((donors,), 1.0 / donors)
    if weights is not None:
        share = (weights.double() / weights.sum()).to(scaled)
    centred = scaled - (share[:, None] * scaled).sum(-2, keepdim=True)
    weighted = centred * share.sqrt()[:, None]
    if width == 1:
        return weighted.square().sum((-2, -1)).log1p() / (2 * log(2))
    # both Gram matrices have the same determinant (Sylvester); the smaller one is cheaper
    gram = weighted.mT @ weighted if width <= donors else weighted @ weighted.mT
    bits, hidden = _log_determinant(gram)
    if bool(hidden.any()):  # beside such signals the noise is lost in squares: take none
        values = torch.linalg.svdvals(weighted[hidden].double()).square()
        bits[hidden] = (values.log1p().sum(-1) / (2 * log(2))).to(bits.dtype)
    return bits


def from_products(products: Tensor) -> Tensor:
    """Squared distances from the products ``[..., i, j]`` of centres, which are used up."""
    squares = products.diagonal(dim1=-2, dim2=-1).clone()
    return products.mul_(-2).add_(squares[..., None]).add_(squares[..., None, :]).clamp_min_(0)


def channel_bits_of(squared: Tensor) -> Tensor:
    """:func:`channel_bits` from squared distances ``[..., donor, donor]``, equal weights."""
    rows = squared.mean(-1, keepdim=True)
    middle = rows.mean(-2, keepdim=True)
    gram = (rows + rows.mT - squared - middle) / (2 * squared.shape[-1])
    bits, hidden = _log_determinant(gram)
    if bool(hidden.any()):
        values = torch.linalg.eigvalsh(gram[hidden]).clamp_min(0)
        bits[hidden] = values.log1p().sum(-1) / (2 * log(2))
    return bits


def _log_determinant(gram: Tensor) -> tuple[Tensor, Tensor]:
    """``1/2 log2 det(I + gram)``, and where rounding may hide the noise."""
    factor, failed = torch.linalg.cholesky_ex(torch.eye(gram.shape[-1]).to(gram) + gram)
    bits = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1).clamp_min(0) / log(2)
    rounding = gram.diagonal(dim1=-2, dim2=-1).amax(-1) * torch.finfo(gram.dtype).eps
    return bits, (rounding > _ROUNDING) | (failed > 0)
