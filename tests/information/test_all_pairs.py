"""All pairs at once against one pair at a time, scipy, scikit-learn and chance."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import mutual_info_score
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.information import Bins, Observed, all_pairs
from causalmod.information.all_pairs import binned_pairs, pair_bits, pair_codes
from causalmod.information.estimators.binned import Binned


def units(rows: int = 400, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Continuous, skewed, half-constant, binary and constant units, some of which agree."""
    a, b, c = torch.randn(3, rows, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return torch.stack([a, a + b, c.exp(), a.relu(), (b > 0).to(dtype), torch.ones_like(a)], 1)


def one_by_one(left: Tensor, right: Tensor, bins: Any) -> Tensor:
    def observed(values: Tensor) -> Observed:
        return Observed(values, torch.ones(1, dtype=torch.float64))

    found = [
        [
            float(Binned.fit(observed(a[:, None]), observed(b[:, None]), 1.0, bins).shared(
                a[:, None], b[:, None]
            ).bits)
            for b in right.T
        ]
        for a in left.T
    ]  # fmt: skip
    return torch.tensor(found, dtype=torch.float64)


BINS = [
    10,
    40,
    Bins(7, "width"),
    Bins(5, correction="none"),
    (Bins(4), Bins(9)),
    [-1.0, 0.0, 0.5, 2.0],
]


@pytest.mark.parametrize("bins", BINS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_pair_is_as_if_it_were_alone(bins: Any, dtype: torch.dtype) -> None:
    left, right = units(dtype=dtype), units(dtype=dtype)[:, [5, 1, 4, 0]]
    expected = one_by_one(left, right, bins)
    table = binned_pairs(left, right, bins)
    assert torch.allclose(table.bits, expected.clamp_min(0), atol=1e-5)
    assert torch.allclose(pair_bits(pair_codes(left, right, bins)), expected, atol=1e-5)
    assert not table.bits[5].any()
    assert not table.bits[:, 0].any()
    assert not table.high[5].any()


def test_memory_bounds_the_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = units(), units(seed=1)
    whole = binned_pairs(left, right)
    largest = 0
    figures = all_pairs.table_figures

    def watched(counts: Tensor, *rest: Any) -> Any:
        nonlocal largest
        largest = max(largest, counts.numel())
        return figures(counts, *rest)

    monkeypatch.setattr(all_pairs, "table_figures", watched)
    for memory in (100_000, 16_000, 1):
        largest = 0
        parts = binned_pairs(left, right, memory=memory)
        assert largest <= max(100, memory // 40)
        for one, other in zip(whole, parts, strict=True):
            assert torch.allclose(one, other, atol=1e-6)


def test_without_a_product_of_integers_counts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = units(3000), units(3000, seed=1)
    codes = pair_codes(left, right)
    with_integers = pair_bits(codes)

    def missing(*_: Tensor, out: Tensor | None = None) -> Tensor:
        raise RuntimeError("not on this device")

    monkeypatch.setattr(torch, "_int_mm", missing)
    assert torch.equal(pair_bits(codes), with_integers)


def test_p_values_are_those_of_pearson() -> None:
    left, right = units()[:, :3], units(seed=1)[:, [0, 4]]
    found = binned_pairs(left, right)
    codes = pair_codes(left, right)
    for i in range(3):
        for j in range(2):
            pair = codes.left[i].numpy(), codes.right[j].numpy()
            table: Any = stats.contingency.crosstab(*pair)
            expected = list(stats.chi2_contingency(table.count, correction=False))[1]
            assert float(found.p[i, j]) == pytest.approx(expected, abs=1e-5)
            plug_in = mutual_info_score(codes.left[i].numpy(), codes.right[j].numpy())
            freedom = (table.count.shape[0] - 1) * (table.count.shape[1] - 1)
            corrected = plug_in / log(2) - freedom / (2 * 400 * log(2))
            assert float(found.bits[i, j]) == pytest.approx(max(0.0, corrected), abs=1e-6)


@pytest.mark.parametrize("rows", [200, 300, 1000])
def test_false_positives_of_independent_units(rows: int) -> None:
    """Five in a hundred of 1600 independent pairs; and as many pass the null floor."""
    generator = torch.Generator().manual_seed(rows)
    left, right = torch.randn(2, rows, 40, generator=generator)
    table = binned_pairs(left, right)
    positives = float((table.p <= 0.05).double().mean())
    assert 0.035 <= positives <= 0.065
    assert 0.03 <= float((table.bits > table.null).double().mean()) <= 0.07
    assert float((table.low > 0).double().mean()) <= 0.06


def test_permutations_do_not_need_the_chi_square_law() -> None:
    generator = torch.Generator().manual_seed(3)
    left, right = torch.randn(2, 60, 12, generator=generator)
    right[:, 0] = left[:, 0]
    table = binned_pairs(left, right, permutations=99, seed=1)
    assert float(table.p[0, 0]) == 0.01
    assert 0.0 < float((table.p <= 0.05).double().mean()) < 0.12
    again = binned_pairs(left, right, permutations=99, seed=1)
    assert torch.equal(again.p, table.p)
    assert torch.equal(again.null, table.null)


def test_intervals_cover_correlated_gaussians() -> None:
    """Against the integral over ten equally full bins of rho = .75: 0.5370."""
    generator = torch.Generator().manual_seed(0)
    left, noise = torch.randn(2, 1000, 300, generator=generator, dtype=torch.float64)
    right = 0.75 * left + (1 - 0.75**2) ** 0.5 * noise
    inside = 0
    for i in range(300):
        table = binned_pairs(left[:, i, None], right[:, i, None])
        inside += bool(table.low <= 0.5370 <= table.high)
    assert stats.binom.cdf(inside, 300, 0.95) > 0.001


def test_edges_come_from_reference_activations() -> None:
    left, right = units()[:, :2], units(seed=1)[:, :2]
    table = binned_pairs(left * 0.1, right, reference=(left, right))
    codes = pair_codes(left * 0.1, right, reference=(left, right))
    edges = np.quantile(left[:, 0].numpy(), np.arange(1, 10) / 10)
    cut = np.digitize(0.1 * left[:, 0].numpy(), edges)
    assert (codes.left[0].numpy() != cut).mean() < 0.01
    assert table.bits.shape == (2, 2)
    with pytest.raises(EstimatorError, match="10 bins need at least 10 rows of data; given 5"):
        binned_pairs(left, right, reference=(left[:5], right[:5]))
