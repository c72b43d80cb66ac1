"""Names, facts about variables, live and inert units, and other models of the same shape."""

from __future__ import annotations

from typing import Any

import networkx as nx
import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod.errors import InputError, SelectorError
from tests.compiler.networks import Net, built, compiled

X = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))


def linear(weight: list[list[float]], bias: list[float] | None = None) -> nn.Linear:
    layer = nn.Linear(len(weight[0]), len(weight))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
        layer.bias.copy_(torch.tensor(bias or [0.0] * len(weight)))
    return layer


# --- names --------------------------------------------------------------------------------------


def test_looking_up() -> None:
    scm = compiled("mlp")
    assert scm["2"] is scm.sites["2"]
    assert str(scm["2[3]"]) == "2[3]"
    chosen = scm["2[0:2]"]
    assert isinstance(chosen, tuple)
    assert [str(variable) for variable in chosen] == ["2[0]", "2[1]"]
    assert scm.variables[:4] == ("input[0]", "input[1]", "input[2]", "0.0[0]")
    assert len(scm.variables) == 3 + 5 + 5 + 4 + 4 + 2
    assert (scm.inputs, scm.outputs, scm.rows) == (("input",), ("output",), 6)
    assert repr(scm) == (
        "StructuralCausalModel(6 rows; input: 3, 0.0: 5, 0.1: 5, 1: 4, 2: 4, output: 2)"
    )
    with pytest.raises(SelectorError, match="unknown site"):
        scm["9"]


def test_resolving() -> None:
    scm = compiled("mlp")
    names = [str(v) for v in scm.resolve(["2[1]", " 2[0:2] ", "0[4]", scm.resolve("output")[0]])]
    assert names == ["2[1]", "2[0]", "0.1[4]", "output[0]"]
    assert scm.resolve([]) == ()
    assert scm.do({scm.resolve("2[0]")[0]: 1.0}).observe()["2"][0, 0] == 1


def test_observations_know_further_names() -> None:
    observed = compiled("mlp").observe()
    assert "3" in observed
    assert observed["3"] is observed["output"]
    assert observed.get("nowhere") is None
    assert "nowhere" not in observed
    assert list(observed) == ["input", "0.0", "0.1", "1", "2", "output"]
    with pytest.raises(SelectorError, match=r"unknown site 'outptu': did you mean 'output'\?"):
        observed["outptu"]


def test_the_graph() -> None:
    scm = compiled("mlp")
    graph = scm.graph
    assert isinstance(graph, nx.DiGraph)
    assert graph.nodes["2[3]"] == {"site": "2", "index": 3, "exogenous": False}
    assert graph.nodes["U"] == {"exogenous": True}
    assert set(graph.predecessors("2[3]")) == {"1[3]"}
    assert set(graph.predecessors("1[0]")) == {f"0.1[{i}]" for i in range(5)}
    assert set(graph.predecessors("input[0]")) == {"U"}
    assert all(data["structural"] for _, _, data in graph.edges(data=True))


# --- facts --------------------------------------------------------------------------------------


def test_constant_variables() -> None:
    """Within 1e-6 of their size; zeros are constant, small numbers that vary are not."""
    columns = [
        [0.0, 0.0, 0.0], [5.0, 5.0, 5.0], [1e-20, 2e-20, 3e-20], [1.0, 1.0 + 1e-4, 1.0],
        [1e6, 1e6 + 0.25, 1e6], [-1.0, 1.0, 0.0],
    ]  # fmt: skip
    x = torch.tensor(columns, dtype=torch.float64).T.contiguous()
    scm = cm.compile(Net(lambda _, x: x * 1.0).eval(), x)
    assert scm.constant["input"].tolist() == [True, True, False, False, True, False]
    truths = cm.compile(Net(lambda _, x: x > 0).eval(), x)
    assert truths.constant["output"].tolist() == [True, True, True, True, True, False]


