"""Networks that compute a formula, and features in superposition: they do what they say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from causalmod import InputError, zoo
from causalmod.zoo import Case


@pytest.mark.parametrize("kind", ["independent", "tree", "shared"])
@pytest.mark.parametrize("levels", [4, 5, 6])
def test_the_network_computes_the_formula(kind: str, levels: int) -> None:
    case = zoo.formula(kind, levels=levels, seed=levels)
    x = case.inputs.double()
    if kind == "independent":
        wanted = [(x[:, 0] + x[:, 2]) ** 3, x[:, 1] ** 2 + torch.sin(torch.pi * x[:, 3])]
    elif kind == "tree":
        wanted = [torch.hypot(x[:, 0] - x[:, 1], x[:, 2] - x[:, 3])]
    else:
        wanted = [(x[:, : count + 1] ** 2).sum(1) for count in range(3)]
    got = case.model(case.inputs).double()
    torch.testing.assert_close(got, torch.stack(wanted, 1), rtol=1e-5, atol=1e-5)
    assert case.numbers["error"] < 1e-4
    assert len(case.inputs) == levels ** x.shape[1]


def test_facts_hold_for_other_sizes_and_seeds() -> None:
    for case in (
        zoo.formula("tree", levels=4, seed=1),
        zoo.formula("independent", levels=5, seed=2),
        zoo.formula("shared", levels=5, seed=3),
        zoo.sparse_parity(tasks=2, size=3, bits=4, seed=1),
        zoo.superposition_pairs(3),
        zoo.majority(5),
        zoo.lookup(12),
        zoo.sum_of_parts(values=12, divisor=4),
    ):
        assert all(row.ok for row in case.check()), case


def test_hidden_units_are_shuffled_by_the_seed() -> None:
    one, other = zoo.formula(seed=0), zoo.formula(seed=1)
    assert one.modules != other.modules
    assert torch.allclose(one.model(one.inputs), other.model(one.inputs), atol=1e-5)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_parity_of_the_task_that_is_on(size: int) -> None:
    case = zoo.sparse_parity(tasks=3, size=size, bits=5, seed=size)
    answers = case.model(case.inputs)[:, 0]
    assert set(answers.tolist()) == {0.0, 1.0}
    for task in range(3):
        rows = case.inputs[:, task] == 1
        bits, parity = case.inputs[rows, 3:], answers[rows]
        ones = torch.eye(5)
        read = torch.stack([parity[(bits == one).all(1)][0] for one in ones])
        assert int(read.sum()) == size, "a single bit counts if it is in the subset"
        assert torch.equal(parity, (bits @ read) % 2)


def test_five_sparse_features_form_a_pentagon() -> None:
    case = zoo.superposition()
    weight = case.model.get_submodule("hidden").weight
    assert isinstance(weight, torch.Tensor)
    angles = torch.atan2(weight[1], weight[0]).sort().values
    gaps = torch.cat([angles.diff(), angles[:1] + 2 * torch.pi - angles[-1:]])
    assert gaps.rad2deg().tolist() == pytest.approx([72.0] * 5, abs=3)
    assert weight.norm(dim=0).std() < 0.05
    two_stored = 3 / 5 * float(case.inputs.var(0).mean())  # two exactly, the mean of the others
    assert case.numbers["loss"] < two_stored / 2
    assert all(row.ok for row in case.check())


def test_one_dimension_for_two_features_is_exact() -> None:
    case = zoo.superposition_pairs()
    assert torch.equal(case.model(case.inputs), case.inputs)


@pytest.mark.parametrize(("rho", "shared"), [(0.0, 0.0), (0.5, 0.2075), (0.9, 1.1980)])
def test_linear_tracks_share_what_normal_variables_do(rho: float, shared: float) -> None:
    case = zoo.linear_tracks(rho, seed=1)
    correlation = float(np.corrcoef(case.inputs.double().numpy().T)[0, 1])
    assert correlation == pytest.approx(rho, abs=1e-6)
    assert -np.log2(1 - correlation**2) / 2 == pytest.approx(shared, abs=5e-5)
    assert case.facts[0].expected == pytest.approx(shared, abs=5e-5)
    assert all(row.ok for row in case.check())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: zoo.formula("tre"), "did you mean 'tree'"),
        (lambda: zoo.formula(levels=7), "levels"),
        (lambda: zoo.sparse_parity(tasks=1), "tasks"),
        (lambda: zoo.sparse_parity(bits=20), "rows"),
        (lambda: zoo.superposition(features=2), "dimensions"),
        (lambda: zoo.superposition(sparsity=1.0), "sparsity"),
        (lambda: zoo.superposition_pairs(1), "pairs"),
        (lambda: zoo.linear_tracks(1.0), "rho"),
    ],
)
def test_impossible_options_are_refused(make: Callable[[], Case], says: str) -> None:
    with pytest.raises(InputError, match=says):
        make()
