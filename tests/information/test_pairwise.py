"""Bounds from pairwise distances: closed forms, quadrature, and signals of known entropy."""

from __future__ import annotations

from math import exp, log2

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from causalmod.information import Observed
from causalmod.information.estimators import pairwise
from causalmod.information.estimators.pairwise import PairwiseBounds, mixture_bounds


def read(signal: Tensor, resolution: float) -> tuple[float, float]:
    """Bounds of the information in draws ``[draw]``, noise in units of their own spread."""
    column = signal[:, None]
    scale = column.double().std(0, unbiased=False)
    estimator = PairwiseBounds.fit(None, Observed(column, scale), resolution)
    low, high = estimator.response(column)
    assert high is not None
    return float(low), float(high)


def bit(ones: int, draws: int) -> Tensor:
    return (torch.arange(draws) < ones).double()


def h(p: float) -> float:
    return -p * log2(p) - (1 - p) * log2(1 - p)


def test_a_fair_bit_at_resolution_one() -> None:
    """Two centres two noise scales apart: the bounds by hand."""
    low, high = read(bit(50, 100), 1.0)
    assert low == pytest.approx(-log2((1 + exp(-4 / 8)) / 2), abs=1e-12)
    assert high == pytest.approx(-log2((1 + exp(-4 / 2)) / 2), abs=1e-12)
    assert (round(low, 3), round(high, 3)) == (0.316, 0.817)


@pytest.mark.parametrize(("ones", "draws"), [(500, 1000), (900, 1000), (10, 1000), (1, 1000)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bits_are_exact_at_a_tenth(ones: int, draws: int, dtype: torch.dtype) -> None:
    low, high = read((1e3 + bit(ones, draws)).to(dtype), 0.1)
    assert low == pytest.approx(h(ones / draws), abs=1e-4)
    assert high == pytest.approx(h(ones / draws), abs=1e-4)


def test_a_bit_copied_to_many_is_one_bit() -> None:
    copies = bit(32, 64)[:, None].expand(-1, 100)
    group = Observed(copies, copies.std(0, unbiased=False))
    for resolution in (0.1, 1.0):
        low, high = PairwiseBounds.fit(None, group, resolution).response(copies)
        assert high is not None
        assert (float(low), float(high)) == pytest.approx((1.0, 1.0), abs=1e-4)


def information_by_quadrature(centres: np.ndarray) -> float:
    """``h(mixture) - h(noise)`` in bits: unit noise, equal weights, one dimension."""
    grid = np.linspace(centres.min() - 10, centres.max() + 10, 20_001)
    density = np.exp(-((grid[:, None] - centres) ** 2) / 2).mean(1) / (2 * np.pi) ** 0.5
    logs = np.log2(density, where=density > 0, out=np.zeros_like(density))
    mixture = -np.trapezoid(density * logs, grid)
    return float(mixture - log2(2 * np.pi * np.e) / 2)


@given(st.lists(st.floats(-6, 6, width=32), min_size=2, max_size=12))
@settings(max_examples=60, deadline=None)
def test_bounds_bracket_the_information(centres: list[float]) -> None:
    low, high = mixture_bounds(torch.tensor(centres, dtype=torch.float64)[:, None])
    truth = information_by_quadrature(np.array(centres))
    assert high is not None
    assert 0 <= float(low) <= truth + 1e-6
    assert truth - 1e-6 <= float(high) <= log2(len(centres)) + 1e-12


@given(
    st.integers(1, 5), st.integers(2, 40), st.floats(0.01, 50), st.integers(0, 10**6), st.booleans()
)
@settings(max_examples=60, deadline=None)
def test_lower_is_below_upper(width: int, draws: int, spread: float, seed: int, all_: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    scaled = torch.randn(3, draws, width, generator=generator, dtype=torch.float64) * spread
    group = Observed(scaled[0], torch.ones(width, dtype=torch.float64))
    estimator = PairwiseBounds.fit(None, group, 1.0)
    low, high = estimator.response(scaled) if all_ else estimator.unbiased(scaled)
    assert high is not None
    assert bool((low <= high).all())


def test_distances_by_products_are_those_by_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    scaled = torch.randn(4, 64, 20, generator=generator, dtype=torch.float64) * 3
    products = mixture_bounds(scaled)
    monkeypatch.setattr(pairwise, "_FAR", 0.0)
    differences = mixture_bounds(scaled)
    assert torch.allclose(products.bits, differences.bits, rtol=0, atol=1e-10)
    assert products.upper is not None
    assert differences.upper is not None
    assert torch.allclose(products.upper, differences.upper, rtol=0, atol=1e-10)


def test_one_far_draw_hides_nothing() -> None:
    """Measured from a draw as far as this, products lose all digits of the others' distances."""
    signal = torch.cat([torch.tensor([1e9]), bit(32, 63) * 5]).double()
    low, high = mixture_bounds((signal - signal[0])[:, None])
    squared = (signal[:, None] - signal) ** 2
    assert high is not None
    for got, divisor in ((low, 8), (high, 2)):
        expected = -(-squared / divisor).exp().mean(1).log2().mean()
        assert float(got) == pytest.approx(float(expected), abs=1e-9)


@pytest.mark.parametrize("chunk", [16, 1000, 2**17])
def test_the_size_of_pieces_does_not_matter(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(1)
    scaled = torch.randn(5, 33, 3, generator=generator, dtype=torch.float64)
    weights = torch.randint(1, 5, (33,), generator=generator)
    whole = mixture_bounds(scaled, weights)
    monkeypatch.setattr(pairwise, "_CHUNK", chunk)
    pieces = mixture_bounds(scaled, weights)
    assert torch.allclose(whole.bits, pieces.bits, rtol=0, atol=1e-12)


def test_independent_groups_share_nothing_and_copies_all() -> None:
    generator = torch.Generator().manual_seed(2)
    left, right = torch.randint(2, (2, 400, 1), generator=generator).double()
    scale = torch.full((1,), 0.5, dtype=torch.float64)
    apart = PairwiseBounds.fit(Observed(left, scale), Observed(right, scale), 0.1)
    low, high = apart.shared(left, right)
    assert high is not None
    assert (float(low), float(high)) == pytest.approx((0.0, 0.0), abs=0.02)
    low, high = apart.shared(left, left)
    assert high is not None
    assert (float(low), float(high)) == pytest.approx((1.0, 1.0), abs=0.01)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_shared_bounds_bracket_the_closed_form(rho: float) -> None:
    """Gaussians with noise of their own size on both sides: ``-1/2 log2(1 - (rho/2)^2)``."""
    generator = torch.Generator().manual_seed(3)
    left, noise = torch.randn(2, 1000, 1, generator=generator, dtype=torch.float64)
    right = rho * left + (1 - rho**2) ** 0.5 * noise
    scale = torch.ones(1, dtype=torch.float64)
    low, high = PairwiseBounds.fit(Observed(left, scale), Observed(right, scale), 1.0).shared(
        left, right
    )
    truth = -log2(1 - (rho / 2) ** 2) / 2
    assert high is not None
    assert float(low) - 0.02 <= truth <= float(high) + 0.02
