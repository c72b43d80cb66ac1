"""Intervals against scipy and closed forms; averaged figures against theirs."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from causalmod.information import ESTIMATORS, Observed
from causalmod.information.channel import averaged_over_sets
from causalmod.information.intervals import (
    is_saturated,
    jackknife,
    jackknives,
    permutation_null,
    t_interval,
    t_intervals,
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_t_interval_of_what_is_not_skewed_is_that_of_scipy() -> None:
    values = torch.cat([5 + normal(12), 5 - normal(12)])
    low, high = stats.t.interval(0.95, 23, values.mean().item(), stats.sem(values.numpy()))
    assert t_interval(values) == pytest.approx((5.0, low, high), abs=1e-9)


def test_the_ends_follow_the_skewness() -> None:
    """Hall's transformation of the studentised mean is the normal quantile at either end."""
    values = normal(40).exp()
    mean, error = float(values.mean()), float(stats.sem(values.numpy()))
    g = float(((values - mean) / values.std()).pow(3).mean())
    _, low, high = t_interval(values)
    for end, quantile in ((low, 0.975), (high, 0.025)):
        t = (mean - end) / error
        hall = t + g * t**2 / (3 * 40**0.5) + g**2 * t**3 / (27 * 40) + g / (6 * 40**0.5)
        assert hall == pytest.approx(stats.t.ppf(quantile, 39), abs=1e-6)
    assert high - mean > mean - low > 0


def test_skewed_means_are_covered_more_often() -> None:
    """Where one context in ten sends something."""
    plain = corrected = 0
    for seed in range(400):
        values = normal(64, seed=seed).exp() * (torch.arange(64) % 10 == 0)
        truth = np.exp(0.5) * 7 / 64
        low, high = stats.t.interval(0.95, 63, values.mean().item(), stats.sem(values.numpy()))
        plain += low <= truth <= high
        _, low, high = t_interval(values)
        corrected += low <= truth <= high
    assert corrected > plain


def test_intervals_of_many_figures_are_those_of_each() -> None:
    values = normal(30, 2, 3).exp()
    every = t_intervals(values)
    for i in range(2):
        for j in range(3):
            one = t_interval(values[:, i, j])
            assert tuple(float(part[i, j]) for part in every) == pytest.approx(tuple(one))


def test_nothing_is_below_zero() -> None:
    assert t_interval(normal(50) - 3) == (0.0, 0.0, 0.0)
    assert t_interval(torch.zeros(50)) == (0.0, 0.0, 0.0)
    low, high = jackknife(lambda kept: float(normal(100)[kept].mean()) - 2, 100)[1:]
    assert (low, high) == (0.0, 0.0)


def test_jackknife_of_a_mean_is_its_t_interval() -> None:
    """With one row a group, leaving out reproduces the standard error of the mean."""
    values = 5 + normal(20)
    found = jackknife(lambda kept: float(values[kept].mean()), 20)
    error = stats.sem(values.numpy())
    expected = stats.t.interval(0.95, 19, float(values.mean()), error)
    assert tuple(found) == pytest.approx((float(values.mean()), *expected), abs=1e-9)


def test_jackknife_covers_a_variance() -> None:
    covered = 0
    for seed in range(200):
        data = normal(200, seed=seed)
        _, low, high = jackknife(lambda kept, data=data: float(data[kept].var()), 200)
        covered += low <= 1.0 <= high
    assert stats.binom.cdf(covered, 200, 0.95) > 0.001


def test_several_figures_at_once() -> None:
    values = 5 + normal(60)

    def both(kept: Tensor) -> Tensor:
        return torch.stack([values[kept].mean(), values[kept].var()])

    alone = jackknife(lambda kept: float(values[kept].var()), 60)
    assert tuple(jackknives(both, 60)[1]) == pytest.approx(tuple(alone), abs=1e-12)


def test_permutation_p_values_are_uniform_where_nothing_is_sent() -> None:
    found: list[float] = []
    for seed in range(200):
        left, right = normal(2, 30, seed=seed)

        def figure(generator: torch.Generator, left: Tensor = left, right: Tensor = right) -> float:
            order = torch.randperm(30, generator=generator)
            return float((left[order] * right).sum())

        floor, p = permutation_null(figure, float((left * right).sum()), 19, seed)
        assert np.isfinite(floor)
        assert 0.05 <= p <= 1.0
        found.append(p)
    low = sum(p <= 0.05 for p in found)
    assert stats.binom.cdf(low, 200, 0.05) > 0.001
    assert stats.binom.sf(low - 1, 200, 0.05) > 0.001


def test_half_of_the_ceiling_saturates() -> None:
    assert not is_saturated(3.0, 64)
    assert is_saturated(3.001, 64)
    assert not is_saturated(5.0, 1024)


@pytest.mark.parametrize("name", ["pairwise", "gaussian"])
def test_sets_that_donors_do_not_move_read_nothing(name: str) -> None:
    """Whatever the contexts do: both sets are equal then."""
    contexts = normal(20, 64, 2)
    group = Observed(normal(50, 2), torch.ones(2, dtype=torch.float64))
    estimator = ESTIMATORS.get(name).fit(None, group, 1.0)
    bounds, whole = averaged_over_sets(estimator, contexts, contexts)
    assert float(whole.bits.mean()) > 0.3
    if bounds.upper is None:
        assert not bounds.bits.any()
    else:
        assert bool((bounds.bits <= 0).all())
        assert bool((bounds.upper >= 0).all())


def test_sets_read_a_gaussian_channel() -> None:
    """``C = B + X`` with variances 1 and noise 1: ``1/2 log2(3 / 2)``."""
    x, b, one = normal(400, 64, 1), normal(400, 64, 1, seed=1), normal(400, 1, 1, seed=2)
    group = Observed(normal(50, 1), torch.ones(1, dtype=torch.float64))
    estimator = ESTIMATORS.get("gaussian").fit(None, group, 1.0)
    bounds, _ = averaged_over_sets(estimator, x + b, x + one)
    bits, low, high = t_interval(bounds.bits)
    assert low < log2(3 / 2) / 2 < high
    assert high - low < 0.05
    assert bits > 0
