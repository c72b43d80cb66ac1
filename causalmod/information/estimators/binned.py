"""Binned plug-in with full-degrees-of-freedom Miller-Madow correction, for single units."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.information.estimators.exact import value_codes, value_size
from causalmod.information.protocol import BINS, ESTIMATORS, Bounds, Estimator, Observed


@ESTIMATORS.register("binned")
class Binned(Estimator):
    """Information of equal-frequency bins, in bits, with edges fixed on the observed activations.

    The bias of a table with ``r`` rows and ``c`` columns filled from ``n`` pairs is taken off with
    all degrees of freedom, ``(r - 1)(c - 1) / (2 n ln 2)``; occupied cells only would undercorrect.
    Equal values share a bin, so there can be fewer bins than were asked for. Groups are refused:
    joint bins saturate at once (two dimensions against two read 3.2 bits on independent data at
    n = 1024).

    Source: Miller, *Note on the bias of information estimates*, in Quastler (ed.), Information
    Theory in Psychology (1955).
    """

    name = "binned"
    uses_resolution = False
    uses_bins = True
    groups = False
    paper = "Miller (1955)"

    def __init__(self, source_edges: Tensor | None, target_edges: Tensor) -> None:
        self._source_edges = source_edges
        self._target_edges = target_edges

    @classmethod
    def fit(
        cls, source: Observed | None, target: Observed, resolution: float, bins: int = BINS
    ) -> Binned:
        """See :meth:`Estimator.fit`.

        Raises:
            EstimatorError: a group of several coordinates, or fewer rows than bins.
        """
        for role, group in (("source", source), ("target", target)):
            if group is None:
                continue
            if group.values.shape[-1] != 1:
                raise EstimatorError(
                    "estimator='binned' is for single units, since joint bins saturate; the "
                    f"{role} has {group.values.shape[-1]} coordinates: use estimator='pairwise'"
                )
            if len(group.values) < bins:
                raise EstimatorError(
                    f"{bins} bins need at least {bins} rows of data; given {len(group.values)}: "
                    "use fewer bins (bins=...) or more data"
                )
        edges = None if source is None else bin_edges(source.values[:, 0], bins)
        return cls(edges, bin_edges(target.values[:, 0], bins))

    def response(self, responses: Tensor, weights: Tensor | None = None) -> Bounds:
        """See :meth:`Estimator.response`: entropy of the bin over donors, within each context."""
        codes = _bins_of(responses, self._target_edges)
        hot = torch.nn.functional.one_hot(codes, len(self._target_edges) + 1).double()
        return Bounds(
            _entropy(hot.sum(-2) if weights is None else (hot * weights[:, None]).sum(-2))
        )

    def shared(self, source: Tensor, target: Tensor) -> Bounds:
        """See :meth:`Estimator.shared`."""
        if self._source_edges is None:
            raise EstimatorError("fit the estimator with a source to measure what is shared")
        rows, columns = len(self._source_edges) + 1, len(self._target_edges) + 1
        cells = _bins_of(source, self._source_edges) * columns + _bins_of(
            target, self._target_edges
        )
        counts = torch.bincount(cells, minlength=rows * columns).double()
        table = counts.reshape(rows, columns)
        plug_in = _entropy(table.sum(0)) + _entropy(table.sum(1)) - _entropy(counts)
        return Bounds(plug_in - (rows - 1) * (columns - 1) / (2 * len(source) * log(2)))


def bin_edges(values: Tensor, bins: int) -> Tensor:
    """Inner edges of equal-frequency bins of ``[row]``; midway between values, never at one.

    Equal values (up to rounding) stay together, in the lower of the bins that they would span.

    Example:
        >>> bin_edges(torch.tensor([0.0, 0.0, 0.0, 1.0, 2.0, 3.0]), 3).tolist()
        [0.5, 1.5]
    """
    ordered = values.double().sort().values
    codes = value_codes(ordered[:, None], value_size(ordered[:, None]))[:, 0]
    count = len(ordered)
    cuts = torch.arange(1, bins) * count // bins
    # a cut inside a run of equal values moves to the end of the run
    cuts = torch.searchsorted(codes, codes[(cuts - 1).clamp_min(0)], right=True).unique()
    cuts = cuts[cuts < count]
    return (ordered[cuts - 1] + ordered[cuts]) / 2


def _bins_of(values: Tensor, edges: Tensor) -> Tensor:
    return torch.bucketize(values[..., 0].double().contiguous(), edges)


def _entropy(counts: Tensor) -> Tensor:
    share = counts / counts.sum(-1, keepdim=True)
    return -torch.where(share > 0, share * share.clamp_min(1e-300).log2(), 0.0).sum(-1) + 0.0
