"""Published verdicts; formulas against enumeration that shares no code; pyAgrum's opinion."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import networkx as nx
import numpy as np
import pytest

from causalmod.queries import CausalDiagram, identify
from causalmod.queries.criteria import find
from causalmod.queries.id_algorithm import NotIdentifiable, identify_conditional
from tests.papers.enumeration import Formula, Model, truth
from tests.papers.graphs import GRAPHS, Known

IDS = [known.name for known in GRAPHS]


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len({(k.edges, k.outcomes, k.do, k.given) for k in GRAPHS}) >= 31
    assert sum(not known.identifiable for known in GRAPHS) >= 10


@pytest.mark.parametrize("known", GRAPHS, ids=IDS)
def test_the_verdict_is_the_published_one(known: Known) -> None:
    outcomes, do, given = known.question
    asked = f"P({', '.join(outcomes)} | do({', '.join(do)}){''.join(f', {z}' for z in given)})"
    found = identify(known.diagram, asked)
    assert found.identifiable == known.identifiable, known.source
    if known.identifiable:
        assert found.verified
        assert found.models == 4
    else:
        hedge = found.hedge
        assert hedge is not None
        assert hedge.smaller < hedge.larger
        assert hedge.treatments <= set(do)
        for group in (hedge.larger, hedge.smaller):  # each is tied together by hidden causes
            assert known.diagram.subgraph(group).districts == (group,)


@pytest.mark.parametrize("known", [k for k in GRAPHS if k.identifiable], ids=lambda k: k.name)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_formula_equals_enumeration(known: Known, seed: int) -> None:
    outcomes, do, given = known.question
    model = Model(known.arrows, known.hidden, seed)
    observed = Formula(model.names, model.joint())
    routes = [find(known.diagram, outcomes, do, given).estimand]
    routes.append(identify_conditional(known.diagram, outcomes, do, given))
    named = [*outcomes, *do, *given]
    for values in itertools.islice(itertools.product((0, 1), repeat=len(named)), 8):
        fixed = dict(zip(named, values, strict=True))
        expected = truth(model, fixed, outcomes, do)
        for estimand in routes:
            free = {name: 1 for name in estimand.free if name not in fixed}
            assert observed.value(estimand, fixed | free) == pytest.approx(expected, abs=1e-9)


def test_a_wrong_formula_is_told_from_a_right_one() -> None:
    """y0 0.2.11 gives P(y | x) for the napkin."""
    known = next(k for k in GRAPHS if k.name == "napkin")
    wrong = find(CausalDiagram.build([("x", "y")]), ["y"], ["x"], []).estimand
    right = find(known.diagram, ["y"], ["x"], []).estimand
    fixed = {"x": 1, "y": 1}
    off = []
    for seed in range(4):
        model = Model(known.arrows, known.hidden, seed)
        observed = Formula(model.names, model.joint())
        expected = truth(model, fixed, ["y"], ["x"])
        for free in ({"w2": 0}, {"w2": 1}):
            assert observed.value(right, fixed | free) == pytest.approx(expected, abs=1e-9)
        off.append(abs(observed.value(wrong, fixed) - expected))
    assert max(off) > 1e-3


# Pearl, Causality (2009), table 3.1 and page 84: smoking, tar, cancer.
TAR = {  # smoker, tar → share of the population, share of cancer in it
    (0, 0): (0.475, 0.10),
    (1, 0): (0.025, 0.90),
    (0, 1): (0.025, 0.05),
    (1, 1): (0.475, 0.85),
}


def test_front_door_on_the_tar_table() -> None:
    front = CausalDiagram.build([("x", "z"), ("z", "y")], [("x", "y")])
    found = identify(front, "P(y | do(x))")
    assert found.route == "front-door"
    assert found.estimand is not None
    joint = {}
    for (smoker, tar), (share, cancer) in TAR.items():
        joint[smoker, 1, tar] = share * cancer
        joint[smoker, 0, tar] = share * (1 - cancer)
    formula = Formula(["x", "y", "z"], joint)
    # Pearl prints .4525 and .4975, from P(tar | smoker) = .95 and P(tar | non-smoker) = .05.
    assert formula.value(found.estimand, {"x": 1, "y": 1}) == pytest.approx(0.4525, abs=1e-9)
    assert formula.value(found.estimand, {"x": 0, "y": 1}) == pytest.approx(0.4975, abs=1e-9)


# --- pyAgrum --------------------------------------------------------------------------------------


def pyagrum_finds(
    arrows: list[tuple[str, str]],
    hidden: list[tuple[str, str]],
    question: tuple[list[str], list[str], list[str]],
) -> bool:
    with warnings.catch_warnings():  # of its own loading; as errors they end the process
        warnings.simplefilter("ignore")
        import pyagrum as loaded

        pyagrum: Any = loaded
        network = pyagrum.BayesNet()
        for name in dict.fromkeys(n for edge in (*arrows, *hidden) for n in edge):
            network.add(pyagrum.LabelizedVariable(name, name, 2))
        for edge in arrows:
            network.addArc(*edge)
        for name in network.names():  # any tables will do: only the verdict is asked
            network.cpt(name).fillWith(0.5)
        latent = [(f"u{place}", list(pair)) for place, pair in enumerate(hidden)]
        model = pyagrum.CausalModel(network, latent, True)
        outcomes, do, given = (set(group) for group in question)
        _, table, _ = pyagrum.causalImpact(model, on=outcomes, doing=do, knowing=given)
    return table is not None


@pytest.mark.parametrize("known", GRAPHS, ids=IDS)
def test_pyagrum_agrees_on_the_published_graphs(known: Known) -> None:
    assert pyagrum_finds(known.arrows, known.hidden, known.question) == known.identifiable


def random_question(
    draw: np.random.Generator,
) -> tuple[list[tuple[str, str]], list[tuple[str, str]], tuple[list[str], list[str], list[str]]]:
    names = [f"v{place}" for place in range(draw.integers(3, 7))]
    pairs = list(itertools.combinations(names, 2))
    arrows = [pair for pair in pairs if draw.random() < 0.5]
    hidden = [pair for pair in pairs if draw.random() < 0.3]
    arrows = arrows or [("v0", "v1")]
    held = sorted({name for edge in (*arrows, *hidden) for name in edge})
    order = [held[place] for place in draw.permutation(len(held))]
    known = order[2:3] if len(order) > 2 and draw.random() < 0.4 else []
    return arrows, hidden, (order[:1], order[1:2], known)


def test_pyagrum_agrees_on_random_graphs_and_formulas_are_right() -> None:
    draw = np.random.default_rng(0)
    count = {True: 0, False: 0}
    for number in range(300):
        arrows, hidden, question = random_question(draw)
        diagram = CausalDiagram.build(arrows, hidden)
        try:
            estimands = [
                find(diagram, *question).estimand,
                identify_conditional(diagram, *question),
            ]
        except NotIdentifiable:
            estimands = []
        count[bool(estimands)] += 1
        assert pyagrum_finds(arrows, hidden, question) == bool(estimands), (
            arrows,
            hidden,
            question,
        )
        if number >= 40 or not estimands:
            continue
        model = Model(arrows, hidden, number)
        observed = Formula(model.names, model.joint())
        outcomes, do, given = question
        fixed = dict.fromkeys((*outcomes, *do, *given), 1)
        expected = truth(model, fixed, outcomes, do)
        for estimand in estimands:
            free = {name: 0 for name in estimand.free if name not in fixed}
            assert observed.value(estimand, fixed | free) == pytest.approx(expected, abs=1e-9)
    assert min(count.values()) > 30


def test_a_latent_variable_is_projected_out() -> None:
    """Hidden causes as nodes of a networkx graph, and a chain of latent variables."""
    graph = nx.DiGraph([("U", "x"), ("U", "h"), ("h", "y"), ("x", "m"), ("m", "y")])
    assert identify(graph, "P(y | do(x))", ["x", "m", "y"]).route == "front-door"
    assert not identify(graph, "P(y | do(x))", ["x", "y"]).identifiable
    assert identify(graph, "P(y | do(x))", ["x", "h", "y"]).through == ("h",)
