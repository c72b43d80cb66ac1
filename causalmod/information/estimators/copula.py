"""Gaussian copula: information of ranks, as if they were those of a joint Gaussian."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.information.bins import BINS, BinsLike
from causalmod.information.protocol import ESTIMATORS, MERGE, Bounds, Observed, PairedEstimator

_FUNCTION = 1e-9  # 1 - correlation^2 below which one side is a function of the other


@ESTIMATORS.register("copula")
class GaussianCopula(PairedEstimator):
    """Information of a Gaussian with the rank correlations of the data, in bits.

    Each coordinate is replaced by the normal quantile of its rank; with ``r_i`` the canonical
    correlations of the two sides, ``I = -1/2 sum_i log2(1 - r_i^2)``, less its bias for Gaussian
    data. No monotone map of a coordinate changes it. A lower bound where the true dependence is not
    Gaussian: of all dependences with these correlations, the Gaussian one carries least.

    Source: Ince et al., Human Brain Mapping 38(3):1541 (2017), section 3 and appendix for the bias.
    """

    name = "copula"
    paper = "Ince et al. (2017)"
    assumes = "continuous values; Gaussian dependence (a lower bound on others)"
    cost = "n (log n + d) d"

    def __init__(self, has_source: bool) -> None:
        self._has_source = has_source

    @classmethod
    def fit(
        cls, source: Observed | None, target: Observed, resolution: float, bins: BinsLike = BINS
    ) -> GaussianCopula:
        """See :meth:`Estimator.fit`.

        Raises:
            EstimatorError: hardly more rows than coordinates.
        """
        if source is not None:
            width = source.values.shape[-1] + target.values.shape[-1]
            if len(target.values) < width + 3:
                raise EstimatorError(
                    f"estimator='copula' needs more rows than the {width} coordinates of source "
                    f"and target together; given {len(target.values)}: use estimator='pairwise', "
                    "or more data"
                )
        return cls(source is not None)

    def shared(self, source: Tensor, target: Tensor) -> Bounds:
        """See :meth:`Estimator.shared`.

        Raises:
            EstimatorError: one side is a function of the other; its information has no bound.
        """
        if not self._has_source:
            raise EstimatorError("fit the estimator with a source to measure what is shared")
        left, right = _basis(normal_scores(source)), _basis(normal_scores(target))
        if not left.shape[1] or not right.shape[1]:
            return Bounds(torch.zeros((), dtype=torch.float64))
        correlations = torch.linalg.svdvals(left.T @ right)
        missing = 1 - correlations.square()
        if float(missing.min()) < _FUNCTION:
            raise EstimatorError(
                "estimator='copula': ranks of source and target determine each other (one is a "
                "copy or a monotone function of the other), and the information of a continuous "
                "copy has no bound; use estimator='pairwise', or 'binned' for single units"
            )
        bits = -missing.log2().sum() / 2
        return Bounds(bits - _bias(len(source), left.shape[1], right.shape[1]))

    def square_bias(self, rows: int) -> float:
        """See :meth:`Estimator.square_bias`."""
        return 1 / (2 * rows * log(2))


def normal_scores(values: Tensor) -> Tensor:
    """Normal quantiles of ranks of ``[row, coordinate]``; equal values share their mean rank.

    All 0 for a coordinate that moves by no more than rounding.
    """
    values = values.double()
    ordered = values.T.contiguous().sort(dim=1).values
    below = torch.searchsorted(ordered, values.T.contiguous())
    upto = torch.searchsorted(ordered, values.T.contiguous(), right=True)
    scores = torch.special.ndtri((below + upto + 1).double() / (2 * (len(values) + 1))).T
    still = ordered[:, -1] - ordered[:, 0] <= MERGE * ordered[:, [0, -1]].abs().amax(1)
    return torch.where(still, 0.0, scores)


def _basis(scores: Tensor) -> Tensor:
    """Orthonormal columns ``[row, rank]`` that span centred scores; none for constant ones."""
    centred = scores - scores.mean(0)
    if scores.shape[1] == 1:
        vectors, values = torch.nn.functional.normalize(centred, dim=0), centred.norm(dim=0)
    else:
        vectors, values, _ = torch.linalg.svd(centred, full_matrices=False)
    return vectors[:, values > 1e-8 * max(len(scores), 1) ** 0.5]


def _bias(rows: int, left: int, right: int) -> Tensor:
    """Bias in bits for Gaussian data: that of the log determinants of three covariances."""

    def part(width: int) -> Tensor:
        freedom = (rows - torch.arange(1, width + 1, dtype=torch.float64)) / 2
        return torch.digamma(freedom).sum() / 2

    return (part(left) + part(right) - part(left + right)) / log(2)
