"""The forms of exchange, against brute force and known cases."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

import causalmod as cm
from causalmod import InputError, Interrupted, Partition, PartitionError, exchange
from causalmod.scm.units import find_units
from causalmod.zoo.blocks import Step
from tests.exchange.networks import (
    READS,
    SIZES,
    Drawn,
    discrete_reference,
    perceptron,
)
from tests.exchange.test_against_brute_force import SLOW, alive, constant, networks
from tests.exchange.test_oracles import Parity, gates
from tests.reference.brute_force import Network

FEWER = settings(SLOW, max_examples=10)
INPUTS = tuple(f"input[{i}]" for i in range(SIZES["input"]))
PARENTS = {
    f"{site}[{i}]": [f"{sender}[{j}]" for sender in senders for j in range(SIZES[sender])]
    for site, senders in READS.items()
    for i in range(SIZES[site])
}


def modules_of(data: st.DataObject, names: tuple[str, ...], most: int = 3) -> Partition:
    k = data.draw(st.integers(2, min(most, len(names))))
    labels = data.draw(st.permutations([*range(k), *[i % k for i in range(len(names) - k)]]))
    return Partition.from_labels({n: f"m{label}" for n, label in zip(names, labels, strict=True)})


def reference_of(drawn: Drawn, model: cm.StructuralCausalModel) -> Network:
    return discrete_reference(drawn, constant(model))


@given(networks(), st.data())
@FEWER
def test_what_is_sent_and_between_modules(drawn: Drawn, data: st.DataObject) -> None:
    model = alive(drawn)
    split = modules_of(data, model.units.names)
    reference, found = reference_of(drawn, model), exchange(model, split, estimator="exact")
    for name in split:
        assert found.out[name].bits == pytest.approx(reference.sent(split.modules, name), abs=1e-9)
    for pair, estimate in found.total_matrix.items():
        expected = reference.between(split.modules, *pair, direct=False)
        assert estimate.bits == pytest.approx(expected, abs=1e-9)
        expected = reference.between(split.modules, *pair, direct=True)
        assert found.matrix[pair].bits == pytest.approx(expected, abs=1e-9)


@given(networks(), st.data())
@FEWER
def test_joint_donors(drawn: Drawn, data: st.DataObject) -> None:
    model = alive(drawn)
    split = modules_of(data, model.units.names)
    found = exchange(model, split, donors="joint", estimator="exact")
    reference = reference_of(drawn, model)
    for name in split:
        expected = reference.received(split.modules, name, joint=True)
        assert found.into[name].bits == pytest.approx(expected, abs=1e-9)


@given(networks(), st.booleans(), st.data())
@FEWER
def test_averaged(drawn: Drawn, joint: bool, data: st.DataObject) -> None:
    """Both references; and knowing the context can only help."""
    model = alive(drawn)
    split, donors = modules_of(data, model.units.names), "joint" if joint else "independent"
    reference = reference_of(drawn, model)
    how: dict[str, Any] = {"donors": donors, "estimator": "exact"}
    found = exchange(model, split, kind="averaged", **how)
    literal = exchange(model, split, kind="averaged", reference="observational", **how)
    known = exchange(model, split, **how)
    for name in split:
        expected = reference.averaged(split.modules, name, joint=joint)
        assert found.into[name].bits == pytest.approx(expected, abs=1e-9)
        assert found.into[name].bits <= known.into[name].bits + 1e-9
        expected = reference.averaged(split.modules, name, joint=joint, literal=True)
        assert literal.into[name].bits == pytest.approx(expected, abs=1e-9)


@given(networks(), st.data())
@FEWER
def test_strength(drawn: Drawn, data: st.DataObject) -> None:
    model = alive(drawn)
    split = modules_of(data, model.units.names)
    found = exchange(model, split, kind="strength", estimator="exact")
    reference, everyone = reference_of(drawn, model), list(split.labels)
    for name, members in split.modules.items():
        rest = [unit for unit in everyone if unit not in members]
        expected = reference.arrows(rest, members, PARENTS)
        assert found.into[name].bits == pytest.approx(expected, abs=1e-9)
        expected = reference.arrows(members, rest, PARENTS)
        assert found.out[name].bits == pytest.approx(expected, abs=1e-9)
    for (sender, receiver), estimate in found.matrix.items():
        expected = reference.arrows(split.modules[sender], split.modules[receiver], PARENTS)
        assert estimate.bits == pytest.approx(expected, abs=1e-9)
    assert not found.total_matrix or len(split) == 2


@given(networks(), st.sampled_from(["conditional", "averaged", "strength"]), st.data())
@FEWER
def test_inputs_as_members(drawn: Drawn, kind: str, data: st.DataObject) -> None:
    model = alive(drawn)
    units = find_units(model, inputs=True)
    assume(any(name in INPUTS for name in units.names))
    split = modules_of(data, units.names)
    found = exchange(model, split, kind=kind, inputs="members", estimator="exact")
    reference = reference_of(drawn, model)
    for name, members in split.modules.items():
        if kind == "conditional":
            expected = reference.received(split.modules, name)
        elif kind == "averaged":
            expected = reference.averaged(split.modules, name)
        else:
            rest = [unit for unit in split.labels if unit not in members]
            inner = [unit for unit in members if unit not in INPUTS]
            expected = reference.arrows(rest, inner, PARENTS)
        assert found.into[name].bits == pytest.approx(expected, abs=1e-9)
    assert found.ownership == {u: m for u, m in split.labels.items() if u in INPUTS}


# --- known cases ----------------------------------------------------------------------------------


def test_joint_donors_can_hide_a_parity() -> None:
    """Oracle 16: p = q in the data, i = p xor q xor s: 1 with independent donors, 0 with joint."""
    rows = torch.tensor([[p, p, s] for p in (0.0, 1.0) for s in (0.0, 1.0)])
    model = gates(rows, Parity())
    p, q, s, i = model.units.names
    split = Partition({"p": [p], "q": [q], "i": [i, s]})
    assert exchange(model, split).bits == pytest.approx(1.0, abs=1e-12)
    joint = exchange(model, split, donors="joint")
    assert joint.bits == 0.0
    assert "joint donors" in repr(joint)


def test_a_majority_shows_in_what_is_received_only() -> None:
    """Oracle 17: every pair sends 0, direct and total; so the graph has no edges."""
    model = gates(torch.tensor([[0.0] * 3, [1.0] * 3]), Step([[1.0, 1.0, 1.0]], [-1.5]))
    split = Partition({name: [name] for name in model.units.names})
    found = exchange(model, split)
    assert found.into["output[0]"].bits == pytest.approx(1.0, abs=1e-12)
    assert all(each.bits == 0 for each in found.matrix.values())
    assert all(each.bits == 0 for each in found.total_matrix.values())
    graph = found.to_networkx()
    assert graph.number_of_edges() == 0
    assert graph.nodes["output[0]"]["into"] == pytest.approx(1.0, abs=1e-12)


class Bridge(nn.Module):
    """Each side repeats a bit of its own; one unit of the left is the XOR of both."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.bridge = nn.Identity(), nn.Identity(), Parity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = self.a(x[:, :1] * 1.0), self.b(x[:, 1:] * 1.0)
        return torch.cat([a, b, self.bridge(torch.cat([a, b], dim=1))], dim=1)


