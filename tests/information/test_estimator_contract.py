"""What every estimator must do, whichever it is. A new one is held to this by registering."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.information import ESTIMATORS, Bounds, Estimator, Observed

NAMES = ESTIMATORS.names()
WIDTHS = {name: 3 if ESTIMATORS.get(name).groups else 1 for name in NAMES}
GROUPS = [name for name in NAMES if ESTIMATORS.get(name).groups]
CONTEXTUAL = [name for name in NAMES if ESTIMATORS.get(name).contextual]


def signal(*shape: int, seed: int = 0, levels: int = 4) -> Tensor:
    """Whole numbers, so that estimators that count values take them too."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(levels, shape, generator=generator).double()


def suited(name: str, *shape: int, seed: int = 0) -> Tensor:
    """Samples as the estimator likes them: continuous ones for those that read pairs only."""
    if ESTIMATORS.get(name).contextual:
        return signal(*shape, seed=seed)
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def observed(values: Tensor) -> Observed:
    return Observed(values, values.double().std(0, unbiased=False))


def fitted(name: str, seed: int = 0) -> Estimator:
    width = WIDTHS[name]
    source, target = signal(200, width, seed=seed), signal(200, width, seed=seed + 1)
    return ESTIMATORS.get(name).fit(observed(source), observed(target), 0.5)


def same(first: Bounds, second: Bounds, tolerance: float = 1e-9) -> None:
    assert torch.allclose(first.bits, second.bits, rtol=0, atol=tolerance)
    assert (first.upper is None) == (second.upper is None)
    if first.upper is not None and second.upper is not None:
        assert torch.allclose(first.upper, second.upper, rtol=0, atol=tolerance)


def all_zero(bounds: Bounds) -> None:
    assert not bounds.bits.any()
    assert bounds.upper is None or not bounds.upper.any()


