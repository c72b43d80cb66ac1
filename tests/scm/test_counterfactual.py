"""Counterfactuals: the data row is fixed, variables are set, the network is replayed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import causalmod as cm
from causalmod.errors import InputError, SelectorError
from tests.compiler.networks import built, compiled
from tests.strategies import SOME


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@SOME
@given(st.data())
def test_a_counterfactual_is_what_the_network_gives_on_that_row(draw: st.DataObject) -> None:
    """Set input features: the network itself, run on the changed row, is the reference."""
    model, x = built("residual")
    assert isinstance(x, Tensor)
    rows = draw.draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    feature, value = draw.draw(st.integers(0, 2)), draw.draw(st.floats(-2, 2, width=32))
    changed = x[rows].clone()
    changed[:, feature] = value
    with torch.no_grad():
        expected = model(changed)
    found = compiled("residual").counterfactual({f"input[{feature}]": value}, rows=rows)
    close(found["output"], expected)
    assert (found["input"][:, feature] == value).all()


def test_all_rows_in_order_are_the_intervention_itself() -> None:
    scm = compiled("residual")
    expected = scm.do({"relu[1]": 0.5}).observe()
    found = scm.counterfactual({"relu[1]": 0.5}, rows=range(6))
    assert list(found) == list(expected)
    assert all(torch.equal(found[site], expected[site]) for site in expected)


def test_values_are_per_row_of_the_rows_asked_for() -> None:
    scm = compiled("mlp")
    found = scm.counterfactual({"2[0]": torch.tensor([1.0, 2.0])}, rows=[5, 3])
    assert found["2"][:, 0].tolist() == [1.0, 2.0]
    close(found["1"], scm.observe()["1"][[5, 3]])
    with pytest.raises(InputError, match=r"shape \[6\]; expected a number, \[2\] \(one per row\)"):
        scm.counterfactual({"2[0]": torch.zeros(6)}, rows=[5, 3])


def test_donors_are_those_of_do() -> None:
    scm = compiled("mlp")
    for joint in (True, False):
        value = cm.resample(1, joint=joint)
        expected = scm.do({"2": value}).observe()["2"]
        assert torch.equal(scm.counterfactual({"2": value}, rows=[4, 2])["2"], expected[[4, 2]])


def test_on_a_mutilated_model() -> None:
    scm = compiled("mlp").do({"0.1[0]": 1.0, "0.1[1]": torch.arange(6.0)})
    found = scm.counterfactual({"2[0]": 0.0}, rows=[4])
    expected = scm.do({"2[0]": 0.0}).observe()
    for site in expected:
        close(found[site], expected[site][[4]])
    assert found["0.1"][0, 1] == 4


def test_functions_see_the_chosen_rows() -> None:
    seen: list[tuple[int, ...]] = []

    def double(values: Tensor) -> Tensor:
        seen.append(tuple(values.shape))
        return values * 2

    scm = compiled("mlp")
    found = scm.counterfactual({"2": double}, rows=[1, 1, 0])
    assert seen == [(3, 4)]
    close(found["2"], scm.observe()["2"][[1, 1, 0]] * 2)


@pytest.mark.parametrize("rows", [7, torch.tensor([0, 5]), (0,), range(2)])
def test_rows_may_be_given_in_several_ways(rows: Any) -> None:
    model, _ = built("mlp")
    x = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    found = cm.compile(model, x).counterfactual({"2[0]": 0.0}, rows=rows)
    numbers = [rows] if isinstance(rows, int) else [int(row) for row in rows]
    close(found["input"], x[numbers])


@pytest.mark.parametrize(
    "rows", [[], [6], [-1], [0.5], [True, False], torch.tensor([[0]]), torch.zeros(6) > 0, 6]
)
def test_rows_that_do_not_exist(rows: Any) -> None:
    with pytest.raises(InputError, match="rows must be whole numbers from 0 to 5, such as"):
        compiled("mlp").counterfactual({"2[0]": 0.0}, rows=rows)


def test_wrong_interventions() -> None:
    scm = compiled("mlp")
    with pytest.raises(SelectorError, match="unknown site"):
        scm.counterfactual({"nowhere": 0.0}, rows=[0])
    with pytest.raises(InputError, match="non-empty mapping"):
        scm.counterfactual({}, rows=[0])


def test_results_are_the_callers() -> None:
    scm = compiled("mlp")
    scm.counterfactual({"2[0]": 0.0}, rows=[0, 1])["input"].zero_()
    assert scm.observe()["input"].abs().sum() > 0