def test_a_bridge_of_an_exclusive_or() -> None:
    """Oracle 18: unit to unit averaged 0 and conditional 1; exchange 1, and the module as a whole
    shows it to the averaged form, since it holds its own bit."""
    rows = torch.cartesian_prod(torch.arange(2.0), torch.arange(2.0))
    model = cm.compile(Bridge().eval(), rows, sites=["a", "b", "bridge"])
    for kind, bits in (("interventional", 0.0), ("conditional", 1.0)):
        found = cm.information(model, "b", "bridge", kind, estimator="exact").bits
        assert found == pytest.approx(bits, abs=1e-12)
    split = Partition({"left": ["a", "bridge"], "right": ["b"]})
    assert exchange(model, split).bits == pytest.approx(1.0, abs=1e-12)
    assert exchange(model, split, kind="averaged").bits == pytest.approx(1.0, abs=1e-12)
    apart = Partition({"a": ["a"], "b": ["b"], "bridge": ["bridge"]})
    between = exchange(model, apart, kind="averaged").matrix
    assert between["b", "bridge"].bits == pytest.approx(0.0, abs=1e-12)
    assert exchange(model, apart).matrix["b", "bridge"].bits == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("owner", ["left", "right"])
def test_who_owns_an_input_decides(owner: str) -> None:
    """A relay of one fair bit: nothing is sent where the input is its module's, else 1 bit."""
    rows = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        for place in (0, 2):
            layer = network[place]
            assert isinstance(layer, nn.Linear)
            layer.weight.copy_(torch.eye(2))
    model = cm.compile(network.eval(), rows)
    other = "left" if owner == "right" else "right"
    modules = {"left": ["1[0]", "output[0]"], "right": ["1[1]", "output[1]"]}
    modules[owner] = [*modules[owner], "input[0]"]
    modules[other] = [*modules[other], "input[1]"]
    found = exchange(model, Partition(modules), inputs="members")
    assert found.bits == (0.0 if owner == "left" else 2.0)
    assert found.ownership == {"input[0]": owner, "input[1]": other}
    assert "inputs as members" in repr(found)
    environment = {m: [u for u in us if not u.startswith("input")] for m, us in modules.items()}
    assert exchange(model, Partition(environment)).bits == 0.0