def test_there_are_estimators() -> None:
    assert set(NAMES) >= {
        "exact", "binned", "pairwise", "gaussian", "copula", "ksg", "ksg-ranks",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    kind = ESTIMATORS.get(name)
    assert kind.name == name
    assert kind.paper
    assert kind.__doc__
    assert "Source:" in kind.__doc__


@pytest.mark.parametrize("name", CONTEXTUAL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("donors", [2, 7, 64])
def test_what_does_not_move_reads_exactly_nothing(
    name: str, dtype: torch.dtype, offset: float, donors: int
) -> None:
    still = (signal(5, 1, WIDTHS[name], seed=3) + offset + 1 / 3).to(dtype).expand(5, donors, -1)
    all_zero(fitted(name).response(still))
    all_zero(fitted(name).unbiased(still))
    all_zero(fitted(name).response(still, torch.arange(1, donors + 1)))


@pytest.mark.parametrize("name", CONTEXTUAL)
def test_rounding_is_no_signal(name: str) -> None:
    level = torch.full((5, 64, WIDTHS[name]), 1e3 + 1 / 3, dtype=torch.float32)
    last_digit = signal(5, 64, WIDTHS[name], levels=2).float() * 2**-14  # 1 ulp at 1000
    assert bool((level + last_digit != level).any())
    all_zero(fitted(name).response(level + last_digit))


@pytest.mark.parametrize("name", CONTEXTUAL)
def test_a_response_that_moves_reads_something(name: str) -> None:
    bounds = fitted(name).response(signal(5, 64, WIDTHS[name]))
    assert bounds.bits.shape == (5,)
    assert bool((bounds.bits > 0.1).all())
    if bounds.upper is not None:
        assert bool((bounds.upper >= bounds.bits).all())


@pytest.mark.parametrize("name", CONTEXTUAL)
def test_contexts_do_not_mix(name: str) -> None:
    estimator, responses = fitted(name), signal(2, 3, 16, WIDTHS[name], seed=5)
    together = estimator.response(responses)
    assert together.bits.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            one = estimator.response(responses[i, j])
            upper = None if together.upper is None else together.upper[i, j]
            same(one, Bounds(together.bits[i, j], upper))


@pytest.mark.parametrize("name", CONTEXTUAL)
def test_the_order_of_donors_does_not_matter(name: str) -> None:
    estimator, responses = fitted(name), signal(4, 32, WIDTHS[name], seed=6)
    order = torch.randperm(32, generator=torch.Generator().manual_seed(0))
    same(estimator.response(responses), estimator.response(responses[:, order]))


@pytest.mark.parametrize("name", CONTEXTUAL)
def test_counts_stand_for_repeats(name: str) -> None:
    estimator, responses = fitted(name), signal(4, 6, WIDTHS[name], seed=7)
    counts = torch.tensor([1, 3, 2, 1, 5, 4])
    repeated = responses.repeat_interleave(counts, dim=1)
    same(estimator.response(responses, counts), estimator.response(repeated))


@pytest.mark.parametrize("name", CONTEXTUAL)
@pytest.mark.parametrize("donors", [4, 9, 32])
def test_bias_is_taken_off_by_halves(name: str, donors: int) -> None:
    estimator, responses = fitted(name), signal(4, donors, WIDTHS[name], seed=8)
    same(estimator.unbiased(responses), Estimator.unbiased(estimator, responses))


@pytest.mark.parametrize("name", NAMES)
def test_shared_is_symmetric(name: str) -> None:
    width, kind = WIDTHS[name], ESTIMATORS.get(name)
    left, right = suited(name, 200, width, seed=1), suited(name, 200, width, seed=2)
    right[:100] = left[:100]
    there = kind.fit(observed(left), observed(right), 0.5).shared(left, right)
    back = kind.fit(observed(right), observed(left), 0.5).shared(right, left)
    same(there, back, 1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_constant_shares_nothing(name: str) -> None:
    width, kind = WIDTHS[name], ESTIMATORS.get(name)
    left, right = signal(200, width, seed=1), torch.ones(200, width, dtype=torch.float64)
    scale = torch.ones(width, dtype=torch.float64)
    bounds = kind.fit(observed(left), Observed(right, scale), 0.5).shared(left, right)
    assert float(bounds.bits) <= 0
    assert bounds.upper is None or float(bounds.upper) == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("factor", [0.01, 3.7, 100.0])
def test_units_of_measurement_do_not_matter(name: str, factor: float) -> None:
    width, kind = WIDTHS[name], ESTIMATORS.get(name)
    source, target = suited(name, 200, width, seed=1), suited(name, 200, width, seed=2)
    responses = signal(4, 32, width, seed=3)
    plain = kind.fit(observed(source), observed(target), 0.5)
    scaled = kind.fit(observed(source * factor), observed(target * factor + 1), 0.5)
    if kind.contextual:
        same(plain.response(responses), scaled.response(responses * factor + 1))
    same(plain.shared(source, target), scaled.shared(source * factor, target * factor + 1))


@pytest.mark.parametrize("name", NAMES)
def test_shared_needs_a_source(name: str) -> None:
    values = signal(50, WIDTHS[name])
    estimator = ESTIMATORS.get(name).fit(None, observed(values), 1.0)
    with pytest.raises(EstimatorError, match="with a source"):
        estimator.shared(values, values)


@pytest.mark.parametrize("name", NAMES)
def test_groups_are_taken_or_refused_by_name(name: str) -> None:
    kind, group = ESTIMATORS.get(name), observed(signal(50, 2))
    if kind.groups:
        kind.fit(group, group, 1.0)
    else:
        with pytest.raises(EstimatorError, match="use estimator='"):
            kind.fit(None, group, 1.0)


@pytest.mark.parametrize("name", CONTEXTUAL)
def test_units_can_be_measured_one_by_one(name: str) -> None:
    kind, values, responses = ESTIMATORS.get(name), signal(60, 3), signal(2, 16, 3, seed=4)
    apart = Observed(values[:, :, None, None], observed(values).scale[:, None, None])
    each = kind.fit(None, apart, 0.5).response(responses.mT[..., None])
    assert each.bits.shape == (2, 3)
    for unit in range(3):
        one = kind.fit(None, observed(values[:, unit, None]), 0.5)
        alone = one.response(responses[..., unit, None])
        upper = None if each.upper is None else each.upper[:, unit]
        same(alone, Bounds(each.bits[:, unit], upper))


@pytest.mark.parametrize("name", NAMES)
def test_the_global_generator_is_left_alone(name: str) -> None:
    before = torch.get_rng_state()
    estimator, width = fitted(name), WIDTHS[name]
    if estimator.contextual:
        estimator.unbiased(signal(3, 16, width))
    estimator.shared(signal(200, width, seed=1), signal(200, width, seed=2))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in CONTEXTUAL])
def test_what_reads_pairs_refuses_contexts(name: str) -> None:
    with pytest.raises(EstimatorError, match="use estimator='pairwise'"):
        fitted(name).response(signal(5, 64, WIDTHS[name]))


@pytest.mark.parametrize("name", NAMES)
def test_it_says_whether_responses_move(name: str) -> None:
    estimator, width = fitted(name), WIDTHS[name]
    still = (signal(5, 1, width, seed=3) + 1 / 3).expand(5, 8, -1)
    last_digit = signal(5, 8, width, levels=2) * 2**-44
    assert not estimator.moves(still)
    assert not estimator.moves(still + last_digit)
    assert estimator.moves(signal(5, 8, width))


@pytest.mark.parametrize("name", NAMES)
def test_outcomes_are_numbered_or_refused(name: str) -> None:
    values, width = signal(40, WIDTHS[name], levels=2), WIDTHS[name]
    if not ESTIMATORS.get(name).counts:
        with pytest.raises(EstimatorError, match="does not count"):
            fitted(name).codes(values)
        return
    codes = ESTIMATORS.get(name).fit(None, observed(values), 1.0).codes(values)
    assert codes.dtype == torch.int64
    assert torch.equal(codes[:, None] == codes, (values[:, None] == values).all(-1))
    assert len(codes.unique()) <= 2**width
