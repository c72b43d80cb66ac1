"""Resolution curves: the figures one by one, in order, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

import causalmod as cm
from causalmod import EstimatorError, InputError, resolution_curve
from tests.exchange.networks import perceptron

pytestmark = pytest.mark.filterwarnings("ignore::causalmod.errors.CausalmodWarning")


@pytest.fixture(scope="module")
def model() -> cm.StructuralCausalModel:
    return cm.compile(*perceptron((4, 6, 6, 3), rows=200))


def test_a_curve_holds_the_figures_one_by_one(model: cm.StructuralCausalModel) -> None:
    curve = resolution_curve(
        model, "hidden1", "output", resolutions=(3.0, 0.5), contexts=20, draws=32
    )
    assert list(curve.estimates) == [0.5, 3.0]
    one = cm.information(
        model, "hidden1", "output", "conditional", estimator="pairwise", resolution=3.0,
        contexts=20, draws=32,
    )  # fmt: skip
    assert curve.estimates[3.0].bits == one.bits
    table = curve.to_frame()
    assert table.index.name == "resolution"
    assert table.loc[0.5, "bits"] > table.loc[3.0, "bits"]
    json.dumps(curve.to_dict())
    assert "<table" in curve._repr_html_()
    assert repr(curve).startswith("ResolutionCurve(0.5: ")


def test_what_is_not_moved_is_silent_at_every_scale(model: cm.StructuralCausalModel) -> None:
    curve = resolution_curve(model, "output", "hidden1", contexts=20, draws=32)
    assert [found.bits for found in curve.estimates.values()] == [0.0, 0.0, 0.0]
    assert "exactly 0 bits" in curve.plot().axes[0].texts[0].get_text()


def test_the_figure_names_what_it_shows(model: cm.StructuralCausalModel) -> None:
    curve = resolution_curve(
        model, "hidden1", "output", estimator="gaussian", contexts=20, draws=32
    )
    assert curve.plot().axes[0].get_ylabel() == "conditional information (bits)"


def test_what_cannot_be_is_refused(model: cm.StructuralCausalModel) -> None:
    with pytest.raises(EstimatorError, match=r"adds no noise.*use 'pairwise' or 'gaussian'"):
        resolution_curve(model, "hidden1[0]", "output[0]", estimator="binned")
    with pytest.raises(InputError, match="resolutions are empty"):
        resolution_curve(model, "hidden1[0]", "output[0]", resolutions=())
    with pytest.raises(InputError, match="a number above 0; given -1"):
        resolution_curve(model, "hidden1[0]", "output[0]", resolutions=(-1,))
    with pytest.raises(InputError, match="takes resolutions="):
        resolution_curve(model, "hidden1[0]", "output[0]", resolution=1.0)
    wrong: Any = 1.0
    with pytest.raises(InputError, match="resolutions are numbers"):
        resolution_curve(model, "hidden1[0]", "output[0]", resolutions=wrong)
    with pytest.raises(InputError, match="unknown estimator"):
        resolution_curve(model, "hidden1[0]", "output[0]", estimator="pairwse")