def test_constant_blocks() -> None:
    x = torch.zeros(4, 2, 3, 3)
    x[1, 0, 2, 2] = 1.0
    scm = cm.compile(nn.Conv2d(2, 1, 1).eval(), x)
    assert scm.constant["input"].tolist() == [False, True]


def test_scales_have_a_floor() -> None:
    x = torch.tensor([[0.0, 0.0, 0.0, 1.0], [2.0, 4.0, 1e-9, 1.0]]).double()
    scales = cm.compile(Net(lambda _, x: x * 1.0).eval(), x).scales["input"].flatten()
    assert scales[:2].tolist() == [1.0, 2.0]
    assert scales[2:].tolist() == [1e-3, 1e-3], "1e-3 of the median over the units that vary"
    still = cm.compile(Net(lambda _, x: x * 1.0).eval(), torch.ones(3, 2)).scales["input"]
    assert still.flatten().tolist() == [1.0, 1.0]


# --- units --------------------------------------------------------------------------------------


def test_live_units_in_network_order() -> None:
    units = compiled("mlp").units
    assert units.sites == ("0.1", "2", "output")
    places = {name: (units.sites[s], i) for name, s, i in zip(
        units.names, units.site.tolist(), units.index.tolist(), strict=True)}  # fmt: skip
    assert all(name == f"{site}[{index}]" for name, (site, index) in places.items())
    assert [units.names[i] for i in units.at(2)] == ["output[0]", "output[1]"]
    assert all(units.names[place] == name for name, place in units.position.items())
    assert len(units) == len(units.names)


