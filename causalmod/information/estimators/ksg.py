"""Nearest neighbours: the estimator of Kraskov, Stögbauer and Grassberger."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.information.bins import BINS, BinsLike
from causalmod.information.protocol import ESTIMATORS, Bounds, Observed, PairedEstimator

NEIGHBOURS = 4
MOST_COORDINATES = 8
_CHUNK = 2**20  # distances at a time
_ROUNDING = 1e-10  # by which distances that are equal may differ
_SMALLEST = 1e-300  # distance of samples that do not coincide
_SPARE = 8  # neighbours that are found in place of those left out


class NearestNeighbours(PairedEstimator):
    """Information from distances to the fourth-nearest neighbour, in bits: algorithm 1.

    ``I = psi(k) + psi(n) - mean_i [psi(n_x(i) + 1) + psi(n_y(i) + 1)]`` nats, where ``n_x(i)``
    samples lie closer to sample ``i`` on the source's side than its ``k``-th neighbour in both, by
    the largest difference of any coordinate, in standard deviations. Where ``k`` or more samples
    coincide, those that do are counted in its place (Gao et al. 2017). It tells no more than about
    ``log2(n)`` bits; short of that of strong dependence, and of many coordinates.

    Source: Kraskov, Stögbauer and Grassberger, Physical Review E 69:066138 (2004), equation 8; for
    coincident samples Gao, Kannan, Oh and Viswanath, NeurIPS (2017).
    """

    name = "ksg"
    most_rows = 1024
    paper = "Kraskov et al. (2004), algorithm 1"
    assumes = "continuous values; few coordinates; weak to middling dependence"
    cost = "n^2 d"

    def __init__(self, source_scale: Tensor | None, target_scale: Tensor) -> None:
        self._source_scale = source_scale
        self._target_scale = target_scale

    @classmethod
    def fit(
        cls, source: Observed | None, target: Observed, resolution: float, bins: BinsLike = BINS
    ) -> NearestNeighbours:
        """See :meth:`Estimator.fit`.

        Raises:
            EstimatorError: too many coordinates, or hardly more rows than neighbours.
        """
        width = target.values.shape[-1] + (0 if source is None else source.values.shape[-1])
        if width > MOST_COORDINATES:
            raise EstimatorError(
                f"estimator={cls.name!r} is for few coordinates (at most {MOST_COORDINATES} of "
                f"source and target together); given {width}: neighbours in many dimensions are "
                "no neighbours; use estimator='pairwise' or 'copula'"
            )
        if len(target.values) < 2 * NEIGHBOURS:
            raise EstimatorError(
                f"estimator={cls.name!r} needs at least {2 * NEIGHBOURS} rows of data; given "
                f"{len(target.values)}: use estimator='pairwise', or more data"
            )
        return cls(None if source is None else source.scale, target.scale)

    def shared(self, source: Tensor, target: Tensor) -> Bounds:
        """See :meth:`Estimator.shared`."""
        return Bounds(neighbour_bits(*self._scaled(source, target)))

    def shared_without(self, source: Tensor, target: Tensor, left_out: Tensor) -> Tensor:
        """See :meth:`Estimator.shared_without`."""
        return neighbour_bits_without(*self._scaled(source, target), left_out)

    def variance(self, jackknife: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """See :meth:`Estimator.variance`.

        Samples share neighbours. The jackknife counts what two of them share for both (no
        jackknife of neighbours reads too little: Efron and Stein, Annals of Statistics 9:586,
        1981); the spread of the terms of the mean counts it for neither. Their geometric mean.
        """
        left, right = self._scaled(source, target)
        none = torch.zeros(1, len(left), dtype=torch.bool, device=left.device)
        terms = neighbour_terms(left, right, none)[:, 0] / log(2)
        return (jackknife * terms.var() / len(left)).sqrt()

    def _scaled(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Both sides as distances are measured."""
        if self._source_scale is None:
            raise EstimatorError("fit the estimator with a source to measure what is shared")
        return source.double() / self._source_scale, target.double() / self._target_scale


# not as a decorator, which would hide from type checkers what others inherit
ESTIMATORS.register(NearestNeighbours.name)(NearestNeighbours)


