"""The rules of do-calculus: what they license holds, and the path shown is open."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import causalmod as cm
from causalmod.errors import QueryError, SelectorError
from causalmod.queries import CausalDiagram
from causalmod.queries.enumeration import RandomModel
from causalmod.queries.separation import OpenPath, open_path, separated
from tests.papers.enumeration import Model, truth

NAMES = ("a", "b", "c", "d", "e")
PAIRS = tuple(itertools.combinations(NAMES, 2))


@st.composite
def diagrams(draw: st.DrawFn) -> CausalDiagram:
    arrows = draw(st.sets(st.sampled_from(PAIRS), max_size=8))
    hidden = draw(st.sets(st.sampled_from(PAIRS), max_size=3))
    return CausalDiagram.build(sorted(arrows), sorted(hidden), NAMES)


@st.composite
def groups(draw: st.DrawFn) -> tuple[str, str, list[str], list[str]]:
    order = draw(st.permutations(NAMES))
    done, known = draw(st.integers(0, 2)), draw(st.integers(0, 1))
    return order[0], order[1], list(order[2 : 2 + done]), list(order[4 : 4 + known])


def conditional(
    model: RandomModel, outcome: str, do: list[str], given: list[str]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    kept = {outcome, *do, *given}
    axes = tuple(axis for axis, name in enumerate(model.names) if name not in kept)
    table = model.distribution(do).sum(axes, keepdims=True)
    return table / table.sum(model.names.index(outcome), keepdims=True)


@settings(max_examples=500, deadline=None)
@given(diagrams(), groups(), st.integers(0, 5))
def test_licensed_steps_hold_in_random_models(
    diagram: CausalDiagram, asked: tuple[str, str, list[str], list[str]], seed: int
) -> None:
    y, z, x, w = asked
    model = RandomModel(diagram, seed)
    sides = {
        cm.rules.insert_or_delete_observation: (([*x], [z, *w]), ([*x], [*w])),
        cm.rules.exchange_action_and_observation: (([*x, z], [*w]), ([*x], [z, *w])),
        cm.rules.insert_or_delete_action: (([*x, z], [*w]), ([*x], [*w])),
    }
    for rule, (left, right) in sides.items():
        step = rule(diagram, y, z, do=x, given=w)
        gap = abs(conditional(model, y, *left) - conditional(model, y, *right)).max()
        if step:
            assert gap < 1e-12, str(step)
        else:
            assert step.open_path is not None


@settings(max_examples=60, deadline=None)
@given(diagrams(), groups(), st.integers(0, 5))
def test_licensed_steps_hold_by_loops_over_all_assignments(
    diagram: CausalDiagram, asked: tuple[str, str, list[str], list[str]], seed: int
) -> None:
    """The same on models of tests/papers, whose tables and sums share no code with the package."""
    y, z, x, w = asked
    arrows = list(diagram.graph.edges)
    pairs = [(a, b) for a, b in (sorted(driven) for driven in diagram.hidden.values())]
    model = Model([*arrows, *((name, "end") for name in NAMES)], pairs, seed)  # all nodes are there

    def side(do: list[str], given: list[str], fixed: dict[str, int]) -> float:
        return truth(model, {name: fixed[name] for name in (y, *do, *given)}, [y], do)

    for fixed in (
        {y: 1, z: 0} | dict.fromkeys((*x, *w), 1),
        {y: 1, z: 1} | dict.fromkeys((*x, *w), 0),
    ):
        if cm.rules.insert_or_delete_observation(diagram, y, z, do=x, given=w):
            assert side(x, [z, *w], fixed) == pytest.approx(side(x, w, fixed), abs=1e-12)
        if cm.rules.exchange_action_and_observation(diagram, y, z, do=x, given=w):
            assert side([*x, z], w, fixed) == pytest.approx(side(x, [z, *w], fixed), abs=1e-12)
        if cm.rules.insert_or_delete_action(diagram, y, z, do=x, given=w):
            assert side([*x, z], w, fixed) == pytest.approx(side(x, w, fixed), abs=1e-12)


@settings(max_examples=300, deadline=None)
@given(diagrams(), groups())
def test_an_open_path_is_shown_exactly_where_nothing_separates(
    diagram: CausalDiagram, asked: tuple[str, str, list[str], list[str]]
) -> None:
    y, z, x, w = asked
    held = {*x, *w}
    path = open_path(diagram, [y], [z], held)
    assert (path is None) == separated(diagram, [y], [z], held)
    if path is not None:
        is_open(diagram.with_hidden(), path, {y, z}, held)


def is_open(graph: nx.DiGraph, path: OpenPath, ends: set[str], held: set[str]) -> None:
    """Check a path against the definition of d-separation, node by node."""
    assert {path.nodes[0], path.nodes[-1]} == ends
    assert len(set(path.nodes)) == len(path.nodes)
    for ahead, a, b in zip(path.forward, path.nodes, path.nodes[1:], strict=False):
        assert graph.has_edge(*((a, b) if ahead else (b, a)))
    for place in range(1, len(path.nodes) - 1):
        node = path.nodes[place]
        if path.forward[place - 1] and not path.forward[place]:
            assert node in path.colliders
            assert held & {node, *nx.descendants(graph, node)}
        else:
            assert node not in held


def test_rules_on_a_network_say_which_path() -> None:
    case = cm.zoo.xor()
    scm = case.compile()
    step = cm.rules.exchange_action_and_observation(scm, "output", "a")
    assert not step
    assert step.open_path is not None
    assert str(step.open_path) == "output <- b <- input[1] <- U -> input[0] -> a"
    assert step.without == "the arrows out of a"
    assert not step.graph.has_edge("a", "output")
    assert cm.rules.exchange_action_and_observation(scm, "output", "a", given="b")
    assert cm.rules.insert_or_delete_action(scm, "b", "a")
    assert cm.rules.insert_or_delete_observation(scm, "output", "input", given=["a", "b"])
    assert step.to_dict()["licensed"] is False
    assert "Rule 2" in step._repr_html_()


def test_conditioning_on_a_collider_opens_it() -> None:
    graph = nx.DiGraph([("x", "c"), ("y", "c"), ("c", "d")])
    assert cm.rules.insert_or_delete_observation(graph, "y", "x")
    step = cm.rules.insert_or_delete_observation(graph, "y", "x", given="d")
    assert str(step.open_path) == "y -> c <- x (opened by conditioning, at c)"


def test_mistakes_are_named() -> None:
    graph = nx.DiGraph([("x", "y")])
    with pytest.raises(SelectorError, match="unknown variable 'xx': did you mean 'x'"):
        cm.rules.insert_or_delete_action(graph, "y", "xx")
    with pytest.raises(QueryError, match="each variable has one role"):
        cm.rules.insert_or_delete_action(graph, "y", "y")
    with pytest.raises(QueryError, match="was not logged"):
        cm.rules.insert_or_delete_action(graph, "y", "x", observed=["y"])
    with pytest.raises(cm.InputError, match="no cycles, and this one has"):
        cm.rules.insert_or_delete_action(nx.DiGraph([("x", "y"), ("y", "x")]), "y", "x")
    with pytest.raises(cm.InputError, match="expected names"):
        cm.rules.insert_or_delete_action(graph, "y", [3])  # type: ignore[list-item]
