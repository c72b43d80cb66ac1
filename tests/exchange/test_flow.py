"""flow: maps of all pairs agree with the figures one by one, and say what they are."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import causalmod as cm
from causalmod import EstimatorError, Flow, InputError, Interrupted, SelectorError, flow, zoo
from causalmod.information.bins import Bins
from causalmod.plotting import describe_flow
from tests.exchange.networks import perceptron


@pytest.fixture(scope="module")
def model() -> cm.StructuralCausalModel:
    return cm.compile(*perceptron((4, 6, 6, 3), rows=300))


@pytest.fixture(scope="module")
def conditional(model: cm.StructuralCausalModel) -> Flow:
    return flow(model, "hidden1", ["hidden2", "output"], "conditional")


def test_a_map_is_labelled(conditional: Flow) -> None:
    assert list(conditional.bits.index) == [f"hidden1[{i}]" for i in range(6)]
    assert conditional.bits.columns[0] == "hidden2[0]"
    assert conditional.bits.shape == (6, 9)
    assert repr(conditional).startswith("Flow(6 sources × 9 targets, at most ")
    assert (conditional.kind, conditional.estimator, conditional.bins) == (
        "conditional", "binned", 10,
    )  # fmt: skip
    assert (conditional.contexts, conditional.donors, conditional.p) == (64, 64, None)
    assert bool((conditional.low <= conditional.bits).all().all())
    assert bool((conditional.bits <= conditional.high).all().all())
    long = conditional.to_frame()
    assert long.index.names == ["source", "target"]
    assert (
        long.loc[("hidden1[2]", "output[1]"), "bits"]
        == conditional.bits.loc["hidden1[2]", "output[1]"]
    )
    json.dumps(conditional.to_dict())
    assert "hidden1[0]" in conditional._repr_html_()
    assert conditional.complete
    assert conditional.provenance is not None


@pytest.mark.filterwarnings("ignore::causalmod.errors.CausalmodWarning")  # inside the null floor
@pytest.mark.parametrize("kind", ["interventional", "conditional", "observational", "effective"])
def test_maps_agree_with_single_figures(model: cm.StructuralCausalModel, kind: str) -> None:
    """Sampled in other ways, so within their intervals; the observational form draws nothing."""
    sources, targets = ["hidden1[0:2]"], ["hidden2[0:2]", "output[1]"]
    found = flow(model, sources, targets, kind, contexts=128)
    assert found.estimator == "binned"
    for source in found.bits.index:
        for target in found.bits.columns:
            one = cm.information(model, source, target, kind)
            bits = float(found.bits.loc[source, target])
            if kind == "observational":
                assert bits == pytest.approx(one.bits, abs=1e-6)
            slack = found.high.loc[source, target] - found.low.loc[source, target]
            assert one.low is not None
            assert one.high is not None
            assert one.low - slack <= bits <= one.high + slack


@pytest.mark.parametrize("kind", ["interventional", "conditional"])
def test_no_path_reads_exactly_nothing(model: cm.StructuralCausalModel, kind: str) -> None:
    found = flow(model, "hidden2", ["hidden1", "linear1"], kind)
    for table in (found.bits, found.low, found.high):
        assert not table.to_numpy().any()
    assert not found.significant.to_numpy().any()


def test_a_variable_sends_itself_nothing(model: cm.StructuralCausalModel) -> None:
    found = flow(model, "hidden1[0:2]", "hidden1[0:3]", "conditional")
    assert np.isnan(found.bits.loc["hidden1[0]", "hidden1[0]"])
    assert found.bits.loc["hidden1[0]", "hidden1[1]"] == 0.0
    assert len(found.to_frame()) == 4


def test_groups(model: cm.StructuralCausalModel) -> None:
    """Named groups: the same as one by one, with bounds from both sides."""
    sources = {"left": "hidden1[0:3]", "right": "hidden1[3:6]"}
    targets = {"mixed": ["hidden2[0]", "output[1:3]"], "one": "output[0]"}
    found = flow(model, sources, targets, "conditional", resolution=2.0, contexts=128)
    assert found.estimator == "pairwise"
    assert found.upper is not None
    assert bool((found.bits <= found.upper).all().all())
    one = cm.information(
        model, sources["left"], targets["mixed"], "conditional", resolution=2.0, draws=64
    )
    assert one.low is not None
    assert one.high is not None
    assert one.low - 0.05 <= found.bits.loc["left", "mixed"] <= one.high + 0.05
    sharp = flow(model, sources, targets, "conditional", resolution=0.01)
    assert sharp.saturated.loc["left", "mixed"]
    assert np.isnan(sharp.low.loc["left", "mixed"])


def test_pair_by_pair_for_other_estimators(model: cm.StructuralCausalModel) -> None:
    found = flow(model, "hidden1[0]", "hidden2[0:2]", estimator="gaussian", contexts=32, draws=32)
    one = cm.information(
        model, "hidden1[0]", "hidden2[1]", estimator="gaussian", contexts=32, draws=32
    )
    assert found.bits.loc["hidden1[0]", "hidden2[1]"] == one.bits
    literal = flow(zoo.get("confounded").compile(), "x", "output", reference="observational")
    assert literal.bits.iloc[0, 0] == pytest.approx(0.173840, abs=5e-7)
    arrows = flow(zoo.sprinkler().compile(), ["sprinkler", "rain"], ["rain", "output"], "strength")
    assert arrows.bits.loc["sprinkler[0]", "rain[0]"] == 0.0  # no arrow, nothing to cut
    assert arrows.bits.loc["rain[0]", "output[0]"] > 0


def test_exact_maps() -> None:
    scm = zoo.xor().compile()
    for kind, bits in (("observational", 0.0), ("interventional", 0.0), ("conditional", 1.0)):
        found = flow(scm, ["a", "b"], "output", kind)
        assert found.estimator == "exact"
        assert found.bits.to_numpy().tolist() == [[bits], [bits]]
    infinite = flow(zoo.xor(correlated=True).compile(), "b", "output", reference="observational")
    assert np.isinf(infinite.bits.iloc[0, 0])
    infinite.plot()


@pytest.mark.parametrize("kind", ["observational", "interventional"])
def test_false_positives_are_held_over_a_map(kind: str) -> None:
    """20 × 20 pairs of independent units: hardly any is called significant once adjusted."""

    class Apart(nn.Module):
        """Targets read their own input; sources may reach them through a weight of 1e-9."""

        def __init__(self) -> None:
            super().__init__()
            self.s, self.t = nn.Identity(), nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            s = self.s(x[:, :20] * 1.0)
            return self.t(x[:, 20:] + 1e-9 * s.sum(1, keepdim=True)) * 1.0

    data = torch.randn(1500, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scm = cm.compile(Apart().eval(), data, sites=["s", "t", "output"])
    single = flow(scm, "s", "t", kind)
    assert single.p is not None
    assert single.significance is None
    raw = float(single.significant.to_numpy().mean())
    if kind == "observational":
        assert 0.02 < raw < 0.09
    for method in ("bh", "holm", "bonferroni"):
        found = flow(scm, "s", "t", kind, significance=method)
        assert found.significance == method
        assert found.adjusted is not None
        assert bool((found.adjusted >= found.p).all().all())
        assert found.significant.to_numpy().mean() <= 0.005


def test_significance_finds_what_is_there(model: cm.StructuralCausalModel) -> None:
    found = flow(model, "hidden1", "hidden2", significance="holm")
    assert found.significant.to_numpy().mean() > 0.5
    assert found.p is not None
    assert float(found.p.min().min()) < 1e-6


def test_the_same_seed_gives_the_same_and_memory_changes_nothing(
    model: cm.StructuralCausalModel, conditional: Flow
) -> None:
    again = flow(model, "hidden1", ["hidden2", "output"], "conditional", memory="1MB")
    np.testing.assert_allclose(again.bits, conditional.bits, atol=1e-12)
    other = flow(model, "hidden1", ["hidden2", "output"], "conditional", seed=1)
    assert not np.allclose(other.bits, conditional.bits)


def test_an_interrupt_keeps_what_was_measured(
    model: cm.StructuralCausalModel, conditional: Flow
) -> None:
    seen: list[tuple[str, int, int]] = []

    def stop_after_two(stage: str, done: int, total: int) -> None:
        seen.append((stage, done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        flow(model, "hidden1", ["hidden2", "output"], "conditional", progress=stop_after_two)
    assert seen == [("sources", 0, 6), ("sources", 1, 6), ("sources", 2, 6)]
    partial = caught.value.partial
    assert not partial.complete
    assert "interrupted" in repr(partial)
    np.testing.assert_array_equal(partial.bits.iloc[:2], conditional.bits.iloc[:2])
    assert partial.bits.iloc[2:].isna().all().all()
    assert len(partial.to_frame()) == 18
    partial.plot()


def test_progress(model: cm.StructuralCausalModel, capsys: pytest.CaptureFixture[str]) -> None:
    flow(model, "hidden1[0]", "output", "conditional")
    flow(model, "hidden1[0]", "output", "conditional", progress=False)
    assert capsys.readouterr() == ("", "")
    flow(model, "hidden1[0]", "output", "conditional", progress=True)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"significance": "fdr"}, InputError, "unknown significance 'fdr'"),
        ({"progress": "yes"}, InputError, "progress is True, False, None, or a function"),
        ({"kind": "causal"}, InputError, "unknown kind 'causal'"),
        ({"law": "maxent", "kind": "observational"}, InputError, "sets nothing"),
        ({"contexts": 1}, InputError, "contexts must be"),
        ({"memory": "much"}, InputError, "memory is a positive number"),
        ({"sources": []}, InputError, "sources is empty"),
        ({"sources": {}}, InputError, "sources is empty: name at least one group"),
        ({"targets": {"t": []}}, InputError, "targets 't' is empty"),
        ({"targets": "hiden2"}, SelectorError, "did you mean 'hidden2'"),
        ({"targets": {"t": "hidden2"}, "estimator": "binned"}, EstimatorError, "single units"),
        ({"estimator": "ksg", "kind": "conditional"}, EstimatorError, "within one context"),
        ({"bins": 1}, InputError, "bins must be"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    model: cm.StructuralCausalModel,
    arguments: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    given: dict[str, Any] = {"sources": "hidden1", "targets": "hidden2", "kind": "conditional"}
    given |= arguments
    with pytest.raises(error, match=message):
        flow(model, **given)


def test_bins_of_a_map(model: cm.StructuralCausalModel) -> None:
    found = flow(model, "hidden1[0:2]", "hidden2[0:2]", "conditional", bins=Bins(4, "width"))
    assert found.bins == 4
    assert float(found.bits.max().max()) <= 2.1


def test_the_heat_map(conditional: Flow) -> None:
    figure = conditional.plot()
    assert figure.axes[0].get_xlabel() == "target"
    text = describe_flow(conditional)
    assert text.startswith("Map of 6 sources and 9 targets, conditional information: ")
    assert "hidden1[" in text
    wide = flow(zoo.broadcast(receivers=40).compile(), "sender", "receivers", "conditional")
    assert len(wide.plot().axes[0].get_xticks()) < 40
