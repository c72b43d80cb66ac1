"""The Gaussian channel: closed forms, both Gram matrices, single precision."""

from __future__ import annotations

from math import log2

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from causalmod.information import Observed
from causalmod.information.estimators.gaussian import GaussianChannel, channel_bits, standardise


def test_a_fair_bit_at_a_tenth() -> None:
    bit = (torch.arange(100) % 2).double()[:, None]
    channel = GaussianChannel.fit(None, Observed(bit, bit.std(0, unbiased=False)), 0.1)
    bits = float(channel.response(bit).bits)
    assert bits == pytest.approx(log2(1 + 100) / 2, abs=1e-12)
    assert round(bits, 2) == 3.33


@pytest.mark.parametrize(("donors", "width"), [(50, 3), (3, 50), (20, 20), (2, 1), (64, 1)])
def test_it_is_the_determinant(donors: int, width: int) -> None:
    generator = torch.Generator().manual_seed(donors)
    scaled = torch.randn(4, donors, width, generator=generator, dtype=torch.float64) * 3
    expected = [
        torch.linalg.slogdet(torch.eye(width) + torch.cov(one.T, correction=0).reshape(width, -1))[
            1
        ]
        for one in scaled
    ]
    got = channel_bits(scaled)
    assert got.tolist() == pytest.approx(
        [float(e) / (2 * torch.tensor(2.0).log().item()) for e in expected]
    )


@given(st.integers(2, 12), st.integers(1, 12), st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_both_gram_matrices_give_the_same(donors: int, width: int, seed: int) -> None:
    """Silent coordinates beyond the number of donors switch to the other matrix."""
    generator = torch.Generator().manual_seed(seed)
    scaled = torch.randn(donors, width, generator=generator, dtype=torch.float64)
    counts = torch.randint(1, 5, (donors,), generator=generator)
    wider = torch.cat([scaled, torch.zeros(donors, 20, dtype=torch.float64)], dim=1)
    for weights in (None, counts):
        assert float(channel_bits(wider, weights)) == pytest.approx(
            float(channel_bits(scaled, weights)), abs=1e-9
        )


def test_linear_gaussian_signals_read_their_information() -> None:
    """``C = A B``, noise of the size of C's spread: ``1/2 log2 det(I + A A' / s^2)``."""
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    source = torch.randn(100_000, 5, generator=generator, dtype=torch.float64)
    covariance = mix @ mix.T
    scale = covariance.diagonal().sqrt()
    expected = torch.logdet(torch.eye(3) + covariance / scale[:, None] / scale[None]) / 2
    target = source @ mix.T
    got = GaussianChannel.fit(None, Observed(target, scale), 1.0).response(target[None])
    assert float(got.bits) == pytest.approx(
        float(expected) / torch.tensor(2.0).log().item(), abs=0.01
    )


@pytest.mark.parametrize(("rho", "resolution"), [(0.0, 0.1), (0.5, 0.1), (0.9, 0.5)])
def test_shared_is_that_of_noisy_gaussians(rho: float, resolution: float) -> None:
    generator = torch.Generator().manual_seed(1)
    left, noise = torch.randn(2, 20_000, 1, generator=generator, dtype=torch.float64)
    right = 50 + rho * left + (1 - rho**2) ** 0.5 * noise
    scale = torch.ones(1, dtype=torch.float64)
    channel = GaussianChannel.fit(Observed(left, scale), Observed(right, scale), resolution)
    noisy = rho / (1 + resolution**2)
    assert float(channel.shared(left, right).bits) == pytest.approx(
        -log2(1 - noisy**2) / 2, abs=0.01
    )


def test_signals_that_hide_the_noise_have_a_figure() -> None:
    """In single precision the identity drowns beside such a covariance."""
    generator = torch.Generator().manual_seed(2)
    line = torch.randn(30, 1, generator=generator) * 1e5
    scaled = (line @ torch.randn(1, 10, generator=generator)).float()
    bits = channel_bits(scaled)
    assert bool(torch.isfinite(bits))
    assert float(bits) == pytest.approx(float(channel_bits(scaled.double())), abs=0.1)


def test_rounding_is_dropped_and_signal_kept() -> None:
    noise = torch.ones(1, dtype=torch.float64)
    column = torch.tensor([[100.0], [100.0 + 5e-6], [101.0]], dtype=torch.float64)
    assert standardise(column, noise).flatten().tolist() == pytest.approx([0.0, 5e-6, 1.0])
    assert standardise(column[:2], noise).flatten().tolist() == [0.0, 0.0]
    large = torch.tensor([[1e6], [1e6 + 0.5], [1e6 + 2]], dtype=torch.float64)
    assert standardise(large, noise).flatten().tolist() == [0.0, 0.5, 2.0]
    assert standardise(large[:2], noise).flatten().tolist() == [0.0, 0.0]
    coarse = torch.tensor([[100.0], [100.0625], [132.0]], dtype=torch.float16)
    assert standardise(coarse[:2], noise).flatten().tolist() == [0.0, 0.0]
    assert standardise(coarse[[0, 2]], noise).flatten().tolist() == [0.0, 32.0]
