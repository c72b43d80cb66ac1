"""Graphs over sites and variables, and which edges are active on the data."""

from __future__ import annotations

import networkx as nx
import pytest
import torch
from torch import nn

import causalmod as cm
from causalmod.errors import InputError, SelectorError
from tests.compiler.networks import BUILDERS, built, compiled

NETWORKS = pytest.mark.parametrize("name", BUILDERS)


@NETWORKS
def test_the_site_graph_holds_every_edge_between_variables(name: str) -> None:
    scm = compiled(name)
    graph = scm.site_graph
    assert nx.is_directed_acyclic_graph(graph)
    assert set(graph) == {"U", *scm.sites, *scm.outputs}
    for (source, target), matrix in scm.edges.items():
        assert graph.has_edge(source, target) or not matrix.any()
    for site in scm.sites.values():
        assert graph.nodes[site.name]["variables"] == site.count
        assert graph.nodes[site.name]["shape"] == site.shape


@NETWORKS
def test_active_edges_are_structural(name: str) -> None:
    scm = compiled(name)
    found = scm.activity(rows=4)
    for pair, matrix in found.strength.items():
        none = torch.zeros(matrix.shape, dtype=torch.bool)
        assert not ((matrix > 0) & ~scm.edges.get(pair, none)).any(), pair


def linear() -> cm.StructuralCausalModel:
    """y = W2 (W1 x), all linear, so that strengths have a closed form."""
    first, second = nn.Linear(3, 2, bias=False), nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, -3.0]]))
        second.weight.copy_(torch.tensor([[2.0, 0.0], [1.0, 1.0]]))
    net = nn.Sequential(first, second)
    x = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    return cm.compile(net.eval(), x, sites=["0"])


def test_strength_of_linear_maps() -> None:
    """A change of two independent draws has twice the variance: |w| sqrt(2) sd(x) / sd(y)."""
    scm = linear()
    found = scm.activity("input", rows=4000).strength["input", "0"]
    data, hidden = scm.observe()["input"], scm.observe()["0"]
    weight = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, -3.0]])
    expected = weight.abs().T * data.std(0)[:, None] * 2**0.5 / hidden.std(0)
    torch.testing.assert_close(found, expected, rtol=0.05, atol=1e-6)
    assert found[0, 1] == found[2, 0] == 0


def test_the_graph_carries_what_is_known() -> None:
    scm = linear()
    assert scm.graph.edges["input[0]", "0[0]"] == {"structural": True}
    scm.activity("input", rows=8)
    edge = scm.graph.edges["input[0]", "0[0]"]
    assert edge["structural"]
    assert edge["active"]
    assert edge["strength"] > 0
    frame = scm.activity("input", rows=8).to_frame()
    assert list(frame.columns) == ["source", "target", "strength"]
    assert frame["strength"].is_monotonic_decreasing
    assert len(frame) == 4


def test_an_inactive_edge_is_structural_all_the_same() -> None:
    """A unit that never fires on the data."""
    first = nn.Linear(2, 2)
    with torch.no_grad():
        first.bias[1] = -1e3
    net = nn.Sequential(first, nn.ReLU(), nn.Linear(2, 1))
    scm = cm.compile(net.eval(), torch.randn(20, 2, generator=torch.Generator().manual_seed(0)))
    scm.activity()
    edge = scm.graph.edges["0[1]", "1[1]"]
    assert edge == {"structural": True, "active": False, "strength": 0.0}


def test_only_some_sites() -> None:
    scm = compiled("mlp")
    graph = scm.variable_graph(["input", "2"])
    assert {graph.nodes[v].get("site") for v in graph} == {None, "input", "2"}
    assert graph.has_edge("input[0]", "2[1]"), "through the sites in between, which respond"
    with pytest.raises(SelectorError, match="unknown site"):
        scm.variable_graph(["inptu"])


def test_interventions_cut_arrows() -> None:
    scm = compiled("mlp")
    held = scm.do({"2": 0.0})
    assert held.site_graph.in_degree("2") == 0
    assert held.variable_graph(["1", "2"]).in_degree("2[0]") == 0
    assert scm.do({"2[0]": 0.0}).site_graph.in_degree("2") > 0


def test_large_models_have_a_site_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("causalmod.scm.graphs._MOST_PAIRS", 10)
    scm = cm.compile(*built("mlp"))
    with pytest.raises(InputError, match=r"use scm.site_graph, or scm.variable_graph"):
        _ = scm.graph
    assert len(scm.site_graph) > 2


def test_wide_sites_are_marked_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = compiled("attention").edges
    monkeypatch.setattr("causalmod.compiler.structure._MOST_MARKS", 1)
    parts = cm.compile(*built("attention")).edges
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[pair], parts[pair]) for pair in whole)


@pytest.mark.parametrize("rows", [0, -1, 2.5, True])
def test_bad_rows(rows: object) -> None:
    with pytest.raises(InputError, match="rows is a positive whole number"):
        compiled("mlp").activity(rows=rows)  # type: ignore[arg-type]
