"""The model inside a module: members answer for themselves, all else keeps its own values."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod.errors import PartitionError, SelectorError


def network() -> tuple[nn.Sequential, Tensor]:
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential()
    layers = (("fc1", nn.Linear(3, 6)), ("act1", nn.Tanh()), ("fc2", nn.Linear(6, 5)),
              ("act2", nn.ReLU()), ("out", nn.Linear(5, 2)))  # fmt: skip
    for name, layer in layers:
        model.add_module(name, layer)
        for parameter in layer.parameters():
            nn.init.normal_(parameter, generator=generator)
    return model.double().eval(), torch.randn(60, 3, generator=generator, dtype=torch.float64)


MODEL, DATA = network()
SCM = cm.compile(MODEL, DATA)
MEMBERS = ["act1[0:3]", "act2[1]", "act2[3]", "output[0]"]
INSIDE = {"act1": [0, 1, 2], "act2": [1, 3], "output": [0]}


def by_hand(members: dict[str, list[int]], forced: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """The module run alone, in numpy: values outside are pasted over from the data's own run."""
    weight = {name: p.detach().numpy() for name, p in MODEL.named_parameters()}
    natural = {name: value.numpy() for name, value in SCM.observe().items()}
    value = DATA.numpy()
    found: dict[str, np.ndarray] = {}
    for layer, site, act in (
        ("fc1", "act1", np.tanh),
        ("fc2", "act2", lambda z: np.maximum(z, 0)),
        ("out", "output", lambda z: z),
    ):
        free = act(value @ weight[f"{layer}.weight"].T + weight[f"{layer}.bias"])
        value = natural[site].copy()
        own = members.get(site, [])
        value[:, own] = free[:, own]
        for name, set_to in forced.items():
            if name.startswith(f"{site}["):
                value[:, int(name[len(site) + 1 : -1])] = set_to.numpy()
        found[site] = value
    return found


def test_with_nothing_intervened_it_is_the_same_network() -> None:
    inside = SCM.submodel(MEMBERS)
    for name, value in SCM.observe().items():
        assert torch.equal(inside.observe()[name], value), name


def test_members_answer_and_the_rest_keeps_its_row() -> None:
    inside = SCM.submodel(MEMBERS)
    moved = torch.linspace(-2, 2, 60, dtype=torch.float64)
    after = inside.do({"act1[1]": moved}).observe()
    for site, expected in by_hand(INSIDE, {"act1[1]": moved}).items():
        np.testing.assert_allclose(after[site].numpy(), expected, atol=1e-12)
    assert not torch.equal(after["act2"][:, 1], SCM.observe()["act2"][:, 1])
    elsewhere = [place for place in range(5) if place not in INSIDE["act2"]]
    assert torch.equal(after["fc2"][:, elsewhere], SCM.observe()["fc2"][:, elsewhere])


def test_counterfactuals_sweeps_and_resampling_stay_inside() -> None:
    inside = SCM.submodel(MEMBERS)
    rows = [4, 9]
    value = inside.counterfactual({"act1[0]": 1.0}, rows)["output"]
    expected = by_hand(INSIDE, {"act1[0]": torch.ones(60, dtype=torch.float64)})["output"][rows]
    np.testing.assert_allclose(value.numpy(), expected, atol=1e-12)
    swept = inside.sweep("act1", 1.0, progress=False)
    assert swept.names == ("act1[0]", "act1[1]", "act1[2]"), "a site stands for its members"
    np.testing.assert_allclose(swept.values["output"][0][rows].numpy(), expected, atol=1e-6)


def test_its_units_are_the_live_members() -> None:
    inside = SCM.submodel(MEMBERS)
    live = set(SCM.units.names)
    named = {v.name for v in SCM.resolve(MEMBERS)}
    assert set(inside.units.names) == live & named
    assert f"{len(inside.units)} units inside" in repr(inside)
    by_pre_activation = SCM.submodel(["fc1[0:3]", "fc2[1]", "fc2[3]", "output[0]"])
    assert by_pre_activation.units.names == inside.units.names, "tied: one unit"


def test_a_null_network_of_a_submodel_has_the_same_units_and_surroundings() -> None:
    from causalmod.search import null_network

    inside = SCM.submodel(["act1", "act2[0:4]"])
    null = null_network(inside, 3)
    assert null is not None
    before, after = inside.observe(), null.observe()
    outside = [4]
    assert torch.equal(after["act2"][:, outside], before["act2"][:, outside])
    assert torch.equal(after["output"], before["output"])
    assert not torch.equal(after["act2"], before["act2"])
    assert torch.equal(after["act1"], before["act1"]), "inputs are no senders of the module's own"


def test_information_is_what_passes_inside() -> None:
    """act1[0] reaches output[0] through act2[1] and act2[3] only; without them nothing arrives."""
    blocked = SCM.submodel(["act1[0]", "output[0]"])
    assert cm.information(blocked, "act1[0]", "output[0]", "conditional").bits == 0.0
    assert cm.information(SCM, "act1[0]", "output[0]", "conditional").bits > 0.0
    some = SCM.submodel(["act1[0]", "act2[1]", "output[0]"])
    through = cm.information(some, "act1[0]", "output[0]", "conditional", seed=1).bits
    assert through > 0.0


