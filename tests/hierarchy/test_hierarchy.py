"""The tree of modules: found where it is planted, absent where nothing is, in every form."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import networkx as nx
import pytest
from matplotlib.text import Text
from sklearn.metrics import adjusted_rand_score

import causalmod as cm
from causalmod.errors import InputError, SelectorError
from causalmod.hierarchy import Hierarchy, build
from causalmod.hierarchy.result import Node
from tests.hierarchy.networks import dense, nested


@pytest.fixture(scope="module")
def planted() -> tuple[cm.StructuralCausalModel, cm.Hierarchy, dict[str, tuple[int, ...]]]:
    scm, truth = nested(widths=(16, 24, 24, 16))
    return scm, cm.hierarchy(scm, k=2, depth=2, nulls=5, progress=False), truth


def test_blocks_inside_blocks_give_the_tree(
    planted: tuple[cm.StructuralCausalModel, cm.Hierarchy, dict[str, tuple[int, ...]]],
) -> None:
    scm, tree, truth = planted
    assert tree.depth == 2
    assert [node.name for node in tree.nodes.values()] == [
        "all", "A", "A.a", "A.b", "B", "B.a", "B.b"
    ]  # fmt: skip
    outer, leaves = tree.partition(1), tree.partition()
    units = scm.units.names
    for split, level in ((outer, 1), (leaves, 2)):
        wanted = [truth[unit][:level] for unit in units]
        assert adjusted_rand_score(list(map(str, wanted)), [split.labels[u] for u in units]) == 1.0
    assert tree.root.score == 1.0
    assert tree.root.result is not None
    assert tree.root.result.exchange.bits == 0.0
    for name in ("A", "B"):
        node = tree[name]
        assert node.score is not None
        assert 0.2 < node.score < 1.0
        assert len(node.null_scores) == 5
        assert node.result is not None
        assert 1 - node.result.raw < min(node.null_scores)
        assert node.p == pytest.approx(1 / 6)
    assert all("levels were asked for" in leaf.stop for leaf in tree.leaves)


def test_its_names_are_selectors(
    planted: tuple[cm.StructuralCausalModel, cm.Hierarchy, dict[str, tuple[int, ...]]],
) -> None:
    scm, tree, _ = planted
    named = scm.with_partition(tree)
    assert {v.name for v in named.resolve("A.a")} == set(tree["A.a"].members)
    assert set(named.submodel("B").units.names) == set(tree["B"].members)
    assert named.submodel("A").submodel("A.b").units.names
    assert cm.information(named, "A", "B", "conditional").bits == 0.0


def test_forms_for_other_programs(
    planted: tuple[cm.StructuralCausalModel, cm.Hierarchy, dict[str, tuple[int, ...]]],
) -> None:
    scm, tree, _ = planted
    graph = tree.to_networkx()
    assert nx.is_arborescence(graph)
    assert set(graph.successors("A")) == {"A.a", "A.b"}
    assert graph.nodes["all"]["units"] == len(scm.units)
    frame = tree.to_frame()
    assert list(frame.index) == list(tree.nodes)
    assert frame.loc["A.a", "parent"] == "A"
    assert list(frame["depth"]) == [0, 1, 2, 2, 1, 2, 2]
    newick = tree.to_newick()
    assert newick.endswith(")all;")
    assert newick.count("(") == newick.count(")") == 3
    assert json.loads(json.dumps(tree.to_dict(), allow_nan=False))["newick"] == newick
    assert newick in repr(tree)
    assert "<table" in tree._repr_html_()
    with pytest.raises(SelectorError, match=r"did you mean 'A\.a'"):
        _ = tree["A.aa"]


@pytest.mark.parametrize("kind", ["dendrogram", "sunburst", "nested"])
def test_drawings(
    planted: tuple[cm.StructuralCausalModel, cm.Hierarchy, dict[str, tuple[int, ...]]], kind: str
) -> None:
    _, tree, _ = planted
    figure = tree.plot(kind)
    shown = "\n".join(t.get_text() for t in figure.findobj(Text) if isinstance(t, Text))
    assert "1.00" in shown, "the score of the first split"
    names = ["A.a", "B.b"] if kind == "dendrogram" else ["a", "b"]
    assert all(name in shown for name in names)
    figure.savefig(io.BytesIO(), format="png")


def test_other_kinds_of_drawing_are_refused(
    planted: tuple[cm.StructuralCausalModel, cm.Hierarchy, dict[str, tuple[int, ...]]],
) -> None:
    with pytest.raises(InputError, match="'dendrogram', 'sunburst', 'nested'; given 'pie'"):
        planted[1].plot("pie")
    with pytest.raises(InputError, match="depth is a level"):
        planted[1].partition(0)


def test_a_network_without_blocks_is_not_split() -> None:
    tree = cm.hierarchy(dense(0), k=2, nulls=9, progress=False)
    assert tree.depth == 0
    assert "null networks" in tree.root.stop
    assert tree.partition().modules == {"A": tree.root.members}
    assert set(tree.modules) == {"A"}
    assert tree.root.partition is None
    for kind in ("dendrogram", "sunburst", "nested"):
        tree.plot(kind).savefig(io.BytesIO(), format="png")


def test_small_modules_are_left_alone() -> None:
    tree = cm.hierarchy(cm.zoo.isolated().compile(), k=2, nulls=0, least_units=50, progress=False)
    assert [leaf.stop for leaf in tree.leaves] == ["fewer than 50 live units"] * 2


def test_interruption_leaves_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = build.modularity
    calls: list[int] = []

    def second_time(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(build, "modularity", second_time)
    with pytest.raises(cm.Interrupted) as stopped:
        cm.hierarchy(cm.zoo.isolated().compile(), k=2, nulls=0, least_units=2, progress=False)
    tree = stopped.value.partial
    assert [leaf.name for leaf in tree.leaves] == ["A", "B"]
    assert all("interrupted" in leaf.stop for leaf in tree.leaves)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"least_units": 1}, "least_units is a whole number of at least 2; given 1"),
        ({"depth": 0}, "depth is a whole number of at least 1; given 0"),
        ({"k": 1}, "at least 2"),
        ({"nulls": -1}, "0 or more"),
        ({"progress": "yes"}, "progress is True"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        cm.hierarchy(cm.zoo.isolated().compile(), **options)


def test_the_weighting_is_that_of_modularity() -> None:
    scm = cm.zoo.isolated().compile()
    tree = cm.hierarchy(scm, k=2, nulls=0, depth=1, weighting="size", progress=False)
    assert tree.root.result is not None
    assert tree.root.result.weighting == "size"
    with pytest.raises(cm.CausalmodError, match="sizes"):
        cm.hierarchy(scm, k=2, nulls=0, weighting="sizes", progress=False)


def test_odd_names_are_quoted_in_newick() -> None:
    """As Felsenstein's page says: in single quotes, a quote inside is doubled."""
    odd = tuple(Node(name, ()) for name in ("a b", "it's", "x:1,(y)", "n_1", "plain.b"))
    planted = cm.hierarchy(cm.zoo.isolated().compile(), k=2, nulls=0, depth=1, progress=False)
    tree = Hierarchy(Node("all", (), None, odd), {}, planted.provenance)
    assert tree.to_newick() == "('a b':1,'it''s':1,'x:1,(y)':1,'n_1':1,plain.b:1)all;"
