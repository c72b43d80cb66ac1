"""Tables of counts whose samples come in clusters: several donors on one context."""

from __future__ import annotations

from math import log
from typing import NamedTuple

from torch import Tensor

_ROUNDING = 1e-9


class Clustered(NamedTuple):
    """What chance reads in bits, the samples of a cluster not being independent of each other.

    Attributes:
        bias: of the plug-in.
        independent: what the bias would be if all samples were independent.
        null: 95th percentile of the plug-in where nothing is shared, less the bias.
        p: p-value of independence.
        variance: of the plug-in where nothing is shared.
        alone: the same with samples that are independent on one side, as those of one donor are.
    """

    bias: float
    independent: float
    null: float
    p: float
    variance: float = 0.0
    alone: float = 0.0


def clustered(left: Tensor, right: Tensor, tail: float = 0.05) -> Clustered:
    """Test independence of two numbered outcomes, and find the bias of what they seem to share.

    Pearson's statistic of a table is a sum over clusters, of which only the clusters are
    independent: its law is that of a weighted sum of chi-squares, with the weights those of the
    covariance between clusters, matched here by one scaled chi-square with equal mean and variance.
    Relative to independent samples the mean grows by the design effect, and so does the bias.

    Args:
        left: int64 ``[cluster, sample]``; -1 for samples that are discarded.
        right: the same.
        tail: chance of more than ``null``.

    Source: Rao and Scott, Annals of Statistics 12(1):46 (1984), section 2; Miller (1955) for the
    bias, see :class:`~causalmod.information.estimators.binned.Binned`.

    Example:
        >>> import torch
        >>> bits = torch.randint(2, (200, 2), generator=torch.Generator().manual_seed(0))
        >>> clustered(bits, bits).p < 0.001
        True
        >>> clustered(bits, bits[:, :1].expand(-1, 2)).p < 0.001  # half of them the same
        True
    """
    from scipy.special import chdtrc, chdtri  # scipy.stats takes a second to import

    kept = (left >= 0) & (right >= 0)
    count = float(kept.sum())
    a, b = (_standardised(codes, kept) for codes in (left, right))
    freedom = (a.shape[2] - 1) * (b.shape[2] - 1)
    if freedom <= 0 or len(left) < 2:
        return Clustered(0.0, 0.0, 0.0, 1.0)
    each = (a.mT @ b).flatten(1)  # what each cluster adds to the standardised table
    together = each.sum(0)
    apart = each - each.mean(0)
    clusters = len(left)
    covariance = apart.T @ apart / count * (clusters / (clusters - 1))
    mean = float(covariance.trace())
    pearson = float(together.square().sum()) / count
    if mean < _ROUNDING:  # all clusters are alike: nothing is left to chance
        return Clustered(0.0, freedom / (2 * count * log(2)), 0.0, float(pearson < _ROUNDING))
    alone = float((a.square().sum(2) * b.square().sum(2)).sum() - together.square().sum() / count)
    # squares of a covariance that is itself a sample are too large
    square = float(covariance.square().sum()) - mean**2 / clusters
    square = max(square, mean**2 / freedom)
    scale, matched = square / mean, mean**2 / square
    nats = 2 * count * log(2)
    effect = mean / (alone / count)
    bias = effect * freedom / nats
    floor = scale * float(chdtri(matched, tail)) / nats
    p = float(chdtrc(matched, pearson / scale))
    return Clustered(
        bias, freedom / nats, floor - bias, p, 2 * square / nats**2, 2 * mean / nats**2
    )


def _standardised(codes: Tensor, kept: Tensor) -> Tensor:
    """``[cluster, sample, outcome]``: how far each sample is from expected, in standard shares."""
    present = codes[kept].unique()
    hits = (codes[..., None] == present).double() * kept[..., None]
    share = hits.sum((0, 1)) / kept.sum().clamp_min(1)
    return (hits - share) * kept[..., None] / share.sqrt()