def test_inert_units() -> None:
    """Dead, unread, read by dead units only, and constant: each left out, with the reason."""

    def run(net: Any, x: Tensor) -> Tensor:
        return net.out(torch.relu(net.second(torch.relu(net.first(x)))))

    eye = [[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [1.0, 0, 0]]
    net = Net(
        run,
        first=linear(eye, [3.0, 3.0, 3.0, -1e6]),  # the last is dead
        second=linear([[1.0, 0, 0, 9.0], [0, -1.0, 0, 0], [0, 0, 1.0, 0]], [0, -9.0, 0]),
        out=linear([[1.0, 5.0, 0.0]]),  # the second is dead, the third is not read
    )
    units = cm.compile(net.eval(), X).units
    assert units.names == ("relu[0]", "relu@2[0]", "output[0]")
    assert units.inert == {
        "relu[1]": "influences no output",  # its only reader is constant
        "relu[2]": "influences no output",
        "relu[3]": "constant on the data",
        "relu@2[1]": "constant on the data",
        "relu@2[2]": "influences no output",
    }


def test_all_units_inert() -> None:
    dead = nn.Sequential(linear([[1.0, 0, 0]], [-1e6]), nn.ReLU())
    with pytest.raises(InputError) as error:
        _ = cm.compile(dead.eval(), X).units
    assert "none of the model's 1 units is live" in str(error.value)
    assert "check the data and the weights" in str(error.value)


def test_depth_counts_units_not_sites() -> None:
    units = compiled("towers").units
    depth = dict(zip(units.names, units.layer.tolist(), strict=True))
    assert depth["tanh[0]"] == 1
    assert depth["output.0[0]"] == 1, "side by side"
    assert depth["output.1[0]"] == 2


# --- replay -------------------------------------------------------------------------------------


def clamping() -> cm.StructuralCausalModel:
    """A detector of two inputs that never fire together, so that it is constant on the data."""
    net = nn.Sequential(
        linear([[1.0, 1.0], [1.0, 0.0]], [-1.5, 0.0]), nn.ReLU(), linear([[1.0, 1.0]])
    )
    return cm.compile(net.eval(), torch.tensor([[0.0, 1.0], [1.0, 0.0]]))


def test_constant_units_are_held_in_replays() -> None:
    scm = clamping()
    ones = {"input": torch.ones_like}
    rows = torch.arange(2)
    assert scm.replay(rows, ones, ["output"])["output"].flatten().tolist() == [1.0, 1.0]
    unclamped = scm.replay(rows, ones, ["output"], clamp=False)["output"]
    assert unclamped.flatten().tolist() == [1.5, 1.5]
    free = scm.replay(rows, ones, ["output"], free={"0": torch.tensor([0]), "1": torch.tensor([0])})
    assert free["output"].flatten().tolist() == [1.5, 1.5]


def test_interventions_are_not_clamped() -> None:
    """do() answers what would be; only measurements hold constant units."""
    assert clamping().do({"input": 1.0}).observe()["output"].flatten().tolist() == [1.5, 1.5]


def test_replay_patches_and_returns_blocks() -> None:
    scm = compiled("convolutions")
    rows = torch.tensor([5, 0, 0])
    found = scm.replay(rows, {"act": lambda blocks: blocks * 0}, ["act", "output"], clamp=False)
    assert found["act"].shape == (3, 3, 16)
    assert found["act"].abs().sum() == 0
    assert found["output"].shape == (3, 2, 1)
    expected = scm.do({"act": 0.0}).observe()["output"][rows]
    torch.testing.assert_close(found["output"][..., 0], expected)


def test_replay_does_not_touch_what_is_upstream() -> None:
    scm = compiled("residual")
    found = scm.replay(torch.tensor([2]), {"tanh": lambda blocks: blocks + 1}, ["relu", "tanh"])
    assert torch.equal(found["relu"], scm.blocks("relu")[[2]])
    assert torch.equal(found["tanh"], scm.blocks("tanh")[[2]] + 1)


def test_replay_keeps_interventions() -> None:
    scm = compiled("mlp").do({"2[0]": torch.arange(6.0)})
    found = scm.replay(torch.tensor([3, 1]), {"input": lambda blocks: blocks * 0}, ["2"])
    assert found["2"][:, 0, 0].tolist() == [3.0, 1.0]


# --- other models of the same shape -------------------------------------------------------------


def test_with_parameters() -> None:
    scm = compiled("mlp")
    node = next(n for n, name in scm.program.trace.parameters.items() if name == "3.weight")
    other = scm.with_parameters({node: scm.parameters[node] * 0})
    bias = dict(built("mlp")[0].named_parameters())["3.bias"]
    assert torch.equal(other.observe()["output"], bias.detach().expand(6, 2))
    assert torch.equal(scm.observe()["output"], compiled("mlp").observe()["output"])
    folded = compiled("masked").with_parameters({"p_weight": torch.ones(4, 3)})
    mask = folded.program.constants["b_mask"]
    assert torch.equal(folded.edges["input", "tanh"], mask.T > 0), "the mask is applied again"


def test_with_rows() -> None:
    scm = compiled("mlp")
    some = scm.with_rows(torch.tensor([4, 2]))
    assert some.rows == 2
    assert torch.equal(some.observe()["input"], scm.observe()["input"][[4, 2]])
    with pytest.raises(InputError, match="call it before do"):
        scm.do({"2": 0.0}).with_rows(torch.tensor([0, 1]))


def test_provenance() -> None:
    scm = compiled("mlp")
    made = scm.provenance(3, 0.5)
    assert (made.seed, made.seconds) == (3, 0.5)
    assert {"python", "torch", "causalmod"} <= set(made.versions)
    again = cm.compile(*built("mlp")).provenance(3, 0.5)
    assert (again.model_digest, again.data_digest) == (made.model_digest, made.data_digest)
    node = next(iter(scm.parameters))
    other = scm.with_parameters({node: scm.parameters[node] + 1}).provenance(3, 0.5)
    assert other.model_digest != made.model_digest
    assert other.data_digest == made.data_digest
    fewer = scm.with_rows(torch.tensor([0, 1])).provenance(3, 0.5)
    assert fewer.data_digest != made.data_digest
    net, x = nn.Sequential(nn.Linear(3, 3), nn.ReLU()), X
    other_net = nn.Sequential(net[0], nn.Tanh())
    digests = [cm.compile(n.eval(), x).provenance(0, 0).model_digest for n in (net, other_net)]
    assert digests[0] != digests[1], "the same weights in another network"
