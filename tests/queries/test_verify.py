"""verify and falsify: three answers side by side, and a wrong graph that does not get away."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

import causalmod as cm
from causalmod.errors import InputError, QueryError
from tests.queries.networks import net


@pytest.fixture(scope="module")
def xor() -> cm.StructuralCausalModel:
    return cm.zoo.xor().compile()


@pytest.mark.parametrize(
    "query",
    [
        "P(output[0] | do(a[0]))",
        "P(output[0] | do(a[0]), b[0])",
        "P(output[0] = 1 | do(a[0] = 1), b[0] = 0)",
        "E[output | do(a[0] = 1)]",
        "TE(output ; a[0] = 0 -> 1)",
        "I(a[0] ; output[0] | do(a[0]))",
        "P(output | do(input))",
    ],
)
def test_the_three_agree(xor: cm.StructuralCausalModel, query: str) -> None:
    found = cm.verify(xor, query, draws=0)
    assert found.agree, found
    assert found.difference == pytest.approx(0, abs=1e-9)
    frame = found.to_frame()
    assert list(frame.index) == ["formula", "logs", "intervention"]
    assert found.identification.formula == frame.loc["formula", "note"]
    assert "outcome" in found._repr_html_()
    assert found.to_dict()["agree"] is True


def test_where_the_logs_cannot_answer_the_network_does(xor: cm.StructuralCausalModel) -> None:
    found = cm.verify(xor, "P(output[0] = 1 | do(a[0] = 1))", observed=["a", "output"])
    assert found.logged is None
    assert found.agree is None
    assert found.intervened == 0.5
    assert "not identifiable; by intervention 0.5" in repr(found)


def test_determinism_leaves_empty_cells_and_no_number(xor: cm.StructuralCausalModel) -> None:
    """The input determines a: half of what the adjustment asks for is never seen."""
    found = cm.verify(
        xor, "P(output = 1 | do(a = 1))", observed=["input", "a", "output"], level="site"
    )
    assert found.identification.through == ("input",)
    assert found.logged is not None
    assert found.logged.missing == pytest.approx(0.5)
    assert np.isnan(found.logged.value or 0)
    assert list(found.logged.cells["cell"]) == [
        "input = (0.0, 0.0), a = 1.0",
        "input = (0.0, 1.0), a = 1.0",
    ]
    assert found.agree is None
    assert found.difference is None
    assert found.intervened == 0.5
    assert "50% of the answer rests on 2 empty cells; by intervention 0.5" in repr(found)
    rows = found.logged.table
    assert np.isnan(rows["probability"].to_numpy(float)).all()
    assert max(rows["at_least"].tolist()) <= 0.5 <= min(rows["at_most"].tolist())


def test_samples_of_the_logs_give_intervals(xor: cm.StructuralCausalModel) -> None:
    rows = torch.randint(4, (400,), generator=torch.Generator().manual_seed(0))
    logs = cm.to_frame(xor).iloc[rows.tolist()].reset_index(drop=True)
    found = cm.verify(xor, "P(output[0] = 1 | do(a[0] = 1))", logs=logs, draws=200)
    assert found.logged is not None
    assert found.logged.low is not None
    assert found.logged.high is not None
    assert 0 < found.logged.high - found.logged.low < 0.2
    assert found.agree == (found.logged.low <= 0.5 <= found.logged.high)
    again = cm.verify(xor, "P(output[0] = 1 | do(a[0] = 1))", logs=logs, draws=200)
    assert again.logged == found.logged


def test_continuous_networks_are_compared_in_bins() -> None:
    scm = cm.compile(*net())
    found = cm.verify(
        scm, "P(fc2[0] > 0 | do(act[1] = 0.5))".replace("fc2", "output"), bins=3, draws=0
    )
    assert found.logged is not None
    assert found.logged.binned
    assert found.logged.missing > 0
    with pytest.raises(InputError, match="say bins=4"):
        cm.verify(scm, "P(output[0] > 0 | do(act[1] = 0.5))")


def test_too_many_interventions_are_refused() -> None:
    scm = cm.compile(*net())
    with pytest.raises(QueryError, match="interventions, more than 1024"):
        cm.verify(scm, "P(act[0] | do(input))", bins=12, draws=0)


# --- falsification --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["xor", "xor_correlated", "fork", "and_gate_correlated", "threshold"]
)
def test_a_compiled_graph_is_not_falsified(name: str) -> None:
    found = cm.falsify(cm.zoo.get(name).compile(), triples=60)
    assert not found.falsified, found.violations
    assert found.steps > 0


def test_a_continuous_graph_is_not_falsified_and_extra_independences_are_listed() -> None:
    found = cm.falsify(cm.compile(*net()), triples=60, seed=1)
    assert not found.falsified, found.violations
    assert len(found.extra) > 0
    assert found.extra["why"].str.contains("determine").any()
    assert "0 violations" in repr(found)
    assert set(found.to_frame()["kind"]) == {"extra"}
    assert found.to_dict()["steps"] == found.steps
    assert "violations" in found._repr_html_()


def test_a_wrong_graph_is_falsified() -> None:
    """Without the arrows from a to the output, the graph claims what the network does not do."""
    scm = cm.zoo.xor().compile()
    scm.edges["a", "output"][:] = False
    found = cm.falsify(scm, triples=100)
    assert found.falsified
    assert all("output" in claim for claim in found.violations["claim"])
    assert min(found.violations["off by"].tolist()) > 0.1


def test_falsify_says_what_it_takes() -> None:
    scm = cm.zoo.xor().compile()
    with pytest.raises(InputError, match="triples is a number"):
        cm.falsify(scm, triples=0)


def test_intervals_of_means_in_bins_count_the_error_of_the_bins() -> None:
    """Most of y is 0, which leaves one bin; the interval of its mean is that of any mean."""
    draw = np.random.default_rng(0)
    y = np.maximum(draw.normal(size=400) - 0.5, 0)
    found = cm.identify(nx.DiGraph([("x", "y")]), "E[y | do(x = 1)]")
    answer = found(pd.DataFrame({"x": draw.integers(2, size=400), "y": y}), bins=2, draws=400)
    assert answer.value == pytest.approx(y.mean())
    assert answer.low is not None
    assert answer.high is not None
    assert answer.high - answer.low == pytest.approx(2 * 1.96 * y.std() / 20, rel=0.15)


def test_values_of_their_own_on_each_row_are_no_violation() -> None:
    """A resampled unit listens to none, but on these rows it is a function of the row."""
    scm = cm.compile(*net())
    for change in ({"act[1]": cm.resample(1)}, {("act[1]", "output[0]"): cm.resample(1)}):
        made = scm.do(change)
        assert not cm.falsify(made, triples=60).falsified
    made = scm.do({"act[1]": cm.resample(1)})
    assert not cm.rules.insert_or_delete_observation(made, "act[1]", "input[0]")
    fixed = scm.do({"act[1]": 0.5})
    assert not cm.falsify(fixed, triples=60).falsified
    assert cm.rules.insert_or_delete_observation(fixed, "act[1]", "input[0]")