# --- sampled --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> cm.StructuralCausalModel:
    return cm.compile(*perceptron((4, 4, 3), rows=160, gain=1.5))


@pytest.fixture(scope="module")
def thirds(model: cm.StructuralCausalModel) -> Partition:
    names = model.units.names
    return Partition({"a": names[::3], "b": names[1::3], "c": names[2::3]})


FEW: dict[str, Any] = {"contexts": 32, "draws": 16, "resolution": 2.0}


@pytest.mark.parametrize("kind", ["conditional", "averaged", "strength"])
@pytest.mark.parametrize("donors", ["independent", "joint"])
def test_what_is_reported(
    model: cm.StructuralCausalModel, thirds: Partition, kind: str, donors: str
) -> None:
    if kind == "strength" and donors == "joint":
        return
    found = exchange(model, thirds, kind=kind, donors=donors, seed=5, **FEW)
    assert found.estimate.kind == kind
    parts = [*found.into.values(), *found.out.values(), found.matrix["a", "b"]]
    parts += [found.total_matrix["a", "b"]] if kind != "strength" else []
    for each in [found.estimate, *parts]:
        assert each.low is not None
        assert each.high is not None
        assert each.low <= each.bits <= each.high
        assert each.upper is None or each.upper >= each.bits
        assert each.seed == 5
        assert each.provenance is not None
        assert each.null >= 0
        if kind == "averaged":
            assert each.reference == "do"
            assert each.p is None or each.p >= 1 / 20
        else:
            assert each.null == 0
            assert each.p is None
    assert found.matrix["a", "b"].effect == "direct"
    total = sum(each.bits for each in found.into.values())
    assert found.bits <= total + 1e-9
    again = exchange(model, thirds, kind=kind, donors=donors, seed=5, **FEW)
    assert again.bits == found.bits
    assert again.out["a"].bits == found.out["a"].bits


def test_gaussian_averaged_is_below_conditional(
    model: cm.StructuralCausalModel, thirds: Partition
) -> None:
    how: dict[str, Any] = {"estimator": "gaussian", "resolution": 1.0, "seed": 1}
    averaged = exchange(model, thirds, kind="averaged", contexts=64, draws=32, **how)
    known = exchange(model, thirds, contexts=64, draws=32, **how)
    assert 0 < averaged.bits < known.bits
    assert averaged.estimate.p == 1 / 20


def test_binned_strength_is_near_the_exact_one() -> None:
    """Three levels in ten bins: the same outcomes, so only the draws differ."""
    case = cm.zoo.xor()
    scm = case.compile()
    split = Partition({"a": ["a"], "rest": ["b", "output"]})
    exact = exchange(scm, split, kind="strength")
    assert (exact.bits, exact.estimate.estimator) == (1.0, "exact")
    rows = torch.randint(2, (400, 2), generator=torch.Generator().manual_seed(0)).float()
    many = cm.compile(case.model, rows, sites=["a", "b", "output"])
    drawn = exchange(many, split, kind="strength", estimator="binned")
    assert drawn.bits == pytest.approx(1.0, abs=0.05)
    assert drawn.estimate.low is not None
    assert drawn.estimate.low <= 1.0 + 0.02
    assert drawn.into["a"].bits == 0.0


@pytest.mark.parametrize("kind", ["conditional", "averaged", "strength"])
def test_modules_that_send_nothing(kind: str) -> None:
    """Exactly 0 in every form: two networks side by side."""
    network = nn.ModuleList([perceptron((3, 4, 2), seed=s)[0] for s in (1, 2)])

    class Tracks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = network[0], network[1]

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.left(x[:, :3]), self.right(x[:, 3:])

    data = torch.randn(150, 6, generator=torch.Generator().manual_seed(0))
    scm = cm.compile(Tracks().eval(), data)
    names = scm.units.names
    left = [n for n in names if n.startswith(("left", "output.0"))]
    split = Partition({"l": left, "r": [n for n in names if n not in left]})
    found = exchange(scm, split, kind=kind, contexts=32, draws=16)
    assert found.bits == 0.0
    assert (found.estimate.low, found.estimate.high, found.estimate.null) == (0.0, 0.0, 0.0)
    assert found.estimate.p is None


