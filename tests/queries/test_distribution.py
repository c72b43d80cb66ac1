"""Distribution: figures against numpy and scipy, and how it shows itself."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

import causalmod as cm
from causalmod.errors import InputError, QueryError
from causalmod.queries import summaries
from causalmod.queries.distribution import Distribution
from tests.queries.networks import net
from tests.strategies import SOME, tensors

MODEL, X = net()
SCM = cm.compile(MODEL, X)
CONTINUOUS = cm.query(SCM, "P(output[0] | do(act[3] = 0.5))")
PAIR = cm.query(SCM, "P(output)")
EVENT = cm.query(SCM, "P(output[0] > 0)")
FAMILY = cm.query(SCM, "E[output[0] | do(act[3])]", bins=4)
SAMPLED = cm.query(SCM, "P(output[0] > 0)", samples=50)
BINNED = cm.query(SCM, "P(output[0] | act[2] > 0)", bins=4)
EFFECT = cm.query(SCM, "TE(output[0] ; input[0] = 0 -> 1)")
EVERY = [CONTINUOUS, PAIR, EVENT, FAMILY, SAMPLED, BINNED, EFFECT]


@given(tensors(37, 1), st.floats(0, 1))
@SOME
def test_quantiles_are_numpys_inverse_of_the_distribution_function(
    values: torch.Tensor, q: float
) -> None:
    held = Distribution(
        query="", kind="continuous", names=("y",), table=PAIR.table, rows=37, of=37, samples=values
    )
    expected = np.quantile(values.numpy(), q, method="inverted_cdf")
    neighbours = np.quantile(values.numpy(), np.clip([q - 1e-9, q + 1e-9], 0, 1),
                             method="inverted_cdf")  # fmt: skip
    assert held.quantile(q) in {float(expected), *neighbours.astype(float)}


def test_mean_quantiles_and_density_of_a_continuous_outcome() -> None:
    assert CONTINUOUS.samples is not None
    values = CONTINUOUS.samples[:, 0].numpy()
    assert CONTINUOUS.mean() == pytest.approx(values.mean(), abs=1e-12)
    assert CONTINUOUS.quantile(0) == values.min()
    assert CONTINUOUS.quantile(1) == values.max()
    at = [-1.0, 0.0, 1.0]
    assert CONTINUOUS.density(at) == pytest.approx(scipy.stats.gaussian_kde(values)(at), abs=1e-12)
    row = CONTINUOUS.table.iloc[0]
    assert row["50%"] == CONTINUOUS.quantile(0.5)
    assert row["sd"] == pytest.approx(values.std(), abs=1e-12)


def test_figures_of_several_columns_are_named() -> None:
    assert list(PAIR.mean().index) == ["output[0]", "output[1]"]
    assert list(PAIR.quantile(0.25).index) == ["output[0]", "output[1]"]


def test_wilson_and_student_are_scipys() -> None:
    low, high = summaries.wilson(torch.tensor([0.3]), 40)
    expected = scipy.stats.binomtest(12, 40).proportion_ci(method="wilson")
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high), abs=1e-7)
    values = torch.randn(20, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    low, high = summaries.student(values)
    t = scipy.stats.t.interval(0.95, 19, loc=values.mean(), scale=scipy.stats.sem(values[:, 0]))
    assert (float(low), float(high)) == pytest.approx(t, abs=1e-12)
    one, _ = summaries.student(values[:1])
    assert float(one) == -float("inf")


@pytest.mark.parametrize("found", EVERY, ids=lambda each: each.query)
def test_a_result_shows_itself(found: Distribution) -> None:
    assert repr(found).startswith(f"Distribution({found.query}: ")
    assert len(repr(found)) < 200
    assert "<table" in found._repr_html_()
    assert found.to_frame().equals(found.table)
    assert json.loads(json.dumps(found.to_dict()))["kind"] == found.kind
    figure = found.plot()
    assert figure.axes


def test_what_has_no_figure_says_why() -> None:
    with pytest.raises(InputError, match="share from 0 to 1"):
        CONTINUOUS.quantile(1.5)
    with pytest.raises(QueryError, match="one continuous outcome"):
        PAIR.density([0.0])
    with pytest.raises(QueryError, match="family"):
        FAMILY.quantile(0.5)
    fixed = cm.query(SCM, "P(output[0] | do(act = 0, input = 0))", bins=None)
    assert fixed.kind == "continuous"
    with pytest.raises(QueryError, match="on every row"):
        fixed.density([0.0])
