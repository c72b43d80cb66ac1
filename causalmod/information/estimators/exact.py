"""Exact: count values. For networks whose units take finitely many values; the oracle."""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.information.protocol import ESTIMATORS, Bounds, Estimator, Observed

_MERGE = 1e-6  # values closer than this, relative to the unit's size, are one value
MAX_LEVELS = 256


@ESTIMATORS.register("exact")
class Exact(Estimator):
    """Entropies of counted values: ``H = -sum p log2 p``.

    Values within 1e-6 of a unit's largest absolute value are counted as one, so that rounding does
    not pass for information. Refused when a unit takes more than 256 values on the data.
    """

    name = "exact"
    uses_resolution = False
    exact = True
    paper = "Shannon (1948)"

    def __init__(self, source_size: Tensor | None, target_size: Tensor) -> None:
        self._source_size = source_size
        self._target_size = target_size

    @classmethod
    def fit(cls, source: Observed | None, target: Observed, resolution: float) -> Exact:
        """See :meth:`Estimator.fit`.

        Raises:
            EstimatorError: a unit takes more than 256 distinct values.
        """
        for role, values in (("source", source), ("target", target)):
            if values is None:
                continue
            most = int(levels(values.values.flatten(1)).max())
            if most > MAX_LEVELS:
                raise EstimatorError(
                    f"estimator='exact' counts values, and a {role} unit takes {most} distinct ones "
                    f"on the data (at most {MAX_LEVELS}); use estimator='pairwise' for groups or "
                    "'binned' for single units"
                )
        return cls(None if source is None else _size(source.values), _size(target.values))

    def response(self, responses: Tensor, weights: Tensor | None = None) -> Bounds:
        """See :meth:`Estimator.response`."""
        codes = value_codes(responses.double(), self._target_size)
        counts = torch.ones(responses.shape[-2]) if weights is None else weights
        return Bounds(_entropy(_hash(codes), counts.double()))

    def shared(self, source: Tensor, target: Tensor) -> Bounds:
        """See :meth:`Estimator.shared`."""
        assert self._source_size is not None
        ones = torch.ones(len(source), dtype=torch.float64)
        left = _hash(value_codes(source.double(), self._source_size))
        right = _hash(value_codes(target.double(), self._target_size))
        both = _hash(torch.stack([left, right], dim=-1))
        return Bounds(
            (_entropy(left, ones) + _entropy(right, ones) - _entropy(both, ones)).clamp_min(0)
        )

    def averaged(self, source: Tensor, responses: Tensor) -> Bounds:
        """See :meth:`Estimator.averaged`; every donor row counts equally."""
        rows, contexts = responses.shape[:2]
        codes = value_codes(responses.double().reshape(rows * contexts, -1), self._target_size)
        target = _hash(codes).reshape(rows, contexts)
        assert self._source_size is not None
        sent = _hash(value_codes(source.double(), self._source_size))
        ones = torch.ones(rows * contexts, dtype=torch.float64)
        pairs = _hash(torch.stack([sent[:, None].expand_as(target), target], dim=-1).reshape(-1, 2))
        # H(C) - H(C | B) = H(C) - H(B, C) + H(B)
        total = _entropy(target.reshape(-1), ones) - _entropy(pairs, ones)
        return Bounds((total + _entropy(sent, torch.ones(rows, dtype=torch.float64))).clamp_min(0))


def levels(values: Tensor) -> Tensor:
    """Number of distinct values (merged as above) in each column of ``[row, coordinate]``."""
    return value_codes(values.double(), _size(values)).amax(0) + 1


def is_discrete(values: Tensor) -> Tensor:
    """Bool ``[coordinate]``: finitely many values, as opposed to a different one on every row."""
    count = levels(values)
    whole = (values.double() == values.double().round()).all(0)
    repeated = (count <= len(values) // 2) | whole | (len(values) <= 64)
    return (count <= MAX_LEVELS) & repeated


def value_codes(values: Tensor, size: Tensor) -> Tensor:
    """Number the distinct values along dimension -2, for each coordinate apart."""
    ordered, places = values.sort(dim=-2)
    gaps = ordered.diff(dim=-2) > _MERGE * size
    ranks = torch.nn.functional.pad(gaps.long().cumsum(-2), (0, 0, 1, 0))
    return torch.empty_like(ranks).scatter_(-2, places, ranks)


def _size(values: Tensor) -> Tensor:
    return values.double().abs().amax(0).clamp_min(1e-30)


def _hash(codes: Tensor) -> Tensor:
    """Give equal rows of codes equal 64-bit numbers, and different rows different ones.

    A random odd multiplier per coordinate; two different rows collide with a chance of about
    2^-63, so fewer than one in a billion runs over a billion pairs.
    """
    generator = torch.Generator().manual_seed(codes.shape[-1])
    odd = torch.randint(-(2**62), 2**62, (codes.shape[-1],), generator=generator) * 2 + 1
    mixed = codes * odd
    mixed = mixed ^ (mixed >> 29)
    return (mixed * odd.flip(0)).sum(-1)


def _entropy(codes: Tensor, counts: Tensor) -> Tensor:
    """Entropy in bits of integer codes along the last dimension, with integer counts."""
    ordered, places = codes.sort(dim=-1)
    changes = ordered.diff(dim=-1) != 0
    group = torch.nn.functional.pad(changes.long().cumsum(-1), (1, 0))
    weights = counts.expand(codes.shape).gather(-1, places)
    mass = torch.zeros(codes.shape, dtype=torch.float64).scatter_add_(-1, group, weights)
    share = mass / counts.sum()
    return -torch.where(share > 0, share * share.clamp_min(1e-300).log2(), 0.0).sum(-1) + 0.0
