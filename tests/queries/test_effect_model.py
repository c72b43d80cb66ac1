"""Estimation and refutation by dowhy, on logs of a network and of textbook models."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

import causalmod as cm
from causalmod.errors import InputError, QueryError


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():  # of dowhy's own libraries, while it estimates
        warnings.simplefilter("ignore")
        yield


def estimate(model: object, estimand: object) -> float:
    return model.estimate_effect(  # type: ignore[attr-defined]
        estimand, method_name="backdoor.linear_regression", control_value=0, treatment_value=1
    ).value


def test_a_linear_effect_is_estimated_and_stands_refutation() -> None:
    draw = np.random.default_rng(0)
    noise = draw.normal(size=(3, 2000))
    z = noise[0]
    x = z + noise[1]
    logs = pd.DataFrame({"z": z, "x": x, "y": 2 * x - 3 * z + noise[2]})
    found = cm.identify(nx.DiGraph([("z", "x"), ("z", "y"), ("x", "y")]), "E[y | do(x)]")
    model, estimand = found.to_dowhy(logs)
    assert estimand.get_backdoor_variables() == ["z"]
    effect = model.estimate_effect(estimand, method_name="backdoor.linear_regression")
    assert effect.value == pytest.approx(2, abs=0.1)  # seeing gives 2 - 3/2
    placebo = model.refute_estimate(
        estimand, effect, method_name="placebo_treatment_refuter", num_simulations=5, random_seed=1
    )
    assert abs(placebo.new_effect) < 0.1
    subset = model.refute_estimate(
        estimand, effect, method_name="data_subset_refuter", num_simulations=5, random_seed=1
    )
    assert subset.new_effect == pytest.approx(effect.value, abs=0.1)


def test_continuous_activations_of_a_network_without_bins() -> None:
    """After the last hidden layer a network is linear: regression finds the weight itself."""
    generator = torch.Generator().manual_seed(0)
    last = torch.nn.Linear(4, 1)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), last)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    scm = cm.compile(net.double().eval(), torch.randn(400, 3, generator=generator).double())
    found = cm.identify(scm, "E[output | do(`1`[2])]")
    logs = scm.observe()
    value = estimate(*found.to_dowhy(logs))
    assert value == pytest.approx(float(last.weight[0, 2]), abs=1e-6)
    truth = cm.query(scm, "TE(output ; `1`[2] = 0 -> 1)").mean()
    assert value == pytest.approx(truth, abs=1e-6)


def test_what_dowhy_cannot_estimate_is_refused() -> None:
    tar = nx.DiGraph([("U", "x"), ("U", "y"), ("x", "m"), ("m", "y")])
    logs = pd.DataFrame({"x": [0, 1], "m": [0, 1], "y": [0, 1]})
    with pytest.raises(QueryError, match="the route is front-door"):
        cm.identify(tar, "E[y | do(x)]", ["x", "m", "y"]).to_dowhy(logs)
    with pytest.raises(QueryError, match="not identifiable"):
        cm.identify(tar, "E[y | do(x)]", ["x", "y"]).to_dowhy(logs)
    with pytest.raises(QueryError, match="1 treatments and 2 outcomes"):
        cm.identify(nx.DiGraph([("x", "y"), ("x", "m")]), "P(y, m | do(x))").to_dowhy(logs)
    with pytest.raises(InputError, match="no column 'y'"):
        cm.identify(nx.DiGraph([("x", "y")]), "E[y | do(x)]").to_dowhy(logs[["x"]])
