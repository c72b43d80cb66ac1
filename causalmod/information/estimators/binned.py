"""Binned plug-in with full-degrees-of-freedom Miller-Madow correction, for single units."""

from __future__ import annotations

from itertools import pairwise
from math import inf, log

import torch
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.information.bin_entropy import bin_entropies
from causalmod.information.bins import BINS, Bins, BinsLike
from causalmod.information.clustered import Clustered, clustered
from causalmod.information.estimators.exact import value_codes
from causalmod.information.intervals import Interval
from causalmod.information.protocol import ESTIMATORS, MERGE, Bounds, Estimator, Observed
from causalmod.information.tables import table_figures


@ESTIMATORS.register("binned")
class Binned(Estimator):
    """Information of binned values, in bits, with edges fixed on the observed activations.

    Equal-frequency bins unless asked otherwise, see :class:`~causalmod.Bins`. The bias of a table
    with ``r`` rows and ``c`` columns filled from ``n`` pairs is taken off with all degrees of
    freedom, ``(r - 1)(c - 1) / (2 n ln 2)``; occupied cells only would undercorrect. Equal values
    share a bin, so there can be fewer bins than were asked for. Groups are refused: joint bins
    saturate at once (two dimensions against two read 3.2 bits on independent data at n = 1024).

    Source: Miller, *Note on the bias of information estimates*, in Quastler (ed.), Information
    Theory in Psychology (1955).
    """

    name = "binned"
    uses_resolution = False
    uses_bins = True
    groups = False
    counts = True
    paper = "Miller (1955)"
    assumes = "single units; what happens inside a bin does not matter"
    cost = "n"

    def __init__(
        self, source_edges: Tensor | None, target_edges: Tensor, bins: tuple[Bins, Bins]
    ) -> None:
        self._source_edges = source_edges
        self._target_edges = target_edges
        self._source_bins, self._target_bins = bins

    @classmethod
    def fit(
        cls, source: Observed | None, target: Observed, resolution: float, bins: BinsLike = BINS
    ) -> Binned:
        """See :meth:`Estimator.fit`.

        Raises:
            EstimatorError: a group of several coordinates, or fewer rows than bins.
            InputError: bins that cannot be.
        """
        of_source, of_target = Bins.pair(bins)
        for role, group, cut in (("source", source, of_source), ("target", target, of_target)):
            if group is None:
                continue
            if group.values.shape[-1] != 1:
                raise EstimatorError(
                    "estimator='binned' is for single units, since joint bins saturate; the "
                    f"{role} has {group.values.shape[-1]} coordinates: use estimator='pairwise'"
                )
            if len(group.values) < cut.count and cut.edges is None:
                raise EstimatorError(
                    f"{cut.count} bins need at least {cut.count} rows of data; given "
                    f"{len(group.values)}: use fewer bins (bins=...) or more data"
                )
        edges = None if source is None else edges_of(source.values[:, 0], of_source)
        return cls(edges, edges_of(target.values[..., 0], of_target), (of_source, of_target))

    def codes(self, values: Tensor) -> Tensor:
        """See :meth:`Estimator.codes`."""
        return bin_codes(values[..., 0], self._target_edges, self._target_bins)

    def response(self, responses: Tensor, weights: Tensor | None = None) -> Bounds:
        """See :meth:`Estimator.response`: entropy of the bin over donors, within each context."""
        parts = responses.new_ones(responses.shape[-2], 1) if weights is None else weights[:, None]
        return Bounds(self._entropies(responses, parts)[..., 0])

    def unbiased(self, responses: Tensor) -> Bounds:
        """See :meth:`Estimator.unbiased`; uncorrected where that was asked for."""
        middle = responses.shape[-2] // 2
        if middle < 2 or self._target_bins.correction == "none":
            return self.response(responses)
        parts = responses.new_zeros(responses.shape[-2], 3)
        parts[:, 0] = 1
        parts[:middle, 1] = 1
        parts[middle : 2 * middle, 2] = 1
        found = self._entropies(responses, parts)
        return Bounds(2 * found[..., 0] - (found[..., 1] + found[..., 2]) / 2)

    def shared(self, source: Tensor, target: Tensor) -> Bounds:
        """See :meth:`Estimator.shared`."""
        table = self._table(source, target).double()
        across, down = table.sum(0), table.sum(1)
        freedom = ((down > 0).sum() - 1).clamp_min(0) * ((across > 0).sum() - 1).clamp_min(0)
        apart = count_bits(across) + count_bits(down)
        plug_in = (apart - count_bits(table.flatten())).clamp_min(0)
        plug_in = torch.where(freedom > 0, plug_in, 0.0)  # one side is constant: not even rounding
        if self._target_bins.correction == "none":
            return Bounds(plug_in)
        return Bounds(plug_in - freedom / (2 * table.sum().clamp_min(1) * log(2)))

    def shared_interval(self, source: Tensor, target: Tensor) -> Interval:
        """See :meth:`Estimator.shared_interval` and :func:`~..tables.table_figures`."""
        table = self._table(source, target)[None, :, None]
        found = table_figures(table, (self._source_bins, self._target_bins))
        return Interval(*(float(part) for part in (found.bits, found.low, found.high)))

    def _table(self, source: Tensor, target: Tensor) -> Tensor:
        """Counts ``[source bin, target bin]`` of pairs of which neither is discarded."""
        left, right = self._both_codes(source, target)
        kept = (left >= 0) & (right >= 0)
        rows, columns = self._source_bins.count, self._target_bins.count
        cells = torch.bincount((left * columns + right)[kept], minlength=rows * columns)
        return cells.reshape(rows, columns)

    def clustered(self, source: Tensor, target: Tensor) -> Clustered:
        """See :meth:`Estimator.clustered`."""
        found = clustered(*self._both_codes(source, target))
        if self._target_bins.correction != "none":
            return found
        return found._replace(bias=0.0, independent=0.0, null=found.null + found.bias)

    def _both_codes(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        if self._source_edges is None:
            raise EstimatorError("fit the estimator with a source to measure what is shared")
        return (
            bin_codes(source[..., 0], self._source_edges, self._source_bins),
            bin_codes(target[..., 0], self._target_edges, self._target_bins),
        )

    def _entropies(self, responses: Tensor, parts: Tensor) -> Tensor:
        """Entropy ``[..., part]`` of the bin, over donors in numbers ``[donor, part]``.

        Counts of values above each edge are comparisons and products with few columns: no value is
        sorted or scattered.
        """
        values = responses[..., 0]
        parts = parts.to(values.dtype)
        given = self._target_bins.edges is not None
        edges = below(self._target_edges, values.dtype, given)
        if not given:  # nothing is discarded
            alone = edges.ndim == 1
            batch = values.unsqueeze(-2) if alone else values
            found = bin_entropies(batch, edges.reshape(-1, edges.shape[-1]), parts.mT)
            return found[..., 0, :] if alone else found
        above = torch.empty_like(values)

        def count(edge: Tensor) -> Tensor:
            return torch.gt(values, edge, out=above) @ parts

        every = [count(edges[..., e]) for e in range(edges.shape[-1])]
        total = (every[0] - every[-1]).double()
        inside = sum(xlogx((a - b).double()) for a, b in pairwise(every))
        return ((xlogx(total) - inside) / (total.clamp_min(1) * log(2))).clamp_min_(0)


def edges_of(values: Tensor, bins: Bins) -> Tensor:
    """Edges ``[..., edge]`` of bins of ``[row, ...]``: inner ones, or all where they are given.

    Where equal values leave fewer bins than were asked for, the last edges are infinite.
    """
    lead = values.shape[1:]
    if bins.edges is not None:
        return torch.tensor(bins.edges, dtype=torch.float64).expand(*lead, -1)
    columns = values.reshape(len(values), -1).T.contiguous()
    if bins.rule == "width":
        low, high = columns.double().amin(1)[:, None], columns.double().amax(1)[:, None]
        share = torch.arange(1, bins.count, dtype=torch.float64, device=values.device) / bins.count
        edges = torch.where(high > low, low + (high - low) * share, inf)
    else:
        edges = _equally_full(columns, bins.count)
    return edges.reshape(*lead, -1)


def _equally_full(columns: Tensor, bins: int) -> Tensor:
    """Inner edges ``[column, edge]`` for ``[column, row]``; midway between values, never at one."""
    ordered = _sorted(columns)
    count = ordered.shape[1]
    cuts = (torch.arange(1, bins, device=columns.device) * count // bins).expand(len(ordered), -1)
    # a cut inside a run of equal values moves to the end of the run
    size = torch.maximum(ordered[:, :1].abs(), ordered[:, -1:].abs()).double().clamp_min(1e-30)
    gap = ordered.gather(1, cuts).double() - ordered.gather(1, (cuts - 1).clamp_min(0)).double()
    tied = ((cuts > 0) & (gap <= MERGE * size)).any(1)
    if bool(tied.any()):
        some = ordered[tied].double()
        codes = value_codes(some.T, size[tied].T).T.contiguous()
        places = (cuts[tied] - 1).clamp_min(0)
        moved = torch.searchsorted(codes, codes.gather(1, places), right=True)
        cuts = cuts.clone()
        cuts[tied] = moved
    again = torch.nn.functional.pad(cuts.diff(dim=1) == 0, (1, 0))
    upper = ordered.gather(1, cuts.clamp_max(count - 1)).double()
    edges = (ordered.gather(1, (cuts - 1).clamp_min(0)).double() + upper) / 2
    return edges.masked_fill(again | (cuts >= count), inf).sort(dim=1).values


def _sorted(columns: Tensor) -> Tensor:
    if columns.device.type != "cpu":
        return columns.sort(dim=1).values
    import numpy as np  # its sort uses the vector units of the processor

    return torch.from_numpy(np.sort(columns.detach().numpy(), axis=1))


def bin_edges(values: Tensor, bins: int) -> Tensor:
    """Inner edges of equal-frequency bins of ``[row]``; midway between values, never at one.

    Equal values (up to rounding) stay together, in the lower of the bins that they would span.

    Example:
        >>> bin_edges(torch.tensor([0.0, 0.0, 0.0, 1.0, 2.0, 3.0]), 3).tolist()
        [0.5, 1.5]
    """
    edges = edges_of(values, Bins(bins))
    return edges[edges < inf]


def bin_codes(values: Tensor, edges: Tensor, bins: Bins) -> Tensor:
    """Number of the bin of each value ``[...]``; -1 for those outside given edges."""
    given = bins.edges is not None
    values = values.double().contiguous()
    found = torch.bucketize(values, edges.contiguous(), right=given)
    if not given:
        return found
    found = torch.where(values == edges[-1], bins.count, found)  # as numpy.histogram has it
    return torch.where(found > bins.count, 0, found) - 1


def below(edges: Tensor, dtype: torch.dtype, given: bool = False) -> Tensor:
    """Edges in another precision such that a value in it lies above the same ones as before.

    A value at a given edge counts as above it, but for the last one.
    """
    rounded = edges.to(dtype)
    down = rounded.double() > edges
    if given:
        down[..., :-1] |= rounded[..., :-1].double() == edges[..., :-1]
    return torch.where(down, torch.nextafter(rounded, rounded.new_tensor(-inf)), rounded)


def xlogx(counts: Tensor) -> Tensor:
    """``n ln n``, 0 for none."""
    return torch.special.xlogy(counts, counts)


def count_bits(counts: Tensor) -> Tensor:
    """Entropy in bits of counts ``[..., cell]``."""
    total = counts.sum(-1)
    return (xlogx(total) - xlogx(counts).sum(-1)) / (total.clamp_min(1e-300) * log(2))
