"""Random discrete joints against dit and scikit-learn; what holds for every one of them."""

from __future__ import annotations

from math import log, log2

import dit
import numpy as np
import pytest
import torch
from dit.shannon import mutual_information
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score
from torch import Tensor

from causalmod.information import ESTIMATORS, Bins, Observed
from causalmod.information.all_pairs import binned_pairs
from causalmod.information.channel import averaged_over_all

#: Numbers of samples in each cell of a table.
TABLES = st.integers(1, 4).flatmap(
    lambda columns: st.lists(
        st.lists(st.integers(0, 6), min_size=columns, max_size=columns), min_size=1, max_size=4
    )
).filter(lambda table: sum(map(sum, table)) > 1)  # fmt: skip


def samples(table: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Columns ``[row, 1]`` of values that the table counts."""
    pairs = [
        (i, j) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)
    ]
    both = torch.tensor(pairs, dtype=torch.float64)
    return both[:, :1], both[:, 1:]


def observed(values: Tensor) -> Observed:
    return Observed(values, torch.ones(values.shape[1], dtype=torch.float64))


def shared(name: str, left: Tensor, right: Tensor, **options: Bins) -> float:
    kind = ESTIMATORS.get(name)
    estimator = kind.fit(observed(left), observed(right), 0.1, **options)
    return float(estimator.shared(left, right).bits)


def by_dit(table: list[list[int]]) -> float:
    counts = np.array(table)
    cells = [(f"{i}{j}", c / counts.sum()) for (i, j), c in np.ndenumerate(counts) if c]
    outcomes, chances = zip(*cells, strict=True)
    joint = dit.Distribution(list(outcomes), list(chances))
    return float(mutual_information(joint, [0], [1]))


@settings(max_examples=60, deadline=None)
@given(TABLES)
def test_exact_information_is_that_of_dit_and_scikit_learn(table: list[list[int]]) -> None:
    left, right = samples(table)
    found = shared("exact", left, right)
    assert found == pytest.approx(by_dit(table), abs=1e-9)
    plain = mutual_info_score(left[:, 0].numpy(), right[:, 0].numpy()) / log(2)
    assert found == pytest.approx(plain, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(TABLES)
def test_so_are_bins_that_hold_a_value_each(table: list[list[int]]) -> None:
    left, right = samples(table)
    bins = Bins(edges=(-0.5, 0.5, 1.5, 2.5, 3.5), correction="none")
    expected = by_dit(table)
    assert shared("binned", left, right, bins=bins) == pytest.approx(expected, abs=1e-9)
    assert float(binned_pairs(left, right, bins).bits) == pytest.approx(expected, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(TABLES, st.permutations(range(4)), st.permutations(range(4)))
def test_names_of_values_do_not_matter(
    table: list[list[int]], first: list[int], second: list[int]
) -> None:
    left, right = samples(table)
    renamed = [
        torch.tensor(names, dtype=torch.float64)[side.long()]
        for names, side in ((first, left), (second, right))
    ]
    assert shared("exact", *renamed) == pytest.approx(shared("exact", left, right), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(TABLES, st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_processing_adds_nothing(table: list[list[int]], maps: list[int]) -> None:
    left, right = samples(table)
    processed = torch.tensor(maps, dtype=torch.float64)[right.long()]
    found = shared("exact", left, processed)
    assert -1e-12 <= found <= shared("exact", left, right) + 1e-12


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_a_channel_is_that_of_dit(seed: int) -> None:
    """Donors set to ``b`` with chance ``p(b)`` on equally likely contexts."""
    generator = torch.Generator().manual_seed(seed)
    responses = torch.randint(3, (3, 5, 1), generator=generator).double()
    counts = torch.randint(1, 5, (3,), generator=generator)
    estimator = ESTIMATORS.get("exact").fit(None, observed(responses.flatten(0, 1)), 1.0)
    found = float(averaged_over_all(estimator, responses, counts).bits)
    table = [[0] * 3 for _ in range(3)]
    for donor in range(3):
        for value in responses[donor, :, 0].long().tolist():
            table[donor][value] += int(counts[donor])
    assert found == pytest.approx(by_dit(table), abs=1e-9)
    conditional = float(estimator.response(responses.transpose(0, 1), counts).bits.mean())
    assert -1e-12 <= found <= conditional + 1e-12


@pytest.mark.parametrize("share", [0.5, 0.9, 0.01, 0.001])
def test_pairwise_bounds_read_a_bit_at_a_fine_resolution(share: float) -> None:
    ones = round(1000 * share)
    bit = (torch.arange(1000) < ones).double()[:, None]
    spread = (share * (1 - share)) ** 0.5
    group = Observed(bit, torch.full((1,), spread, dtype=torch.float64))
    bounds = ESTIMATORS.get("pairwise").fit(None, group, 0.1).response(bit)
    entropy = -share * log2(share) - (1 - share) * log2(1 - share)
    assert float(bounds.bits) == pytest.approx(entropy, abs=1e-4)
    assert bounds.upper is not None
    assert float(bounds.upper) == pytest.approx(entropy, abs=1e-4)
