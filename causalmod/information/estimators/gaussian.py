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
    """Measure ``[..., donor, coordinate]`` from the first donor, in noise scales; drop rounding.

    So a response that does not move is exactly 0, whatever its offset.
    """
    noise = noise.to(responses.dtype)
    moved = (responses - responses[..., :1, :]) / noise
    size = torch.maximum(responses.amax(-2, keepdim=True), -responses.amin(-2, keepdim=True))
    rounding = (size / noise * MERGE).clamp_min(DUST)
    return moved.masked_fill_(moved.abs() < rounding, 0.0)


def channel_bits(scaled: Tensor, weights: Tensor | None = None) -> Tensor:
    """``1/2 log2 det(I + S)`` with ``S`` the covariance over donors.

    Args:
        scaled: ``[..., donor, coordinate]`` in noise scales.
        weights: ``[donor]`` counts; equal weights by default.

    Returns:
        Tensor: ``[...]`` bits.
    """
    donors, width = scaled.shape[-2:]
    share = torch.full((donors,), 1.0 / donors, dtype=scaled.dtype)
    if weights is not None:
        share = (weights.double() / weights.sum()).to(scaled.dtype)
    centred = scaled - (share[:, None] * scaled).sum(-2, keepdim=True)
    weighted = centred * share.sqrt()[:, None]
    if width == 1:
        return weighted.square().sum((-2, -1)).log1p() / (2 * log(2))
    # both Gram matrices have the same determinant (Sylvester); the smaller one is cheaper
    gram = weighted.mT @ weighted if width <= donors else weighted @ weighted.mT
    factor, failed = torch.linalg.cholesky_ex(torch.eye(gram.shape[-1], dtype=gram.dtype) + gram)
    bits = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1).clamp_min(0) / log(2)
    rounding = gram.diagonal(dim1=-2, dim2=-1).amax(-1) * torch.finfo(gram.dtype).eps
    hidden = (rounding > _ROUNDING) | (failed > 0)
    if bool(hidden.any()):  # beside such signals the noise is lost in squares: take none
        values = torch.linalg.svdvals(weighted[hidden].double()).square()
        bits[hidden] = (values.log1p().sum(-1) / (2 * log(2))).to(bits.dtype)
    return bits
