"""Bins of single units: against integrals, and on data that share nothing."""

from __future__ import annotations

from math import log, log2
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm
from sklearn.metrics import mutual_info_score
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.information import Observed
from causalmod.information.estimators.binned import Binned, bin_edges


def observed(values: Tensor) -> Observed:
    return Observed(values[:, None], torch.ones(1, dtype=torch.float64))


def shared(left: Tensor, right: Tensor, bins: int = 10) -> float:
    estimator = Binned.fit(observed(left), observed(right), 1.0, bins)
    return float(estimator.shared(left[:, None], right[:, None]).bits)


def gaussians(rho: float, rows: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    left, noise = torch.randn(2, rows, generator=generator, dtype=torch.float64)
    return left, rho * left + (1 - rho**2) ** 0.5 * noise


def integral(rho: float, bins: int) -> float:
    """Information of two Gaussians in equal-frequency bins, from their joint distribution."""
    edges = norm.ppf(np.linspace(0, 1, bins + 1))
    covariance: Any = [[1, rho], [rho, 1]]  # the stubs know scalars only
    joint = multivariate_normal(np.zeros(2), covariance)
    clipped = np.clip(edges, -9, 9)
    below = np.array([[joint.cdf([a, b]) for b in clipped] for a in clipped])
    cells = np.diff(np.diff(below, axis=0), axis=1).clip(1e-300)
    return float((cells * np.log2(cells * bins**2)).sum())


def test_correlated_gaussians_read_their_integral() -> None:
    expected = integral(0.75, 10)
    assert expected == pytest.approx(0.5370, abs=5e-5)
    assert shared(*gaussians(0.75, 200_000, 0)) == pytest.approx(expected, abs=0.005)


def test_the_integral_is_below_that_of_the_densities() -> None:
    assert integral(0.75, 10) < -0.5 * log2(1 - 0.75**2)


def test_independent_data_read_nothing() -> None:
    found = torch.tensor([shared(*gaussians(0.0, 1000, seed)) for seed in range(200)])
    assert float(found.square().mean().sqrt()) <= 0.009
    assert abs(float(found.mean())) < 0.003  # of 0.058: the plug-in's bias, to first order


def test_the_plug_in_is_that_of_scikit_learn() -> None:
    left, right = gaussians(0.5, 500, 1)
    tables = [
        np.digitize(v.numpy(), np.quantile(v.numpy(), np.arange(1, 10) / 10)) for v in (left, right)
    ]
    plug_in = mutual_info_score(*tables) / log(2)
    assert shared(left, right) == pytest.approx(plug_in - 81 / (2 * 500 * log(2)), abs=1e-12)


def test_bins_are_equally_full() -> None:
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    filled = torch.bucketize(values.double(), bin_edges(values, 10)).bincount()
    assert filled.tolist() == [100] * 10


@pytest.mark.parametrize(
    ("values", "bins", "edges"),
    [
        ([0.0, 1.0] * 50, 10, [0.5]),
        ([0.0] * 90 + [1.0] * 10, 10, [0.5]),
        ([0.0] * 10 + [1.0] * 90, 10, [0.5]),
        ([5.0] * 100, 10, []),
        ([0.0] * 60 + [1.0, 2.0, 3.0, 4.0] * 10, 10, [0.5, 1.5, 2.5, 3.5]),
        ([1.0, 2.0, 3.0], 3, [1.5, 2.5]),
        ([1.0, 2.0, 3.0, 4.0], 2, [2.5]),
    ],
)
def test_equal_values_share_a_bin(values: list[float], bins: int, edges: list[float]) -> None:
    assert bin_edges(torch.tensor(values), bins).tolist() == edges


def test_rounding_splits_no_bin() -> None:
    bit = (torch.arange(100) % 2).double()
    dust = torch.rand(100, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 1e-8
    assert bin_edges(bit + dust, 10).tolist() == pytest.approx([0.5], abs=1e-6)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.7])
def test_a_bit_has_one_degree_of_freedom(share: float) -> None:
    bit = (torch.arange(1000) < share * 1000).double()
    expected = -share * log2(share) - (1 - share) * log2(1 - share)
    assert shared(bit, bit) == pytest.approx(expected - 1 / (2 * 1000 * log(2)), abs=1e-12)


@pytest.mark.parametrize("factor", [0.01, 0.3, 7.7, 100.0])
def test_rescaling_changes_nothing(factor: float) -> None:
    left, right = (v.float().relu() for v in gaussians(0.5, 500, 2))
    assert shared(left * factor, right) == shared(left, right)
    assert shared(left, right * factor) == shared(left, right)


def test_response_counts_bins() -> None:
    data = torch.arange(100.0)
    estimator = Binned.fit(None, observed(data), 1.0)
    responses = torch.tensor(
        [[5.0, 15.0, 25.0, 35.0], [1.0, 2.0, 3.0, 4.0], [-9.0, -9.0, 999.0, 999.0]]
    )
    assert estimator.response(responses[..., None]).bits.tolist() == [2.0, 0.0, 1.0]


def test_groups_and_too_many_bins_are_refused() -> None:
    data = torch.arange(8.0)
    with pytest.raises(EstimatorError, match=r"10 bins need at least 10 rows of data; given 8"):
        Binned.fit(None, observed(data), 1.0)
    Binned.fit(None, observed(data), 1.0, bins=8)
    with pytest.raises(EstimatorError, match="use estimator='pairwise'"):
        Binned.fit(None, Observed(torch.zeros(20, 2), torch.ones(2)), 1.0)


def test_more_bins_tell_more_of_a_continuous_map() -> None:
    """``y = x``: the information is ``log2(bins)``, without end."""
    values = torch.randn(4000, generator=torch.Generator().manual_seed(3))
    for bins in (10, 100):
        bias = (bins - 1) ** 2 / (2 * len(values) * log(2))
        assert shared(values, values, bins) == pytest.approx(log2(bins) - bias, abs=1e-9)
