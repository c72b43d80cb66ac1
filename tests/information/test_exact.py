"""Counting values: against scikit-learn, scipy and closed forms."""

from __future__ import annotations

from math import log, log2

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy
from sklearn.metrics import mutual_info_score
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.information import Observed
from causalmod.information.channel import averaged_over_all
from causalmod.information.estimators.exact import (
    Exact,
    count_entropy,
    is_discrete,
    levels,
    never_repeats,
    row_codes,
    value_codes,
    value_size,
)


def observed(values: Tensor) -> Observed:
    return Observed(values, torch.ones(values.shape[1], dtype=torch.float64))


def exact(source: Tensor, target: Tensor) -> Exact:
    return Exact.fit(observed(source), observed(target), 1.0)


def as_one(values: Tensor) -> np.ndarray:
    """Rows as single labels, by NumPy."""
    return np.unique(values.numpy(), axis=0, return_inverse=True)[1].reshape(-1)


@st.composite
def tables(draw: st.DrawFn) -> Tensor:
    rows, columns = draw(st.integers(2, 60)), draw(st.integers(1, 4))
    top = draw(st.integers(1, 5))
    numbers = st.lists(st.integers(0, top), min_size=rows * columns, max_size=rows * columns)
    return torch.tensor(draw(numbers), dtype=torch.float64).reshape(rows, columns)


@given(tables(), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_shared_is_what_scikit_learn_counts(values: Tensor, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    cut = int(torch.randint(1, values.shape[1] + 1, (1,), generator=generator))
    left = values[:, :cut]
    right = torch.cat([values[:, cut:], values.sum(1, keepdim=True) % 3], dim=1)
    expected = mutual_info_score(as_one(left), as_one(right)) / log(2)
    assert float(exact(left, right).shared(left, right).bits) == pytest.approx(expected, abs=1e-12)


@given(tables())
@settings(max_examples=60, deadline=None)
def test_entropy_is_what_scipy_counts(values: Tensor) -> None:
    counts = np.unique(values.numpy(), axis=0, return_counts=True)[1]
    got = exact(values, values).response(values[None])
    assert float(got.bits[0]) == pytest.approx(entropy(counts, base=2), abs=1e-12)


@given(tables())
@settings(max_examples=60, deadline=None)
def test_rows_are_told_apart(values: Tensor) -> None:
    codes = row_codes(values.long())
    assert len(codes.unique()) == len(values.unique(dim=0))


def test_rows_of_many_columns_are_told_apart() -> None:
    """A hash that only adds would mix up rows that hold the same values in another order."""
    rows = torch.eye(300, dtype=torch.long)
    assert len(row_codes(rows).unique()) == 300
    pairs = torch.cartesian_prod(torch.arange(256), torch.arange(256))
    assert len(row_codes(pairs).unique()) == 256**2
    large = torch.randint(-(2**62), 2**62, (10_000, 2), generator=torch.Generator().manual_seed(0))
    assert len(row_codes(torch.cat([large, large.flip(1)])).unique()) == 20_000


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_values_within_a_millionth_are_one_value(scale: float) -> None:
    generator = torch.Generator().manual_seed(0)
    whole = torch.randint(4, (100, 2), generator=generator).double()
    dust = torch.rand(100, 2, generator=generator, dtype=torch.float64) * 3e-7
    values = (whole + dust) * scale
    assert torch.equal(value_codes(values, value_size(values)), whole.long())
    clean, dusty = exact(whole, whole), exact(values, values)
    assert torch.equal(clean.response(whole[None]).bits, dusty.response(values[None]).bits)


def test_values_further_apart_are_two() -> None:
    values = torch.tensor([[1.0], [1.0 + 2e-6]], dtype=torch.float64)
    assert float(exact(values, values).response(values[None]).bits) == 1.0


def test_large_responses_have_large_rounding() -> None:
    """On the data the unit is 0 or 1; intervened on, about a million, in single precision."""
    small = torch.tensor([[0.0], [1.0]])
    large = torch.tensor([[1e6], [1e6 + 0.0625]])
    assert bool((large[0] != large[1]).all())
    assert float(exact(small, small).response(large[None]).bits) == 0.0


def test_counts_weigh() -> None:
    values = torch.tensor([[0.0], [1.0]])
    bits = exact(values, values).response(values[None], torch.tensor([9, 1])).bits
    assert float(bits) == pytest.approx(-0.9 * log2(0.9) - 0.1 * log2(0.1), abs=1e-15)


def test_powers_of_two_are_exact() -> None:
    assert float(count_entropy(torch.arange(64))) == 6.0
    assert float(count_entropy(torch.zeros(7, dtype=torch.long))) == 0.0


@given(tables(), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_averaged_is_the_information_of_the_channel(values: Tensor, seed: int) -> None:
    """``I(B;C)`` of the joint table over (donor, context) pairs, as scikit-learn counts it."""
    generator = torch.Generator().manual_seed(seed)
    donors, contexts = len(values), 7
    responses = (values[:, None, :] * torch.randint(3, (1, contexts, 1), generator=generator)) % 3
    weights = torch.randint(1, 4, (donors,), generator=generator)
    repeated = responses.repeat_interleave(weights, dim=0)
    donor = torch.arange(donors).repeat_interleave(weights).repeat_interleave(contexts)
    joint = as_one(repeated.flatten(0, 1))
    expected = mutual_info_score(donor.numpy(), joint) / log(2)
    got = averaged_over_all(exact(values, values), responses, weights)
    assert float(got.bits) == pytest.approx(expected, abs=1e-9)


def test_more_than_256_values_are_refused() -> None:
    many, few = torch.arange(257.0)[:, None], torch.arange(256.0)[:, None]
    exact(few, few)
    with pytest.raises(EstimatorError, match=r"unit of the target takes 257 .*at most 256"):
        Exact.fit(None, observed(many), 1.0)
    with pytest.raises(EstimatorError, match="unit of the source takes 257"):
        exact(many, few)


def test_what_is_discrete() -> None:
    rows = 200
    columns = {
        "constant": (torch.ones(rows), True),
        "two values": (torch.arange(rows) % 2 * 0.3, True),
        "whole numbers, all different": (torch.arange(rows), True),
        "fractions, all different": (torch.arange(rows) * 0.1, False),
        "fractions, each twice": ((torch.arange(rows) // 2) * 0.1, True),
        "one pair equal": (torch.arange(rows).clamp_min(1) * 0.1, False),
    }
    values = torch.stack([column.double() for column, _ in columns.values()], dim=1)
    assert is_discrete(values).tolist() == [expected for _, expected in columns.values()]
    assert never_repeats(values).tolist() == [
        name == "fractions, all different" for name in columns
    ]
    assert levels(values).tolist() == [1, 2, 200, 200, 100, 199]
    assert is_discrete(torch.arange(300.0)[:, None]).tolist() == [False]  # too many to count
    assert is_discrete(torch.rand(64, 1)).tolist() == [True]  # few rows: an enumeration
    assert never_repeats(torch.arange(64.0)[:, None] * 0.1).tolist() == [False]
