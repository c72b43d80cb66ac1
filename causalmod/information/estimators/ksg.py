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
        if self._source_scale is None:
            raise EstimatorError("fit the estimator with a source to measure what is shared")
        return Bounds(
            neighbour_bits(source.double() / self._source_scale, target / self._target_scale)
        )


# not as a decorator, which would hide from type checkers what others inherit
ESTIMATORS.register(NearestNeighbours.name)(NearestNeighbours)


def neighbour_bits(source: Tensor, target: Tensor, neighbours: int = NEIGHBOURS) -> Tensor:
    """Bits that two sides ``[row, coordinate]`` share; below 0 by chance."""
    left, right = source.double().contiguous(), target.double().contiguous()
    rows = len(left)
    if any(bool((side == side[0]).all()) for side in (left, right)):
        return torch.zeros((), dtype=torch.float64)
    total = torch.zeros((), dtype=torch.float64)
    step = max(1, _CHUNK // rows)
    for start in range(0, rows, step):
        some = slice(start, start + step)
        x, y = _distances(left[some], left), _distances(right[some], right)
        both = torch.maximum(x, y)
        # the sample itself is its own neighbour 0
        reach = both.topk(neighbours + 1, dim=1, largest=False).values[:, -1:]
        inside = reach * (1 - _ROUNDING)
        near = [torch.lt(d, inside, out=torch.empty_like(d)).sum(1) for d in (x, y)]
        same = (reach == 0)[:, 0]
        count = torch.full_like(near[0], neighbours)
        if bool(same.any()):
            count[same] = (both[same] == 0).double().sum(1)
            near = [
                torch.where(same, (d == 0).double().sum(1), n)
                for d, n in zip((x, y), near, strict=True)
            ]
        total += (torch.digamma(count) - sum(torch.digamma(n) for n in near)).sum()
    return (total / rows + torch.digamma(torch.tensor(float(rows), dtype=torch.float64))) / log(2)


def _distances(some: Tensor, every: Tensor) -> Tensor:
    if every.shape[1] == 1:
        return (some - every.T).abs_()
    return torch.cdist(some, every, p=float("inf"))
