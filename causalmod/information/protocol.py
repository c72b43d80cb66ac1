"""What an estimator of information is, and the table of those there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from causalmod._registry import Registry
from causalmod.errors import EstimatorError
from causalmod.information.bins import BINS, BinsLike
from causalmod.information.clustered import Clustered
from causalmod.information.intervals import Interval

#: Differences below this many noise scales are rounding, not signal (about 1e-7 bits at most).
DUST = 1e-3
#: So are differences below this share of the size of the values themselves.
MERGE = 1e-6


class Bounds(NamedTuple):
    """Bits, and an upper bound where the estimator gives one; tensors of equal shape."""

    bits: Tensor
    upper: Tensor | None = None

    @classmethod
    def joined(cls, parts: Sequence[Bounds]) -> Bounds:
        """Put parts one after another along their first dimension."""
        uppers = [part.upper for part in parts if part.upper is not None]
        bits = torch.cat([part.bits for part in parts])
        return cls(bits, torch.cat(uppers) if uppers else None)

    def cpu(self) -> Bounds:
        """Return them in the processor's memory, where figures are put together."""
        return Bounds(self.bits.cpu(), None if self.upper is None else self.upper.cpu())

    @classmethod
    def stacked(cls, parts: Sequence[Bounds]) -> Bounds:
        """Lay parts of equal shape along a new first dimension."""
        uppers = [part.upper for part in parts if part.upper is not None]
        bits = torch.stack([part.bits for part in parts])
        return cls(bits, torch.stack(uppers) if uppers else None)


class Observed(NamedTuple):
    """A group's activations on the data, and the scale of each coordinate.

    Attributes:
        values: ``[row, coordinate]``; or ``[row, unit, 1, coordinate]``, for estimators that take
            groups, to measure the responses ``[..., unit, donor, coordinate]`` of units one by one.
        scale: ``[coordinate]`` (or ``[unit, 1, coordinate]``) standard deviations, with a floor.
    """

    values: Tensor
    scale: Tensor


