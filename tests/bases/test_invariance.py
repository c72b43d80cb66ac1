"""A rotated network that is read in the inverse rotation gives the figures of the network."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import causalmod as cm
from causalmod.measures import unit_weights
from causalmod.scm.units import unit_edges
from causalmod.search.flow import find_flow
from causalmod.search.nulls import null_network
from tests.bases.networks import data, pair, rotated, rotation, two_tracks

Model = cm.StructuralCausalModel
MOST = 1e-5
HALVES = cm.Partition(
    {
        "left": ["0[0:2]", "2[0:2]", "output[0]"],
        "right": ["0[2:4]", "2[2:4]", "output[1]"],
    }
)
CROSSED = cm.Partition(
    {
        "left": ["0[0]", "0[2]", "2[0:2]", "output[0]"],
        "right": ["0[1]", "0[3]", "2[2:4]", "output[1]"],
    }
)

FIGURES: dict[str, Callable[[Model], float]] = {
    "conditional": lambda m: cm.information(m, "0[1]", "output", "conditional").bits,
    "interventional": lambda m: cm.information(m, "0[1]", "output[0]", "interventional").bits,
    "observational": lambda m: cm.information(m, "0[0:2]", "0[2:4]", "observational").bits,
    "gaussian": lambda m: (
        cm.information(m, "0[1]", "output", "conditional", estimator="gaussian").bits
    ),
    "binned": lambda m: (
        cm.information(m, "0[1]", "output[0]", "observational", estimator="binned").bits
    ),
    "direct": lambda m: cm.information(m, "0[0]", "2", "conditional", effect="direct").bits,
    "exchange of halves": lambda m: cm.exchange(m, HALVES).bits,
    "exchange across": lambda m: cm.exchange(m, CROSSED).bits,
    "averaged exchange": lambda m: cm.exchange(m, CROSSED, kind="averaged").bits,
    "strength of arrows": lambda m: cm.exchange(m, CROSSED, kind="strength").bits,
    "flow": lambda m: float(cm.flow(m, "0", "output", kind="conditional").bits.to_numpy().sum()),
    "flow graph": lambda m: float(find_flow(m, torch.arange(m.rows)).dense().sum()),
    "carried": lambda m: m.carried.share,
    "activity": lambda m: m.activity("input").to_frame()["strength"].to_numpy().sum(),
}


@pytest.fixture(scope="module")
def models() -> tuple[Model, Model]:
    return pair()


@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_a_rotated_network(name: str, models: tuple[Model, Model]) -> None:
    plain, turned = (FIGURES[name](model) for model in models)
    assert turned == pytest.approx(plain, abs=MOST)


def test_units_scales_and_edges(models: tuple[Model, Model]) -> None:
    plain, turned = models
    assert turned.units.names == plain.units.names
    for name, scales in plain.scales.items():
        torch.testing.assert_close(turned.scales[name], scales, rtol=0, atol=1e-10)
        assert turned.constant[name].equal(plain.constant[name])
    assert turned.edges.keys() == plain.edges.keys()
    for pair_of, matrix in plain.edges.items():
        assert turned.edges[pair_of].equal(matrix), pair_of


def test_null_networks_are_the_same_networks(models: tuple[Model, Model]) -> None:
    for seed in range(3):
        plain, turned = (null_network(model, seed) for model in models)
        assert plain is not None
        assert turned is not None
        for name, values in plain.observe().items():
            torch.testing.assert_close(turned.observe()[name], values, rtol=0, atol=1e-9)
        assert not plain.observe()["output"].allclose(models[0].observe()["output"])


def test_modularity_and_hierarchy(models: tuple[Model, Model]) -> None:
    budget = cm.SearchBudget(evaluations=40)
    plain, turned = (cm.modularity(m, k=2, budget=budget, nulls=19) for m in models)
    assert turned.partition.blocks == plain.partition.blocks
    assert turned.raw == pytest.approx(plain.raw, abs=MOST)
    assert turned.null_scores == pytest.approx(plain.null_scores, abs=MOST)
    assert turned.score == pytest.approx(plain.score, abs=MOST)
    # what the neurons of the rotated network say is something else
    bare = cm.modularity(models[1].with_basis(None), k=2, budget=budget, nulls=19)
    assert plain.score == 1.0
    assert bare.score is not None
    assert bare.score < 0.9


def test_counterfactuals_and_queries(models: tuple[Model, Model]) -> None:
    plain, turned = models
    for name, values in plain.counterfactual({"0[1]": 0.5}, rows=[1, 5]).items():
        other = turned.counterfactual({"0[1]": 0.5}, rows=[1, 5])[name]
        torch.testing.assert_close(other, values, rtol=0, atol=1e-10)
    text = "E[output[0] | do(`0`[1]=0.5)]"
    found = [cm.query(model, text).mean() for model in models]
    assert found[1] == pytest.approx(found[0], abs=1e-9)


def test_single_precision() -> None:
    turn, values = rotation(4, 3), data(160, torch.float32)
    net, sites = two_tracks(dtype=torch.float32), ["0", "1", "2", "output"]
    plain = cm.compile(net, values, sites)
    turned = cm.compile(rotated(net, turn), values, sites, basis={"0": turn.T})
    assert turned.units.names == plain.units.names
    assert turned.edges["0", "1"].equal(plain.edges["0", "1"])
    for name in ("conditional", "gaussian", "exchange across", "exchange of halves"):
        assert FIGURES[name](turned) == pytest.approx(FIGURES[name](plain), abs=MOST)


def test_weights_between_coordinates(models: tuple[Model, Model]) -> None:
    plain, turned = (unit_weights(model) for model in models)
    assert turned == pytest.approx(plain, abs=1e-9)
    # what an activation makes of a coordinate has no weight of its own
    net = two_tracks()
    mixed = cm.compile(net, data(), ["0", "1", "2", "output"], basis={"1": rotation(4)})
    with pytest.raises(cm.InputError, match="something that is not a linear layer"):
        unit_weights(mixed)


def test_edges_through_a_site_that_is_part_of_several_units() -> None:
    net = two_tracks()
    scm = cm.compile(net, data(), ["0", "1", "2", "output"], basis={"2": rotation(4)})
    assert scm.unit_of(cm.Variable("1", 0)) is None
    edges = unit_edges(scm)
    assert set(edges) == {("input", "0"), ("0", "2"), ("2", "output")}
    assert bool(edges["0", "2"].all())
    names = scm.units.names
    halves = cm.Partition({"a": names[::2], "b": names[1::2]})
    assert cm.exchange(scm, halves, kind="strength").bits > 0
