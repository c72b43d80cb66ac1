"""Copula and nearest neighbours: closed forms, scipy and scikit-learn, maps that change nothing."""

from __future__ import annotations

from math import log, log2
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_regression
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.information import ESTIMATORS, Observed
from causalmod.information.estimators.copula import normal_scores

PAIRED = ["copula", "ksg", "ksg-ranks"]
MAPS = {
    "exp": torch.exp,
    "cube": lambda x: x**3,
    "sigmoid": torch.sigmoid,
    "fall": lambda x: -2 * x,
    "shift": lambda x: x / 50 + 40,
}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def observed(values: Tensor) -> Observed:
    return Observed(values, values.std(0, unbiased=False).clamp_min(1e-3))


def shared(name: str, left: Tensor, right: Tensor) -> float:
    estimator = ESTIMATORS.get(name).fit(observed(left), observed(right), 1.0)
    return float(estimator.shared(left, right).bits)


def gaussians(rho: float, rows: int, width: int = 1, seed: int = 0) -> tuple[Tensor, Tensor]:
    left, noise = normal(2, rows, width, seed=seed)
    return left, rho * left + (1 - rho**2) ** 0.5 * noise


@pytest.mark.parametrize("name", PAIRED)
def test_correlated_gaussians_read_their_closed_form(name: str) -> None:
    """``-1/2 log2(1 - rho^2)`` for each coordinate; rho = .75 gives 0.5963."""
    expected = -log2(1 - 0.75**2) / 2
    assert expected == pytest.approx(0.5963, abs=5e-5)
    found = [shared(name, *gaussians(0.75, 1000, seed=seed)) for seed in range(12)]
    error = stats.sem(found)
    assert abs(np.mean(found) - expected) < 4 * error + 0.003
    assert np.std(found) < 0.06


@pytest.mark.parametrize("name", PAIRED)
@pytest.mark.parametrize("width", [1, 3])
def test_independent_groups_read_nothing_on_average(name: str, width: int) -> None:
    found = [shared(name, *gaussians(0.0, 300, width, seed=seed)) for seed in range(40)]
    assert abs(np.mean(found)) < 4 * stats.sem(found) + 0.002
    assert any(bits < 0 for bits in found)


def test_the_bias_of_the_copula_is_that_of_gaussian_data() -> None:
    """Six coordinates against six, 60 rows: some .7 bits too many without the correction."""
    found = [shared("copula", *gaussians(0.0, 60, 6, seed=seed)) for seed in range(150)]
    assert abs(np.mean(found)) < 0.03


def test_ranks_are_those_of_scipy() -> None:
    values = torch.cat([normal(50, 1), (normal(50, 1) > 0).double()], dim=1)
    expected = stats.norm.ppf(stats.rankdata(values.numpy(), axis=0) / 51)
    assert np.allclose(normal_scores(values).numpy(), expected, atol=1e-12)


def test_the_copula_is_a_correlation_of_ranks() -> None:
    left, right = gaussians(0.6, 400)
    scores = [stats.norm.ppf(stats.rankdata(v[:, 0].numpy()) / 401) for v in (left, right)]
    rho = np.corrcoef(scores[0], scores[1])[0, 1]
    psi = [float(digamma((400 - i) / 2)) / 2 for i in (1, 2)]
    bias = (2 * psi[0] - psi[0] - psi[1]) / log(2)
    assert shared("copula", left, right) == pytest.approx(-log2(1 - rho**2) / 2 - bias, abs=1e-9)


@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_neighbours_are_those_of_scikit_learn(rho: float) -> None:
    left, right = gaussians(rho, 300)
    options: dict[str, Any] = {"discrete_features": False, "n_neighbors": 4, "random_state": 0}
    bits = mutual_info_regression(left.numpy(), right[:, 0].numpy(), **options)
    assert shared("ksg", left, right) == pytest.approx(bits[0] / log(2), abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(["copula", "ksg-ranks"]),
    first=st.sampled_from(sorted(MAPS)),
    second=st.sampled_from(sorted(MAPS)),
    seed=st.integers(0, 1000),
)
def test_monotone_maps_change_nothing(name: str, first: str, second: str, seed: int) -> None:
    left, right = gaussians(0.6, 120, 2, seed=seed)
    mapped = shared(name, MAPS[first](left), MAPS[second](right))
    assert mapped == pytest.approx(shared(name, left, right), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(name=st.sampled_from(PAIRED), seed=st.integers(0, 1000))
def test_the_order_of_rows_and_coordinates_does_not_matter(name: str, seed: int) -> None:
    left, right = gaussians(0.6, 80, 2, seed=seed)
    order = torch.randperm(80, generator=torch.Generator().manual_seed(seed))
    again = shared(name, left[order], right[order].flip(1))
    assert again == pytest.approx(shared(name, left, right), abs=1e-9)


def test_where_samples_coincide_neighbours_count_them() -> None:
    """A bit seen through a channel that flips one in ten: ``1 - h(.1)``."""
    generator = torch.Generator().manual_seed(0)
    left = torch.randint(2, (1000, 1), generator=generator).double()
    flip = torch.rand(1000, 1, generator=generator) < 0.1
    expected = 1 + 0.1 * log2(0.1) + 0.9 * log2(0.9)
    assert shared("ksg", left, torch.where(flip, 1 - left, left)) == pytest.approx(
        expected, abs=0.05
    )


def test_redundant_coordinates_add_nothing_to_the_copula() -> None:
    left, right = gaussians(0.6, 200, 2)
    twice = torch.cat([left, left[:, :1], torch.ones(200, 1)], dim=1)
    assert shared("copula", twice, right) == pytest.approx(shared("copula", left, right), abs=1e-9)


def test_a_copy_is_refused_by_the_copula() -> None:
    left = normal(100, 1)
    with pytest.raises(EstimatorError, match="no bound; use estimator='pairwise'"):
        shared("copula", left, torch.exp(left))


@pytest.mark.parametrize(
    ("name", "rows", "width", "says"),
    [
        ("copula", 8, 3, "needs more rows than the 6 coordinates"),
        ("ksg", 6, 1, "at least 8 rows"),
        ("ksg", 100, 5, "for few coordinates .* given 10.*use estimator='pairwise'"),
        ("ksg-ranks", 100, 5, "estimator='ksg-ranks' is for few coordinates"),
    ],
)
def test_what_they_cannot_do_is_refused(name: str, rows: int, width: int, says: str) -> None:
    with pytest.raises(EstimatorError, match=says):
        shared(name, *gaussians(0.0, rows, width))
