"""Pairwise distances: lower and upper bounds on information through Gaussian noise."""

from __future__ import annotations

from math import log
from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.information.bins import BINS, BinsLike
from causalmod.information.estimators.gaussian import from_products, standardise
from causalmod.information.protocol import ESTIMATORS, Bounds, Estimator, Observed

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
    by_distance = True
    most_rows = 1024
    smooth = True
    paper = "Kolchinsky and Tracey (2017)"
    assumes = "noise of the resolution; fewer bits than half of log2(draws)"
    cost = "n^2 d"

    def __init__(self, source_noise: Tensor | None, target_noise: Tensor) -> None:
        self._source_noise = source_noise
        self._target_noise = target_noise

    @classmethod
    def fit(
        cls, source: Observed | None, target: Observed, resolution: float, bins: BinsLike = BINS
    ) -> PairwiseBounds:
        """See :meth:`Estimator.fit`."""
        noise = None if source is None else resolution * source.scale
        return cls(noise, resolution * target.scale)

    def some(self, keep: Tensor) -> PairwiseBounds:
        """See :meth:`Estimator.some`."""
        return type(self)(self._source_noise, self._target_noise[keep])

    def response(self, responses: Tensor, weights: Tensor | None = None) -> Bounds:
        """See :meth:`Estimator.response`."""
        return mixture_bounds(standardise(responses, self._target_noise), weights)

    def unbiased(self, responses: Tensor) -> Bounds:
        """See :meth:`Estimator.unbiased`; the halves are read off the distances of the whole."""
        if responses.shape[-2] < 4:
            return self.response(responses)
        halves = _Halves(responses.shape[-2], responses.device)
        return halves.figure(_bounds(standardise(responses, self._target_noise), halves))

    def distances(self, responses: Tensor) -> Tensor:
        """See :meth:`Estimator.distances`."""
        scaled = standardise(responses, self._target_noise)
        flat = scaled.flatten(0, -3)
        return _squared_distances(flat, flat).view(*scaled.shape[:-1], scaled.shape[-2])

    def from_distances(self, squared: Tensor, *, unbiased: bool = False) -> Bounds:
        """See :meth:`Estimator.from_distances`."""
        draws = squared.shape[-1]
        halves = _Halves(draws, squared.device) if unbiased and draws >= 4 else None
        parts = _Parts(draws, squared.device) if halves is None else halves
        low = squared.new_zeros(*squared.shape[:-2], parts.counts.shape[1])
        high = torch.zeros_like(low)
        _take_in(low, high, squared.clone(), parts, slice(None))
        if halves is not None:
            return halves.figure(_Pair(low, high))
        return Bounds(low[..., 0], high[..., 0])

    def shared(self, source: Tensor, target: Tensor) -> Bounds:
        """See :meth:`Estimator.shared`; noise is added to both sides.

        ``I(B;C) = H(B) + H(C) - H(B,C)``, each entropy bounded from both sides, less its bias. What
        is shared is also at most the information in either side.
        """
        bits, *uppers = self.shared_parts(source, target)
        return Bounds(bits, torch.stack(uppers).amin())

    def shared_parts(self, source: Tensor, target: Tensor) -> Tensor:
        """See :meth:`Estimator.shared_parts`."""
        if self._source_noise is None:
            raise EstimatorError("fit the estimator with a source to measure what is shared")
        left = standardise(source, self._source_noise)
        right = standardise(target, self._target_noise)
        b, c, both = _entropies_of_sides(left, right)
        uppers = [b.high + c.high - both.low, b.high, c.high]
        return torch.stack([b.low + c.low - both.high, *uppers])


class _Pair(NamedTuple):
    low: Tensor
    high: Tensor


class _Parts:
    """All draws, in given numbers. Whole numbers: equal centres add up to exactly all of them."""

    def __init__(self, draws: int, device: torch.device, counts: Tensor | None = None) -> None:
        self._equal = counts is None
        self.counts = torch.ones(draws, 1) if counts is None else counts[:, None]
        self.counts = self.counts.double().to(device)

    def sums(self, kernel: Tensor) -> Tensor:
        """``[..., i, j]`` summed over ``j`` in each part: ``[..., i, part]``."""
        return kernel.sum(-1, keepdim=True) if self._equal else kernel @ self.counts


class _Halves(_Parts):
    """All draws, the first half of them, the second half."""

    #: ``2 e(all) - (e(first) + e(second)) / 2``
    to_figure = torch.tensor([2.0, -0.5, -0.5], dtype=torch.float64)

    def __init__(self, draws: int, device: torch.device) -> None:
        super().__init__(draws, device)
        self._middle = draws // 2
        halves = torch.zeros(draws, 2, dtype=torch.float64, device=device)
        halves[: self._middle, 0] = 1.0
        halves[self._middle : 2 * self._middle, 1] = 1.0
        self.counts = torch.cat([self.counts, halves], dim=1)

    def figure(self, pair: _Pair) -> Bounds:
        """Figures without the bias in the number of draws."""
        share = self.to_figure.to(pair.low.device)
        bits = pair.low @ share
        return Bounds(bits, torch.maximum(bits, pair.high @ share))

    def sums(self, kernel: Tensor) -> Tensor:
        middle = self._middle
        first = kernel[..., :middle].sum(-1)
        second = kernel[..., middle : 2 * middle].sum(-1)
        rest = kernel[..., 2 * middle :].sum(-1)
        return torch.stack([first + second + rest, first, second], dim=-1)


