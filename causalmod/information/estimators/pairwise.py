"""Pairwise distances: lower and upper bounds on information through Gaussian noise."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.information.estimators.gaussian import standardise
from causalmod.information.protocol import BINS, ESTIMATORS, Bounds, Estimator, Observed

_CHUNK = 2**17  # distances at a time: few enough to stay in the processor's cache
_FAR = 1e8  # squared distances whose rounding, as products, would pass for signal


@ESTIMATORS.register("pairwise")
class PairwiseBounds(Estimator):
    """Bounds on the entropy of a mixture of equal Gaussians, from distances between their centres.

    With ``d`` in noise scales and equal weights over ``N`` draws,
    ``I >= -mean_i log2 mean_j exp(-d_ij^2 / 8)`` (Bhattacharyya distance) and
    ``I <= -mean_i log2 mean_j exp(-d_ij^2 / 2)`` (Kullback-Leibler divergence), in bits.

    Source: Kolchinsky and Tracey, Entropy 19(7):361 (2017), equations 10, 12 and 13.
    """

    name = "pairwise"
    most_rows = 1024
    paper = "Kolchinsky and Tracey (2017)"

    def __init__(self, source_noise: Tensor | None, target_noise: Tensor) -> None:
        self._source_noise = source_noise
        self._target_noise = target_noise

    @classmethod
    def fit(
        cls, source: Observed | None, target: Observed, resolution: float, bins: int = BINS
    ) -> PairwiseBounds:
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
        if self._source_noise is None:
            raise EstimatorError("fit the estimator with a source to measure what is shared")
        left = standardise(source.double(), self._source_noise)
        right = standardise(target.double(), self._target_noise)
        low_b, high_b = _bounds(left)
        low_c, high_c = _bounds(right)
        low_both, high_both = _bounds(torch.cat([left, right], dim=-1))
        # what is shared is also at most the information in either side
        upper = torch.minimum(high_b + high_c - low_both, torch.minimum(high_b, high_c))
        return Bounds(low_b + low_c - high_both, upper)


class _Pair(NamedTuple):
    low: Tensor
    high: Tensor


def mixture_bounds(scaled: Tensor, weights: Tensor | None = None) -> Bounds:
    """Bounds on the information in a noisy draw from a mixture.

    Args:
        scaled: ``[..., draw, coordinate]`` centres in noise scales.
        weights: ``[draw]`` counts; equal weights by default.

    Returns:
        Bounds: ``[...]`` bits.
    """
    return Bounds(*_bounds(scaled, weights))


def _bounds(scaled: Tensor, weights: Tensor | None = None) -> _Pair:
    draws = scaled.shape[-2]
    share = None if weights is None else weights.double() / weights.sum()
    flat = scaled.reshape(-1, *scaled.shape[-2:])
    mixtures = max(1, _CHUNK // draws**2)
    rows = max(1, min(draws, _CHUNK // draws))
    low = torch.empty(flat.shape[:2], dtype=torch.float64)
    high = torch.empty_like(low)
    for start in range(0, len(flat), mixtures):
        some = slice(start, start + mixtures)
        for first in range(0, draws, rows):
            part = slice(first, first + rows)
            kernel = _squared_distances(flat[some, part], flat[some]).mul_(-1 / 8).exp_()
            low[some, part] = _log_mean(kernel, share)
            high[some, part] = _log_mean(kernel.square_().square_(), share)  # exp(-d^2 / 2)
    lead = scaled.shape[:-2]
    return _Pair(_mean(low, share).reshape(lead), _mean(high, share).reshape(lead))


def _squared_distances(some: Tensor, every: Tensor) -> Tensor:
    """``[..., i, j]`` squared distances, in double precision.

    Centres are measured from one of them, so what does not move is at exactly 0. Products of far
    ones lose digits to cancellation; then every difference is taken by itself.
    """
    squares = every.square().sum(-1)
    if float(squares.amax()) > _FAR:
        exact = "donot_use_mm_for_euclid_dist"
        return torch.cdist(some, every, compute_mode=exact).square_()
    found = torch.baddbmm(squares[:, None, :], some, every.mT, alpha=-2)
    return found.add_(some.square().sum(-1, keepdim=True)).clamp_min_(0)


def _log_mean(kernel: Tensor, share: Tensor | None) -> Tensor:
    mean = kernel.mean(-1) if share is None else kernel @ share
    return mean.clamp_max_(1).log2_()


def _mean(values: Tensor, share: Tensor | None) -> Tensor:
    return -(values.mean(-1) if share is None else values @ share) + 0.0