def test_inside_an_exclusive_or_bridge() -> None:
    """The bit from outside is held at what it is on the row: one bit passes, unseen on average.

    THEORY oracle 18: unit to unit averaged 0, conditional 1, exchange 1.
    """
    scm = cm.zoo.xor().compile()
    inside = scm.submodel(["a", "output"])
    assert cm.information(inside, "a", "output", "conditional").bits == 1.0
    assert cm.information(inside, "a", "output").bits == 0.0
    assert cm.exchange(inside, cm.Partition({"bit": ["a"], "bridge": ["output"]})).bits == 1.0
    alone = scm.submodel("output")
    assert alone.units.names == ("output[0]",)
    assert cm.information(alone, "a", "output", "conditional").bits == 1.0, "a can still be set"


def test_queries_are_answered_inside() -> None:
    inside = SCM.submodel(MEMBERS)
    got = cm.query(inside, "E[output[0] | do(act1[0] = 1.0)]").mean()
    forced = {"act1[0]": torch.ones(60, dtype=torch.float64)}
    assert float(got) == pytest.approx(by_hand(INSIDE, forced)["output"][:, 0].mean(), abs=1e-9)
    effect = cm.query(inside, "E[output[1] | do(act1[0] = 1.0)]").mean()
    assert float(effect) == pytest.approx(float(SCM.observe()["output"][:, 1].mean()), abs=1e-9)


def test_the_graph_has_no_arrow_into_what_is_held_but_from_the_row() -> None:
    graph = SCM.submodel(MEMBERS).graph
    assert set(graph.predecessors("act2[0]")) == {"U"}
    assert "act1[0]" in nx.ancestors(graph, "act2[1]")
    assert "act1[4]" in set(graph.predecessors("fc2[1]")), "the surroundings still drive members"
    assert set(SCM.submodel(MEMBERS).do({"act2[0]": 1.0}).graph.predecessors("act2[0]")) == set()


def test_a_submodel_of_a_submodel() -> None:
    nested = SCM.submodel(MEMBERS).submodel(["act1[0]", "act2[1]"])
    direct = SCM.submodel(["act1[0]", "act2[1]"])
    change = {"act1[0]": 0.5}
    for name, value in direct.do(change).observe().items():
        assert torch.equal(nested.do(change).observe()[name], value)
    assert nested.units.names == direct.units.names


def test_modules_at_any_depth() -> None:
    named = SCM.with_partition({"left": {"a": "act1[0:2]", "b": "act2[1]"}, "right": "act1[3:5]"})
    left = named.submodel("left")
    assert set(left.units.names) == {"act1[0]", "act1[1]", "act2[1]"} & set(SCM.units.names)
    assert left.submodel("left.a").units.names == named.submodel("left.a").units.names


def test_interventions_before_stay() -> None:
    changed = SCM.do({"act1[5]": 2.0})
    inside = changed.submodel(["act1[0]", "act2[1]"])
    assert torch.equal(inside.observe()["output"], changed.observe()["output"])


def test_saved_and_loaded(tmp_path: Path) -> None:
    inside = SCM.submodel(MEMBERS)
    loaded = cm.load(inside.save(tmp_path / "inside.scm"))
    assert loaded.units.names == inside.units.names
    assert loaded.members == inside.members
    change = {"act1[0]": 1.0}
    assert torch.equal(loaded.do(change).observe()["output"], inside.do(change).observe()["output"])
    assert set(loaded.graph.predecessors("act2[0]")) == {"U"}


def test_some_rows_of_a_submodel() -> None:
    rows = torch.tensor([3, 5, 30])
    some = SCM.submodel(MEMBERS).with_rows(rows).do({"act1[0]": 1.0}).observe()["output"]
    whole = SCM.submodel(MEMBERS).do({"act1[0]": 1.0}).observe()["output"][rows]
    torch.testing.assert_close(some, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("together", [True, False])
def test_large_runs_take_the_quick_path_and_agree(together: bool) -> None:
    from causalmod.exchange.hybrid import RESPOND, HybridRuns, draw_sample

    inside = SCM.submodel(["act1", "act2[1:5]", "output"])
    sample = draw_sample(torch.arange(60), 8, 8, 1, 0)
    runs = HybridRuns(inside, sample)
    from causalmod.exchange.staged_runs import StagedRuns
    from causalmod.exchange.stages import find_stages
    from causalmod.information import ESTIMATORS

    fitted = ESTIMATORS.get("pairwise").fit(None, runs.coordinates.observed(), 1.0)
    stages = find_stages(inside, inside.units)
    assert stages is not None
    labels = torch.arange(len(inside.units)) % 2
    states = torch.where(labels[None] == 0, RESPOND, 0)
    plain = runs.joint(fitted, states, labels[None] == 0).bits
    runs.staged = StagedRuns(inside, inside.units, stages, sample)
    torch.testing.assert_close(runs.joint(fitted, states, labels[None] == 0).bits, plain)


@pytest.mark.parametrize(
    ("module", "error", "message"),
    [
        ("input", PartitionError, "inputs are the environment"),
        ("act3", SelectorError, "act1|act2"),
        ([], PartitionError, "needs members"),
        ("left", SelectorError, "unknown site 'left'"),
    ],
)
def test_bad_members(module: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SCM.submodel(module)  # pyright: ignore[reportArgumentType]


def test_what_is_outside_a_submodel_is_refused() -> None:
    with pytest.raises(PartitionError, match="outside this submodel"):
        SCM.submodel(MEMBERS).submodel(["act1[5]"])


def test_inert_units_have_no_inside() -> None:
    model, data = network()
    with torch.no_grad():
        model.get_parameter("fc1.bias")[0] = 1e6  # saturated for good
        model.get_parameter("fc1.weight")[0] = 0.0
    scm = cm.compile(model, data)
    assert "act1[0]" in scm.units.inert
    assert "act1[0]" not in scm.submodel("act1").units.names
    with pytest.raises(PartitionError, match="constant on the data"):
        scm.submodel("act1[0]")
