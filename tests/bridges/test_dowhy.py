"""To and from dowhy: the network's own mechanisms, counterfactuals without error, pickling."""

from __future__ import annotations

import pickle
import sys
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

import causalmod as cm
from causalmod.bridges.extra import load
from tests.queries.networks import net


@pytest.fixture
def gcm() -> Any:
    found = load("dowhy.gcm")
    found.config.disable_progress_bars()
    return found


@pytest.fixture(scope="module")
def scm() -> cm.StructuralCausalModel:
    return cm.compile(*net())


def test_counterfactuals_are_the_networks_own(gcm: Any, scm: cm.StructuralCausalModel) -> None:
    model, frame = cm.to_dowhy(scm), cm.to_frame(scm)
    for unit, value in (("act[1]", 0.5), ("fc1[0]", -2.0), ("input[2]", 1.0)):
        found = gcm.counterfactual_samples(
            model, {unit: lambda held, value=value: value}, observed_data=frame
        )
        truth = scm.counterfactual({unit: value}, rows=range(scm.rows))["output"]
        error = np.abs(found[["output[0]", "output[1]"]].to_numpy() - truth.double().numpy())
        assert error.max() == 0.0


def test_pickled_it_answers_the_same(gcm: Any, scm: cm.StructuralCausalModel) -> None:
    model, frame = cm.to_dowhy(scm), cm.to_frame(scm)
    again = pickle.loads(pickle.dumps(model))
    change = {"act[1]": abs}
    before = gcm.counterfactual_samples(model, change, observed_data=frame)
    pd.testing.assert_frame_equal(
        before, gcm.counterfactual_samples(again, change, observed_data=frame)
    )
    assert cm.from_dowhy(model) is scm
    with pytest.raises(cm.InputError, match="has been pickled since"):
        cm.from_dowhy(again)


def test_samples_are_rows_of_the_data(gcm: Any, scm: cm.StructuralCausalModel) -> None:
    state = np.random.get_state()  # noqa: NPY002  (dowhy draws from it)
    try:
        drawn = gcm.draw_samples(cm.to_dowhy(scm), 50)
    finally:
        np.random.set_state(state)  # noqa: NPY002
    frame = cm.to_frame(scm).set_index("U").loc[drawn["U"]]
    names = list(frame.columns)
    np.testing.assert_allclose(drawn[names].to_numpy(), frame.to_numpy(), rtol=1e-6, atol=1e-6)


def test_a_linear_model_comes_over(gcm: Any) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=2000)
    y = 2 * x + 1 + generator.normal(size=2000)
    model = gcm.InvertibleStructuralCausalModel(nx.DiGraph([("x", "y")]))
    model.set_causal_mechanism("x", gcm.ScipyDistribution(load("scipy.stats").norm))
    model.set_causal_mechanism("y", gcm.AdditiveNoiseModel(gcm.ml.create_linear_regressor()))
    gcm.fit(model, pd.DataFrame({"x": x, "y": y}))
    scm = cm.from_dowhy(model, rows=4000, seed=1)
    slope = cm.query(scm, "E[y | do(x = 1)]").mean() - cm.query(scm, "E[y | do(x = 0)]").mean()
    fitted = model.causal_mechanism("y").prediction_model.sklearn_model.coef_.ravel()[0]
    assert slope == pytest.approx(fitted, abs=1e-9)
    assert cm.query(scm, "E[y | do(x = 0)]").mean() == pytest.approx(1, abs=0.15)


def test_mechanisms_that_do_not_come_over_are_refused(gcm: Any) -> None:
    model = gcm.StructuralCausalModel(nx.DiGraph([("x", "y")]))
    with pytest.raises(cm.InputError, match="has no causal mechanism"):
        cm.from_dowhy(model)
    model.set_causal_mechanism("x", gcm.EmpiricalDistribution())
    model.set_causal_mechanism("y", gcm.ClassifierFCM())
    with pytest.raises(cm.InputError, match="expected a fitted EmpiricalDistribution"):
        cm.from_dowhy(model)
    model.causal_mechanism("x").fit(np.arange(4.0))
    with pytest.raises(cm.InputError, match="mechanism of 'y' is ClassifierFCM"):
        cm.from_dowhy(model)


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "dowhy"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dowhy", None)
    with pytest.raises(cm.InputError, match=r"needs dowhy.*pip install 'causalmod\[causal\]'"):
        load("dowhy.gcm")


def test_gml_reads_back(scm: cm.StructuralCausalModel) -> None:
    again = nx.parse_gml(cm.to_gml(scm))
    assert set(again.edges) == set(scm.graph.edges)
    assert again.nodes["fc1[3]"]["site"] == "fc1"
    assert cm.to_gml(nx.DiGraph([("a", "b")])).startswith("graph [")


def test_channels_are_refused() -> None:
    model = torch.nn.Conv2d(1, 2, 3).eval()
    scm = cm.compile(model, torch.randn(4, 1, 5, 5, generator=torch.Generator().manual_seed(0)))
    with pytest.raises(cm.InputError, match="holds 25 numbers"):
        cm.to_frame(scm)