# --- results --------------------------------------------------------------------------------------


def test_pairs_are_measured_when_looked_at(
    model: cm.StructuralCausalModel, thirds: Partition
) -> None:
    found = exchange(model, thirds, **FEW)
    assert repr(found.matrix) == "<0 of 6 measured so far>"
    one = found.matrix["a", "b"]
    assert repr(found.matrix) == "<1 of 6 measured so far>"
    assert found.matrix["a", "b"] is one
    assert ("a", "b") in found.matrix
    assert ("a", "a") not in found.matrix
    with pytest.raises(KeyError):
        found.matrix["a", "d"]
    content = json.loads(json.dumps(found.to_dict()))
    assert len(content["matrix"]) == len(content["total_matrix"]) == 6
    assert set(content["out"]) == {"a", "b", "c"}
    copied = pickle.loads(pickle.dumps(found))
    assert dict(copied.matrix) == dict(found.matrix)
    frame = found.to_frame(pairs=True)
    assert frame.loc[("direct", "a", "b"), "bits"] == one.bits
    assert len(frame) == 12


def test_the_graph_of_modules(model: cm.StructuralCausalModel, thirds: Partition) -> None:
    graph = cm.module_graph(model, thirds, **FEW)
    found = graph.graph["exchange"]
    assert set(graph.nodes) == {"a", "b", "c"}
    for sender, receiver, edge in graph.edges(data=True):
        direct = found.matrix[sender, receiver]
        total = found.total_matrix[sender, receiver]
        assert (edge["bits"], edge["low"], edge["p"]) == (direct.bits, direct.low, direct.p)
        assert (edge["total_bits"], edge["total_high"]) == (total.bits, total.high)
    assert graph.nodes["a"]["members"] == thirds.modules["a"]
    assert graph.nodes["a"]["out"] == found.out["a"].bits
    strength = cm.module_graph(model, thirds, kind="strength", **FEW)
    assert all(edge["total_bits"] is None for _, _, edge in strength.edges(data=True))


def test_progress_and_interruption(model: cm.StructuralCausalModel, thirds: Partition) -> None:
    seen: list[tuple[str, int, int]] = []

    def stop(stage: str, done: int, total: int) -> None:
        seen.append((stage, done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        exchange(model, thirds, progress=stop, **FEW)
    assert seen == [("exchange", 0, 3), ("exchange", 1, 3), ("exchange", 2, 3)]
    whole = exchange(model, thirds, **FEW)
    assert caught.value.partial["a"].bits == whole.into["a"].bits
    assert set(caught.value.partial) == {"a", "b"}


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "conditionl"}, "unknown kind 'conditionl': did you mean 'conditional'"),
        ({"donors": "join"}, "unknown donors 'join': did you mean 'joint'"),
        ({"inputs": "member"}, "unknown inputs 'member': did you mean 'members'"),
        ({"reference": "dos"}, "unknown reference 'dos'"),
        ({"reference": "observational"}, "is a choice of kind='averaged'"),
        ({"kind": "strength", "donors": "joint"}, "donors='joint' does not apply"),
        ({"contexts": 161}, r"contexts=161 asks for more rows than there are to use \(160\)"),
    ],
)
def test_arguments(
    model: cm.StructuralCausalModel, thirds: Partition, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        exchange(model, thirds, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "strength", "estimator": "pairwise"}, "does not give the probability"),
        (
            {"kind": "averaged", "reference": "observational", "estimator": "pairwise"},
            "cannot tell how far interventions take a module",
        ),
    ],
)
def test_estimators_for_a_form(
    model: cm.StructuralCausalModel, thirds: Partition, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(cm.EstimatorError, match=message):
        exchange(model, thirds, **arguments)


def test_inputs_without_a_module(model: cm.StructuralCausalModel, thirds: Partition) -> None:
    with pytest.raises(PartitionError, match=r"4 live units .* input\[0\].*each input that varies"):
        exchange(model, thirds, inputs="members")
    with pytest.raises(PartitionError, match="or measure with inputs='members'"):
        exchange(model, Partition({**thirds.modules, "d": ["input"]}))


def test_a_plot_of_another_kind(model: cm.StructuralCausalModel, thirds: Partition) -> None:
    with pytest.raises(InputError, match="unknown kind of plot 'grph': did you mean 'graph'"):
        exchange(model, thirds, **FEW).plot("grph")