def mixture_bounds(scaled: Tensor, weights: Tensor | None = None) -> Bounds:
    """Bounds on the information in a noisy draw from a mixture.

    Args:
        scaled: ``[..., draw, coordinate]`` centres in noise scales.
        weights: ``[draw]`` counts; equal weights by default.

    Returns:
        Bounds: ``[...]`` bits.
    """
    low, high = _bounds(scaled, _Parts(scaled.shape[-2], scaled.device, weights))
    return Bounds(low[..., 0], high[..., 0])


def _bounds(scaled: Tensor, parts: _Parts) -> _Pair:
    """Bounds ``[..., part]`` for mixtures of some of the centres ``[..., draw, coordinate]``."""
    draws = scaled.shape[-2]
    flat = scaled.reshape(-1, *scaled.shape[-2:])
    mixtures = max(1, _CHUNK // draws**2)
    rows = max(1, min(draws, _CHUNK // draws))
    low = flat.new_zeros(len(flat), parts.counts.shape[1], dtype=torch.float64)
    high = torch.zeros_like(low)
    for start in range(0, len(flat), mixtures):
        some = slice(start, start + mixtures)
        for first in range(0, draws, rows):
            part = slice(first, first + rows)
            squared = _squared_distances(flat[some, part], flat[some])
            _take_in(low[some], high[some], squared, parts, part)
    lead = scaled.shape[:-2]
    return _Pair(low.reshape(*lead, -1), high.reshape(*lead, -1))


def _entropies_of_sides(left: Tensor, right: Tensor) -> list[_Pair]:
    """Bounds on the entropies of two sides ``[draw, coordinate]`` and of both together.

    Less their bias in the number ``n`` of draws, to first order. With ``p_i`` the mean over ``j``
    of the kernel and ``q_i`` that of its square, a draw's distance to itself and the concave
    logarithm lower ``-log p_i`` by ``[(1 - p_i) / p_i - (q_i - p_i^2) / (2 p_i^2)] / n`` nats; for
    discrete values that are far apart this is the correction of Miller (1955).
    """
    draws = len(left)
    found = left.new_zeros(3, 2, dtype=torch.float64)
    step = max(1, _CHUNK // draws)
    for start in range(0, draws, step):
        rows = slice(start, start + step)
        sides = [
            _squared_distances(side[None, rows], side[None])[0].mul_(-1 / 8).exp_()
            for side in (left, right)
        ]
        for which, kernel in enumerate((*sides, sides[0] * sides[1])):
            powers = [kernel.mean(1)]  # of exp(-d^2 / 8), and its 2nd, 4th and 8th power
            powers += [kernel.square_().mean(1) for _ in range(3)]
            for end in range(2):
                p, q = (mean.clamp(1e-300, 1) for mean in powers[2 * end : 2 * end + 2])
                bias = (1 - p) / p - (q / p.square() - 1) / 2
                found[which, end] += (bias / draws - p.log()).sum() / (draws * log(2))
    return [_Pair(low, high) for low, high in found]


def _take_in(low: Tensor, high: Tensor, squared: Tensor, parts: _Parts, rows: slice) -> None:
    """Add what some rows of squared distances, which are used up, contribute to both bounds."""
    kernel = squared.mul_(-1 / 8).exp_()
    low -= _log_means(kernel, parts, rows)
    high -= _log_means(kernel.square_().square_(), parts, rows)  # exp(-d^2 / 2)


def _squared_distances(some: Tensor, every: Tensor) -> Tensor:
    """``[..., i, j]`` squared distances, in double precision; ``some`` are all centres or a part.

    Centres are measured from one of them, so what does not move is at exactly 0. Products of far
    ones lose digits to cancellation; then every difference is taken by itself.
    """
    if some.shape == every.shape:
        products = some @ every.mT
        if float(products.diagonal(dim1=-2, dim2=-1).amax()) <= _FAR:
            return from_products(products)
    else:
        squares = every.square().sum(-1)
        if float(squares.amax()) <= _FAR:
            found = torch.baddbmm(squares[:, None, :], some, every.mT, alpha=-2)
            return found.add_(some.square().sum(-1, keepdim=True)).clamp_min_(0)
    exact = "donot_use_mm_for_euclid_dist"
    return torch.cdist(some, every, compute_mode=exact).square_()


def _log_means(kernel: Tensor, parts: _Parts, rows: slice) -> Tensor:
    """``sum_i p_i log2 sum_j p_j k_ij`` over some rows, with ``p`` the shares in each part."""
    total = parts.counts.sum(0)
    means = (parts.sums(kernel) / total).clamp_(1e-300, 1)  # no row may weigh in with log 0 = -inf
    return (means.log2_() * parts.counts[rows]).sum(-2) / total
