"""Gaussian channel: smooth, cheap, never saturates; for ranking, not for bits of discrete signals."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from causalmod.information.protocol import DUST, ESTIMATORS, Bounds, Estimator, Observed


@ESTIMATORS.register("gaussian")
class GaussianChannel(Estimator):
    """Information through additive noise, as if the signal were Gaussian.

    ``I = 1/2 log2 det(I + S / s^2)`` with ``S`` the covariance of the response over donors and
    ``s = resolution × standard deviation`` of each unit. An upper bound on the information of the
    noisy channel (the Gaussian has the largest entropy for its covariance), so a fair bit reads 3.33
    at resolution 0.1.
    """

    name = "gaussian"
    paper = "Shannon (1948), capacity of the Gaussian channel"

    def __init__(self, source_noise: Tensor | None, target_noise: Tensor) -> None:
        self._source_noise = source_noise
        self._target_noise = target_noise

    @classmethod
    def fit(cls, source: Observed | None, target: Observed, resolution: float) -> GaussianChannel:
        """See :meth:`Estimator.fit`."""
        noise = None if source is None else resolution * source.scale
        return cls(noise, resolution * target.scale)

    def response(self, responses: Tensor, weights: Tensor | None = None) -> Bounds:
        """See :meth:`Estimator.response`."""
        return Bounds(channel_bits(standardise(responses, self._target_noise), weights))

    def shared(self, source: Tensor, target: Tensor) -> Bounds:
        """See :meth:`Estimator.shared`; noise is added to both sides."""
        assert self._source_noise is not None
        left = standardise(source, self._source_noise)
        right = standardise(target, self._target_noise)
        joint = channel_bits(torch.cat([left, right], dim=-1))
        return Bounds((channel_bits(left) + channel_bits(right) - joint).clamp_min(0))

    def averaged(self, source: Tensor, responses: Tensor) -> Bounds:
        """See :meth:`Estimator.averaged`; noise is added to the target."""
        scaled = responses / self._target_noise.to(responses.dtype)
        total = channel_bits(standardise(scaled.flatten(0, 1), None))
        within = channel_bits(standardise(scaled, None)).mean()
        return Bounds((total - within).clamp_min(0))


def standardise(responses: Tensor, noise: Tensor | None) -> Tensor:
    """Measure ``[..., donor, coordinate]`` from the first donor, in noise scales; drop rounding."""
    moved = responses - responses[..., :1, :]
    if noise is not None:
        moved = moved / noise.to(moved.dtype)
    return torch.where(moved.abs() < DUST, 0.0, moved)


def channel_bits(scaled: Tensor, weights: Tensor | None = None) -> Tensor:
    """``1/2 log2 det(I + cov)`` over donors, from the smaller of the two Gram matrices."""
    donors, width = scaled.shape[-2:]
    share = torch.full((donors,), 1.0 / donors, dtype=scaled.dtype)
    if weights is not None:
        share = (weights / weights.sum()).to(scaled.dtype)
    centred = scaled - (share[:, None] * scaled).sum(-2, keepdim=True)
    centred = torch.where((scaled == 0).all(-2, keepdim=True), 0.0, centred)
    weighted = centred * share.sqrt()[:, None]
    if width == 1:
        return (1 + weighted.square().sum((-2, -1))).log2() / 2
    gram = weighted.mT @ weighted if width <= donors else weighted @ weighted.mT
    eye = torch.eye(gram.shape[-1], dtype=gram.dtype)
    factor, _ = torch.linalg.cholesky_ex(eye + gram)
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1).clamp_min(0) / log(2)
