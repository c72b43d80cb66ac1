"""Spectra, and how many dimensions they fill."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from typing import Any

import torch
from torch import Tensor

_NOTHING = 1e-12  # of the largest eigenvalue: less is rounding


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of a second moment, and two effective ranks with 95% intervals.

    Attributes:
        values: ``[dimension]`` eigenvalues, largest first, in squared standard deviations.
        participation: ``(sum v)^2 / sum v^2``: the participation ratio.
        participation_low, participation_high: ends of its interval.
        entropy: ``exp(-sum p ln p)`` with ``p = v / sum v``: the entropy-based effective rank.
        entropy_low, entropy_high: ends of its interval.

    Both are between 1 and the number of dimensions, are not affected by scale, and are 0 where all
    eigenvalues are. Intervals are those of a jackknife over blocks of rows, cut off at these
    bounds; NaN where there are fewer than two blocks.

    Source: Gao et al. (2017, bioRxiv 214262) for the participation ratio; Roy and Vetterli,
    EUSIPCO (2007), for the entropy-based rank; Efron and Stein, Annals of Statistics 9(3) (1981).

    Example:
        >>> spectrum_of([torch.diag(torch.tensor([1.0, 1.0, 0.0]))])
        Spectrum(participation 2.00, entropy 2.00 of 3 dimensions)
    """

    values: Tensor
    participation: float
    participation_low: float
    participation_high: float
    entropy: float
    entropy_low: float
    entropy_high: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write.

        Example:
            >>> spectrum_of([torch.eye(1)]).to_dict()["values"]
            [1.0]
        """
        return {
            "values": self.values.tolist(),
            "participation": [self.participation, self.participation_low, self.participation_high],
            "entropy": [self.entropy, self.entropy_low, self.entropy_high],
        }

    def __repr__(self) -> str:
        first = _shown(self.participation, self.participation_low, self.participation_high)
        second = _shown(self.entropy, self.entropy_low, self.entropy_high)
        count = len(self.values)
        return f"Spectrum(participation {first}, entropy {second} of {count} dimensions)"


def _shown(value: float, low: float, high: float) -> str:
    return f"{value:.2f}" if isnan(low) else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def participation(values: Tensor) -> float:
    """``(sum v)^2 / sum v^2`` of eigenvalues; 0 where all are 0.

    Example:
        >>> participation(torch.tensor([1.0, 1.0, 0.0]))
        2.0
    """
    power = float(values.square().sum())
    return float(values.sum()) ** 2 / power if power > 0 else 0.0


def entropy_rank(values: Tensor) -> float:
    """``exp`` of the entropy of eigenvalues over their sum; 0 where all are 0.

    Example:
        >>> round(entropy_rank(torch.tensor([1.0, 1.0, 0.0])), 6)
        2.0
    """
    total = float(values.sum())
    if total <= 0:
        return 0.0
    shares = values / total
    terms = torch.where(shares > 0, shares * shares.clamp_min(1e-300).log(), 0.0)
    return float((-terms.sum()).exp())


def spectrum_of(blocks: list[Tensor]) -> Spectrum:
    """Return the spectrum of the mean of second moments ``[dimension, dimension]``, one per block.

    Example:
        >>> spectrum_of([torch.eye(2)] * 4).participation_low
        2.0
    """
    stacked = torch.stack(blocks).double()
    values = _eigenvalues(stacked.mean(0))
    count = len(stacked)
    left = [(stacked.sum(0) - one) / (count - 1) for one in stacked] if count > 1 else []
    spectra = [_eigenvalues(each) for each in left]
    found: list[float] = []
    for rank in (participation, entropy_rank):
        value = rank(values)
        low, high = _jackknife(value, [rank(each) for each in spectra], len(values))
        found += [value, low, high]
    return Spectrum(values, *found)


def _eigenvalues(moment: Tensor) -> Tensor:
    values = torch.linalg.eigvalsh((moment + moment.T) / 2).flip(0).clamp_min(0)
    return torch.where(values > _NOTHING * values[0], values, 0.0)


def _jackknife(value: float, left_out: list[float], most: int) -> tuple[float, float]:
    from scipy.stats import t

    count = len(left_out)
    if count < 2:
        return float("nan"), float("nan")
    each = torch.tensor(left_out, dtype=torch.float64)
    error = float(((count - 1) / count * (each - each.mean()).square().sum()).sqrt())
    half = float(t.ppf(0.975, count - 1)) * error
    least = 1.0 if value > 0 else 0.0
    return max(value - half, least), min(value + half, float(most))
