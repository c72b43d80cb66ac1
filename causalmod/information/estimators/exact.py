"""Exact: count values. For networks whose units take finitely many values; the oracle."""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.information.bins import BINS, BinsLike
from causalmod.information.protocol import ESTIMATORS, MERGE, Bounds, Estimator, Observed

MAX_LEVELS = 256
FEW = 64  # rows that may all differ and still be meant as an enumeration


@ESTIMATORS.register("exact")
class Exact(Estimator):
    """Entropies of counted values: ``H = -sum p log2 p``, in bits.

    Values that differ by less than 1e-6 of a unit's largest absolute value are counted as one, so
    that rounding does not pass for information. Refused when a unit takes more than 256 values on
    the data.

    Source: Shannon, Bell System Technical Journal 27:379 (1948), section 6.
    """

    name = "exact"
    uses_resolution = False
    exact = True
    counts = True
    paper = "Shannon (1948)"
    assumes = "few values of each unit; every donor can be gone through"
    cost = "n \\log n"

    def __init__(self, source_size: Tensor | None, target_size: Tensor) -> None:
        self._source_size = source_size
        self._target_size = target_size

    @classmethod
    def fit(
        cls, source: Observed | None, target: Observed, resolution: float, bins: BinsLike = BINS
    ) -> Exact:
        """See :meth:`Estimator.fit`.

        Raises:
            EstimatorError: a unit takes more than 256 distinct values.
        """
        for role, group in (("source", source), ("target", target)):
            if group is None:
                continue
            most = int(levels(group.values.flatten(1)).amax())
            if most > MAX_LEVELS:
                raise EstimatorError(
                    f"estimator='exact' counts values, and a unit of the {role} takes {most} on "
                    f"the data (at most {MAX_LEVELS}); use estimator='pairwise' for groups or "
                    "'binned' for single units"
                )
        return cls(None if source is None else value_size(source.values), value_size(target.values))

    def codes(self, values: Tensor) -> Tensor:
        """See :meth:`Estimator.codes`; the values given are numbered together."""
        values = values.double()
        return row_codes(value_codes(values, torch.maximum(self._target_size, value_size(values))))

    def some(self, keep: Tensor) -> Exact:
        """See :meth:`Estimator.some`."""
        return type(self)(self._source_size, self._target_size[keep])

    def response(self, responses: Tensor, weights: Tensor | None = None) -> Bounds:
        """See :meth:`Estimator.response`."""
        values = responses.double()
        # off the data values can be larger than on it, and so is their rounding
        size = torch.maximum(self._target_size, values.abs().amax(-2, keepdim=True))
        codes = row_codes(value_codes(values, size))
        return Bounds(count_entropy(codes, weights))

    def shared(self, source: Tensor, target: Tensor) -> Bounds:
        """See :meth:`Estimator.shared`."""
        if self._source_size is None:
            raise EstimatorError("fit the estimator with a source to measure what is shared")
        left = row_codes(value_codes(source.double(), self._source_size))
        right = row_codes(value_codes(target.double(), self._target_size))
        both = row_codes(torch.stack([left, right], dim=-1))
        apart = count_entropy(left) + count_entropy(right)
        return Bounds((apart - count_entropy(both)).clamp_min(0))


def value_size(values: Tensor) -> Tensor:
    """Largest absolute value ``[coordinate]`` of ``[row, coordinate]``, above 0."""
    return values.double().abs().amax(0).clamp_min(1e-30)


def levels(values: Tensor) -> Tensor:
    """Number of distinct values (merged as above) in each column of ``[row, coordinate]``."""
    return value_codes(values.double(), value_size(values)).amax(0) + 1


def is_discrete(values: Tensor) -> Tensor:
    """Which columns of ``[row, coordinate]`` take few values, not a new one on every row.

    True with at most 256 values that are whole numbers, that come twice on average, or on at most
    64 rows.
    """
    count = levels(values)
    repeated = (count <= len(values) // 2) | _whole(values) | (len(values) <= FEW)
    return (count <= MAX_LEVELS) & repeated


def never_repeats(values: Tensor) -> Tensor:
    """Which columns of ``[row, coordinate]`` have a fractional value of their own on each row."""
    return (levels(values) == len(values)) & ~_whole(values) & (len(values) > FEW)


def _whole(values: Tensor) -> Tensor:
    return (values.double() == values.double().round()).all(0)


def value_codes(values: Tensor, size: Tensor) -> Tensor:
    """Number the distinct values along dimension -2, for each coordinate apart, in order.

    Args:
        values: ``[..., row, coordinate]``.
        size: ``[coordinate]`` or ``[..., 1, coordinate]``; gaps up to 1e-6 of it are rounding.
    """
    ordered, places = values.sort(dim=-2)
    gaps = ordered.diff(dim=-2) > MERGE * size
    ranks = torch.nn.functional.pad(gaps.long().cumsum(-2), (0, 0, 1, 0))
    return torch.empty_like(ranks).scatter_(-2, places, ranks)


def row_codes(codes: Tensor) -> Tensor:
    """Give equal rows ``[..., coordinate]`` of integers equal numbers, and others different ones.

    A 64-bit hash with random odd multipliers: two different rows meet with a chance of about
    2^-63, one in ten billion over a billion pairs.
    """
    if codes.shape[-1] == 1:
        return codes[..., 0]
    generator = torch.Generator().manual_seed(codes.shape[-1])
    odd = torch.randint(-(2**62), 2**62, (2, codes.shape[-1]), generator=generator) * 2 + 1
    odd = odd.to(codes.device)
    mixed = codes * odd[0]
    mixed ^= mixed >> 29
    return (mixed * odd[1]).sum(-1)


def count_entropy(codes: Tensor, counts: Tensor | None = None) -> Tensor:
    """Entropy in bits of integer codes along the last dimension.

    Args:
        codes: ``[..., sample]``.
        counts: ``[sample]`` weights; 1 each by default.
    """
    ordered, places = codes.sort(dim=-1)
    group = torch.nn.functional.pad((ordered.diff(dim=-1) != 0).long().cumsum(-1), (1, 0))
    weights = torch.ones(codes.shape[-1]) if counts is None else counts
    weights = weights.to(codes.device, torch.float64)
    mass = torch.zeros_like(codes, dtype=torch.float64)
    mass.scatter_add_(-1, group, weights.expand(codes.shape).gather(-1, places))
    share = mass / weights.sum()
    return -torch.where(share > 0, share * share.clamp_min(1e-300).log2(), 0.0).sum(-1) + 0.0