def neighbour_bits(source: Tensor, target: Tensor, neighbours: int = NEIGHBOURS) -> Tensor:
    """Bits that two sides ``[row, coordinate]`` share; below 0 by chance."""
    none = torch.zeros(1, len(source), dtype=torch.bool)
    return neighbour_bits_without(source, target, none, neighbours)[0]


def neighbour_bits_without(
    source: Tensor, target: Tensor, left_out: Tensor, neighbours: int = NEIGHBOURS
) -> Tensor:
    """:func:`neighbour_bits` with some samples left out, several times, from the same distances.

    Args:
        source: ``[row, coordinate]``.
        target: ``[row, coordinate]``.
        left_out: bool ``[group, row]``: the samples that each group leaves out.
        neighbours: which neighbour the distance is taken to.

    Returns:
        Tensor: ``[group]`` bits.
    """
    if any(bool((side == side[0]).all()) for side in (source, target)):
        return torch.zeros(len(left_out), dtype=torch.float64, device=source.device)
    left_out = left_out.to(source.device)
    weights = (~left_out).T.double()
    rows = weights.sum(0)
    terms = neighbour_terms(source, target, left_out, neighbours)
    return ((terms * weights).sum(0) / rows + torch.digamma(rows)) / log(2)


def neighbour_terms(
    source: Tensor, target: Tensor, left_out: Tensor, neighbours: int = NEIGHBOURS
) -> Tensor:
    """``psi(k) - psi(n_x(i) + 1) - psi(n_y(i) + 1)`` in nats, ``[row, group]``.

    See :func:`neighbour_bits_without`; rows that a group leaves out have a term too.
    """
    left, right = source.double().contiguous(), target.double().contiguous()
    kept = ~left_out
    weights = kept.T.double()
    found: list[Tensor] = []
    step = max(1, _CHUNK // len(left))
    for start in range(0, len(left), step):
        some = slice(start, start + step)
        x, y = _distances(left[some], left), _distances(right[some], right)
        both = torch.maximum(x, y)
        reach = _reach(both, kept, neighbours)  # [row, group]
        coincide = reach == 0
        limit = torch.where(coincide, _SMALLEST, reach * (1 - _ROUNDING))
        near = [_within(side, limit, weights) for side in (x, y)]
        count = torch.full_like(limit, neighbours)
        if bool(coincide.any()):
            count = torch.where(coincide, _within(both, limit, weights), count)
        found.append(torch.digamma(count) - sum(torch.digamma(n.clamp_min(1)) for n in near))
    return torch.cat(found)


def _reach(both: Tensor, kept: Tensor, neighbours: int) -> Tensor:
    """Distance ``[row, group]`` to the neighbour of that number among those that are kept."""
    most = min(both.shape[1], neighbours + 1 + (0 if bool(kept.all()) else _SPARE))
    nearest, who = both.topk(most, dim=1, largest=False)  # a sample is its own neighbour 0
    counted = kept.T[who].cumsum(1)  # [row, neighbour, group]
    place = (counted <= neighbours).sum(1)
    found = nearest.gather(1, place.clamp_max(most - 1))
    for row, group in (place == most).nonzero().tolist():  # more were left out than there are spare
        found[row, group] = both[row, kept[group]].kthvalue(neighbours + 1).values
    return found


def _within(distances: Tensor, limit: Tensor, weights: Tensor) -> Tensor:
    """Number ``[row, group]`` of kept samples nearer than the limit ``[row, group]``.

    Few limits differ between groups: each one is gone through once for the rows that have it.
    """
    found = torch.empty_like(limit)
    left = torch.ones_like(limit, dtype=torch.bool)
    while True:
        rows = left.any(1).nonzero()[:, 0]
        if not len(rows):
            return found
        first = limit.gather(1, left.long().argmax(1, keepdim=True))[rows]
        counts = (distances[rows] < first).double() @ weights
        same = left[rows] & (limit[rows] == first)
        found[rows] = torch.where(same, counts, found[rows])
        left[rows] &= ~same


def _distances(some: Tensor, every: Tensor) -> Tensor:
    if every.shape[1] == 1:
        return (some - every.T).abs_()
    return torch.cdist(some, every, p=float("inf"))
