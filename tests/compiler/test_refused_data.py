"""Data that a network cannot be compiled on: what was given, what was expected, what to change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod.errors import InputError
from tests.compiler.networks import Net
from tests.compiler.test_refusals import X, linear, says


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_inputs_that_are_not_finite(value: float) -> None:
    bad = X.clone()
    bad[2, 1] = bad[5, 0] = value
    with pytest.raises(InputError) as error:
        cm.compile(linear(), bad)
    says(error, "input holds NaN or infinite values in 2 of 6 rows", "first in row 2", "remove")


@pytest.mark.parametrize("rows", [torch.zeros(1, 3), torch.zeros(0, 3), torch.tensor(1.0)])
def test_too_few_rows(rows: Tensor) -> None:
    with pytest.raises(InputError, match=r"input needs at least 2 rows.*given shape"):
        cm.compile(linear(), rows)


def test_wrong_shape() -> None:
    with pytest.raises(InputError) as error:
        cm.compile(linear(), X[:, :2])
    says(error, "Linear does not run on these inputs (input (6, 2) torch.float32)", "shape")


def test_wrong_dtype() -> None:
    for wrong in (X.double(), (X > 0).long()):
        with pytest.raises(InputError) as error:
            cm.compile(linear(), wrong)
        says(error, f"input has dtype {wrong.dtype}", "torch.float32", ".to(torch.float32)")


def test_a_network_that_converts_its_inputs_is_fine() -> None:
    net = Net(lambda net, x: net.fc(x.float()), fc=nn.Linear(3, 2))
    scm = cm.compile(net.eval(), X.double())
    assert scm.observe()["input"].dtype == torch.float64


def test_inputs_on_different_devices() -> None:
    net = Net(lambda net, x, y: net.fc(x) + y, fc=nn.Linear(3, 2)).eval()
    with pytest.raises(InputError, match=r"input.1 is on the meta device"):
        cm.compile(net, (X, X.to("meta")))


def test_complex_inputs() -> None:
    with pytest.raises(InputError, match=r"input is complex; give torch.view_as_real"):
        cm.compile(linear(), torch.complex(X, X))


@pytest.mark.parametrize("setting", [None, True, 3, "text"])
def test_settings_are_no_inputs(setting: Any) -> None:
    with pytest.raises(InputError) as error:
        cm.compile(linear(), {"input": X, "output_attentions": setting})
    says(error, "input.output_attentions must be a torch tensor", "config", "leave it out")


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        (X.numpy(), ("input must be a torch tensor; given ndarray", "torch.from_numpy")),
        ([X, X], ("given list", "tuple")),
        (((1.0, 2.0), X), ("input.input must be a torch tensor; given tuple",)),
        ((), ("inputs is empty",)),
        ({}, ("inputs is empty",)),
        ("digits.npy", ("given str",)),
    ],
)
def test_inputs_that_are_no_tensors(given: Any, parts: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as error:
        cm.compile(linear(), given)
    says(error, *parts)


def test_inputs_that_do_not_fit_each_other_or_forward() -> None:
    net = Net(lambda net, x, y: net.fc(x) + y, fc=nn.Linear(3, 2)).eval()
    with pytest.raises(InputError) as error:
        cm.compile(net, (X, torch.zeros(5, 2)))
    says(error, "same number of rows", "'input.x': 6", "'input.1': 5")
    with pytest.raises(InputError, match=r"does not run.*how many inputs forward takes"):
        cm.compile(linear(), (X, X))
    with pytest.raises(InputError, match="unexpected keyword argument 'foo'"):
        cm.compile(linear(), {"foo": X})


def test_the_users_data_is_copied() -> None:
    x = X.clone()
    scm = cm.compile(linear(), x)
    before = scm.observe()
    x.zero_()
    before["output"].zero_()
    assert torch.equal(scm.observe()["input"], X)
    assert scm.observe()["output"].abs().sum() > 0


def test_numpy_values_may_set_variables() -> None:
    scm = cm.compile(linear(), X)
    changed = scm.do({"input": np.ones((6, 3))})  # type: ignore[dict-item]
    assert changed.observe()["input"].dtype == torch.float32