class Estimator(ABC):
    """Estimates information from samples, in bits. One instance serves one source and one target.

    Implementations are made with :meth:`fit` and never change afterwards.

    Attributes:
        name: name in the registry.
        uses_resolution: is noise of scale resolution × standard deviation added?
        uses_bins: are values put into ``bins`` bins?
        groups: can source and target hold several coordinates?
        exact: are figures exact over the data, given every donor?
        counts: are outcomes counted, so that :meth:`codes` numbers them?
        contextual: can it tell what is sent within one context, by :meth:`response`? Where not, or
            where groups are refused, averaged figures are read off pairs of a donor and a response
            by :meth:`shared`; else off a grid of donors and contexts.
        by_distance: are responses read through their distances only (:meth:`from_distances`)?
        smooth: is :meth:`shared` a smooth function of the rows, so that leaving some out tells the
            bias as well?
        most_rows: rows above which :meth:`shared` takes too long; a sample of them is used then.
        paper: where the estimator comes from.
        assumes: what it takes for granted, in a few words.
        cost: operations for ``n`` samples of ``d`` coordinates.
    """

    name: ClassVar[str]
    uses_resolution: ClassVar[bool] = True
    uses_bins: ClassVar[bool] = False
    groups: ClassVar[bool] = True
    exact: ClassVar[bool] = False
    counts: ClassVar[bool] = False
    contextual: ClassVar[bool] = True
    by_distance: ClassVar[bool] = False
    most_rows: ClassVar[int | None] = None
    smooth: ClassVar[bool] = False
    paper: ClassVar[str]
    assumes: ClassVar[str] = ""
    cost: ClassVar[str] = ""

    @classmethod
    @abstractmethod
    def fit(
        cls, source: Observed | None, target: Observed, resolution: float, bins: BinsLike = BINS
    ) -> Estimator:
        """Prepare an estimator from observed activations.

        Args:
            source: the source; None when only :meth:`response` is used.
            target: the target.
            resolution: noise scale, in standard deviations.
            bins: number of bins of each unit, their edges, or :class:`Bins`.

        Raises:
            EstimatorError: the estimator is not for such signals; one that is is named.
        """

    def codes(self, values: Tensor) -> Tensor:
        """Number the outcomes of the target ``[row, coordinate]``: equal numbers, equal outcomes.

        Returns:
            Tensor: int64 ``[row]``; -1 for values that are discarded.

        Raises:
            EstimatorError: this estimator does not count.
        """
        raise EstimatorError(
            f"estimator={self.name!r} does not count outcomes; use estimator='exact' or, for "
            "single units, 'binned'"
        )

    def moves(self, responses: Tensor) -> bool:
        """Does any response ``[..., donor, coordinate]`` move, beyond rounding?"""
        return bool(self.response(responses).bits.any())

    @abstractmethod
    def response(self, responses: Tensor, weights: Tensor | None = None) -> Bounds:
        """Information that the donor sends, in each fixed context: ``H(C(x, B'))``.

        Exactly 0 where the response does not move, and never below it.

        Args:
            responses: ``[..., donor, coordinate]`` of the target.
            weights: ``[donor]`` integer counts; equal weights by default.

        Returns:
            Bounds: ``[...]`` bits.

        Raises:
            EstimatorError: it cannot tell that (:attr:`contextual`).
        """

    def unbiased(self, responses: Tensor) -> Bounds:
        """:meth:`response` with the bias in the number of donors taken off by halves.

        ``2 e(D) - (e(first half) + e(second half)) / 2`` removes a bias of order ``1 / D``. What is
        left is right on average, not in each context: it can be below zero.

        Args:
            responses: ``[..., donor, coordinate]``, the donors drawn independently.

        Source: Quenouille, Biometrika 43:353 (1956).
        """
        whole = self.response(responses)
        middle = responses.shape[-2] // 2
        if middle < 2:
            return whole
        first = self.response(responses[..., :middle, :])
        second = self.response(responses[..., middle : 2 * middle, :])
        bits = 2 * whole.bits - (first.bits + second.bits) / 2
        if whole.upper is None or first.upper is None or second.upper is None:
            return Bounds(bits)
        upper = 2 * whole.upper - (first.upper + second.upper) / 2
        return Bounds(bits, torch.maximum(bits, upper))

    def distances(self, responses: Tensor) -> Tensor:
        """Squared distances ``[..., donor, donor]`` in noise scales; those of sites add up.

        Args:
            responses: ``[..., donor, coordinate]`` of the target.
        """
        raise EstimatorError(f"estimator={self.name!r} is not one of distances")

    def from_distances(self, squared: Tensor, *, unbiased: bool = False) -> Bounds:
        """:meth:`response` (or :meth:`unbiased`) from squared distances ``[..., donor, donor]``."""
        raise EstimatorError(f"estimator={self.name!r} is not one of distances")

    def some(self, keep: Tensor) -> Estimator:
        """Return the estimator for some of the target's coordinates, to read responses with.

        Args:
            keep: bool ``[coordinate]`` (or ``[unit]``, where units are measured one by one).
        """
        raise EstimatorError(f"estimator={self.name!r} reads a target as a whole only")

    @abstractmethod
    def shared(self, source: Tensor, target: Tensor) -> Bounds:
        """Mutual information of paired samples ``[row, coordinate]``.

        Returns:
            Bounds: scalars, in bits; a correction for bias may leave them below zero.
        """

    def shared_interval(self, source: Tensor, target: Tensor) -> Interval | None:
        """:meth:`shared` with a 95% interval over rows, where it is known; else None: jackknife."""
        return None

    def clustered(self, source: Tensor, target: Tensor) -> Clustered | None:
        """What chance reads of samples ``[cluster, sample, coordinate]``, where it is known.

        Samples of a cluster need not be independent; else labels are permuted over clusters.
        """
        return None

    def shared_parts(self, source: Tensor, target: Tensor) -> Tensor:
        """:meth:`shared` as ``[figure]``: the bits, then upper bounds; the least of them counts."""
        found = self.shared(source, target)
        return torch.stack([part for part in found if part is not None])

    def variance(self, jackknife: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Variance ``[figure]`` of :meth:`shared`, given what the jackknife says that it is."""
        return jackknife

    def square_bias(self, rows: int) -> float | None:
        """Bits of bias taken off for each degree of freedom, for figures that are like squares.

        Near zero they grow as the square of something normal, such as a correlation, whose own
        interval is then the better one. None for estimators whose figures are not.
        """
        return None

    def shared_without(self, source: Tensor, target: Tensor, left_out: Tensor) -> Tensor | None:
        """Bits ``[group]`` of :meth:`shared` without the samples of bool ``[group, row]``.

        For estimators to which that costs little more than one figure; None else.
        """
        return None


class PairedEstimator(Estimator):
    """An estimator that reads paired samples only.

    It adds no noise and counts nothing, so what a continuous unit sends within one context, where
    the response is a function of the donor, is infinite to it.
    """

    uses_resolution = False
    contextual = False

    def response(self, responses: Tensor, weights: Tensor | None = None) -> Bounds:
        """Refuse: see :class:`PairedEstimator`."""
        raise EstimatorError(
            f"estimator={self.name!r} reads pairs of samples; within a context a continuous "
            "response is a function of the donor, and its information has no bound: use "
            "estimator='pairwise' or 'gaussian', or 'binned' for single units"
        )

    def moves(self, responses: Tensor) -> bool:
        """See :meth:`Estimator.moves`."""
        values = responses.double()
        high, low = values.amax(-2), values.amin(-2)
        return bool((high - low > MERGE * torch.maximum(high.abs(), low.abs())).any())


ESTIMATORS: Registry[type[Estimator]] = Registry(
    "estimator",
    "causalmod.information.estimators",
    {
        "fit": ("source", "target", "resolution", "bins"),
        "response": ("responses", "weights"),
        "shared": ("source", "target"),
    },
)
