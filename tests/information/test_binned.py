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

from causalmod.errors import EstimatorError, InputError
from causalmod.information import Bins, Observed
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_units_are_binned_one_by_one(dtype: torch.dtype) -> None:
    """Each with edges of its own, and as if it were alone; one of them has two values only."""
    generator = torch.Generator().manual_seed(4)
    values = torch.randn(60, 3, generator=generator).to(dtype)
    values[:, 1] = (values[:, 1] > 0).to(dtype)
    scale = torch.ones(3, 1, 1, dtype=torch.float64)
    responses = values[torch.randint(60, (2, 5, 16), generator=generator)]  # [2, 5, donor, unit]
    together = Binned.fit(None, Observed(values[:, :, None, None], scale), 1.0)
    for read in ("response", "unbiased"):
        bits = getattr(together, read)(responses.mT[..., None]).bits
        assert bits.shape == (2, 5, 3)
        for unit in range(3):
            alone = Binned.fit(None, observed(values[:, unit]), 1.0)
            expected = getattr(alone, read)(responses[..., unit, None]).bits
            assert torch.equal(bits[..., unit], expected)


def test_equally_wide_bins() -> None:
    data = torch.tensor([0.0, 1.0, 2.0, 4.0])
    estimator = Binned.fit(None, observed(data), 1.0, Bins(4, "width"))
    assert estimator.codes(torch.tensor([[-1.0], [0.5], [1.5], [2.5], [9.0]])).tolist() == [
        0, 0, 1, 2, 3,
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_given_edges_are_those_of_numpy(dtype: torch.dtype) -> None:
    """Also at the edges, in the middle and at both ends; what lies outside is discarded."""
    edges = [0.0, 0.1, 0.3, 1.0]
    values = torch.tensor([-0.5, 0.0, 0.1, 0.2, 0.3, 0.3, 0.9, 1.0, 1.5], dtype=dtype)
    counts, _ = np.histogram(values.numpy().astype(float), edges)
    estimator = Binned.fit(observed(values), observed(values), 1.0, edges)
    codes = estimator.codes(values[:, None])
    assert torch.bincount(codes[codes >= 0], minlength=3).tolist() == counts.tolist()
    share = counts / counts.sum()
    entropy = -(share * np.log2(share)).sum()
    assert float(estimator.response(values[:, None]).bits) == pytest.approx(entropy, abs=1e-12)
    plain = Binned.fit(
        observed(values), observed(values), 1.0, Bins(edges=tuple(edges), correction="none")
    )
    assert float(plain.shared(values[:, None], values[:, None]).bits) == pytest.approx(entropy)


def test_edges_and_rules_of_either_side() -> None:
    left, right = gaussians(0.5, 500, 1)
    bins = (Bins(4, "width", correction="none"), Bins(edges=(-2.0, 0.0, 2.0), correction="none"))
    estimator = Binned.fit(observed(left), observed(right), 1.0, bins)
    cut = np.digitize(left.numpy(), np.linspace(float(left.min()), float(left.max()), 5)[1:-1])
    kept = right.abs().numpy() < 2
    expected = mutual_info_score(cut[kept], right.numpy()[kept] > 0) / log(2)
    assert float(estimator.shared(left[:, None], right[:, None]).bits) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("bins", "says"),
    [
        (1, "at least 2"),
        (True, "at least 2"),
        ("ten", "number of bins, a sequence of edges"),
        ([0.0, 1.0], "at least three"),
        ([0.0, 2.0, 1.0], "each above the last"),
        ([0.0, 1.0, float("inf")], "finite"),
    ],
)
def test_bins_that_cannot_be(bins: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Bins.pair(bins)


def test_unknown_rules_suggest_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'width'"):
        Bins(rule="widht")
    with pytest.raises(InputError, match="did you mean 'none'"):
        Bins(correction="non")


def effective(unit: Any, low: float, bins: int) -> float:
    """Estimate on a fine grid of a uniform input, equally wide bins over (low, 1) on both sides."""
    count = 200 * bins if bins > 8 else 20_000 * bins
    x = low + (1 - low) * (torch.arange(count, dtype=torch.float64) + 0.5) / count
    edges = tuple((low + (1 - low) * torch.arange(bins + 1, dtype=torch.float64) / bins).tolist())
    cut = Bins(edges=edges, correction="none")
    y = unit(x)
    estimator = Binned.fit(observed(x), observed(y), 1.0, cut)
    return float(estimator.shared(x[:, None], y[:, None]).bits)


@pytest.mark.parametrize(
    ("unit", "low", "bins", "expected"),
    [
        (lambda x: torch.sigmoid(2 * x), 0.0, 8, 1.4406),
        (lambda x: torch.sigmoid(2 * x), 0.0, 64, 4.3820),
        (lambda x: torch.sigmoid(5 * x), 0.0, 64, 4.0840),
        (torch.tanh, -1.0, 64, 5.1988),
        (torch.relu, 0.0, 64, 6.0),
        (lambda x: torch.relu(2 * x), 0.0, 64, 5.0),
        (lambda x: torch.relu(5 * x), 0.0, 64, 3.6982),
    ],
)
def test_effective_information_of_one_weighted_unit(
    unit: Any, low: float, bins: int, expected: float
) -> None:
    """Exact integrals from the issue, four digits; the grid adds up to some 1e-3 of its own."""
    assert effective(unit, low, bins) == pytest.approx(expected, abs=2e-3)
