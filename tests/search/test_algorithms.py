"""Search algorithms: what each must do, what they find, what they refuse."""

from __future__ import annotations

import itertools

import pytest
import torch
from sklearn.metrics import adjusted_rand_score

import causalmod as cm
from causalmod import InputError, SearchBudget
from causalmod.search import ALGORITHMS, Meter, null_network, score_of
from causalmod.search.algorithms.exhaustive import all_partitions, partitions, ties
from causalmod.search.algorithms.genetic import matched
from causalmod.search.clusters import leiden_labels
from causalmod.search.problem import canonical
from tests.search.networks import compiled
from tests.search.problems import problem_on, same_split, small, twins

NAMES = ALGORITHMS.names()
HEURISTICS = [name for name in NAMES if name != "exhaustive"]


def test_the_algorithms_of_the_theory_are_there() -> None:
    assert set(NAMES) == {
        "annealing", "auto", "exhaustive", "genetic", "leiden", "moves", "relaxation", "spectral",
    }  # fmt: skip


# --- the contract: every algorithm ------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_scores_candidates_and_reports_each_new_best(name: str) -> None:
    problem = problem_on(small(3), 2)
    seen: list[float] = []
    problem._report = seen.append
    ALGORITHMS.get(name)(problem)
    found = problem.candidates
    assert problem.best is not None
    assert found[0].score == problem.best.score == seen[-1] == min(seen)
    assert seen == sorted(seen, reverse=True)
    assert all(len(each.labels.unique()) == 2 for each in found), "no module is empty"
    assert all(torch.equal(each.labels, canonical(each.labels)) for each in found)
    assert found[0].score == pytest.approx(problem.objective.score(found[0].labels), rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_answer_and_no_global_random_state(name: str) -> None:
    scm = small(1)
    state = torch.get_rng_state()
    first, second = problem_on(scm, 2, seed=4), problem_on(scm, 2, seed=4)
    ALGORITHMS.get(name)(first)
    torch.manual_seed(99)
    ALGORITHMS.get(name)(second)
    torch.set_rng_state(state)
    assert [c.labels.tolist() for c in first.candidates] == [
        c.labels.tolist() for c in second.candidates
    ]
    third = problem_on(scm, 2, seed=4)
    ALGORITHMS.get(name)(third)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", HEURISTICS)
@pytest.mark.parametrize("evaluations", [1, 40, 120])
def test_keeps_to_its_budget_or_says_what_it_needs(name: str, evaluations: int) -> None:
    scm, _ = compiled((6, 8, 8, 4), 0.3, 0)
    problem = problem_on(scm, 2, evaluations=evaluations)
    if name == "relaxation" and evaluations == 1:
        with pytest.raises(InputError, match=r"takes at least [0-9]+ evaluations"):
            ALGORITHMS.get(name)(problem)
        return
    ALGORITHMS.get(name)(problem)
    assert problem.best is not None
    assert problem.meter.used <= evaluations + 1


@pytest.mark.parametrize("name", NAMES)
def test_three_modules(name: str) -> None:
    problem = problem_on(small(0), 3)
    ALGORITHMS.get(name)(problem)
    assert problem.best is not None
    assert len(problem.best.labels.unique()) == 3


@pytest.mark.parametrize("name", NAMES)
def test_more_modules_than_units(name: str) -> None:
    scm = small(0)
    with pytest.raises(InputError, match="live units cannot be split into 40 modules"):
        ALGORITHMS.get(name)(problem_on(scm, 40))


@pytest.mark.parametrize("name", NAMES)
def test_no_time_at_all_says_how_long_the_first_evaluation_takes(name: str) -> None:
    problem = problem_on(small(0), 2)
    problem.meter = Meter(SearchBudget(seconds=1e-9), 200)
    with pytest.raises(InputError, match=r"that takes about|takes at least"):
        ALGORITHMS.get(name)(problem)


@pytest.mark.parametrize("name", NAMES)
def test_a_late_search_keeps_what_it_has(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time runs out on the way; what is in hand is finished, and nothing else is begun."""
    problem = problem_on(small(2), 2, evaluations=2000)
    monkeypatch.setattr(Meter, "late", property(lambda self: self.used >= 200))
    ALGORITHMS.get(name)(problem)
    assert problem.best is not None
    assert problem.meter.used <= 260


# --- what they find ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["spectral", "leiden", "moves", "auto"])
@pytest.mark.parametrize("blocks", [2, 3, 4])
def test_no_leak_is_found_at_once(name: str, blocks: int) -> None:
    scm, truth = compiled((24, 36, 36, 24), 0.0, 1, blocks)
    problem = problem_on(scm, blocks)
    ALGORITHMS.get(name)(problem)
    assert problem.best is not None
    assert problem.best.score == 0.0
    assert adjusted_rand_score(truth, problem.best.labels.tolist()) == 1.0
    assert problem.meter.used <= 5


@pytest.mark.parametrize("blocks", [2, 3, 4])
@pytest.mark.parametrize("leak", [0.1, 0.3])
def test_auto_finds_leaking_blocks(blocks: int, leak: float) -> None:
    scm, truth = compiled((24, 48, 48, 24), leak, blocks, blocks)
    problem = problem_on(scm, blocks)
    ALGORITHMS.get("auto")(problem)
    assert problem.best is not None
    assert adjusted_rand_score(truth, problem.best.labels.tolist()) >= 0.95
    planted = problem.objective.score(torch.tensor(truth))
    assert problem.best.score <= 1.02 * planted, "moves are made if they gain 2%"


def test_relaxation_finds_modules_behind_weights_that_cancel() -> None:
    """It reads no graph: flow between units is larger across the modules than inside them."""
    scm, truth = twins()
    problem = problem_on(scm, 2, evaluations=200)
    flow = problem.flow.dense()
    across = torch.tensor(truth)[:, None] != torch.tensor(truth)[None]
    assert float(flow[across].sum()) > float(flow[~across].sum())
    ALGORITHMS.get("relaxation")(problem)
    assert problem.best is not None
    assert problem.best.score == 0.0
    assert same_split(problem.best.labels, truth)


def test_auto_sees_through_cancelling_weights_in_two_evaluations() -> None:
    scm, truth = twins(seed=1)
    problem = problem_on(scm, 2)
    ALGORITHMS.get("auto")(problem)
    assert problem.best is not None
    assert same_split(problem.best.labels, truth)
    assert problem.meter.used <= 2


@pytest.mark.parametrize("seed", range(4))
def test_auto_and_exhaustive_agree(seed: int) -> None:
    scm = small(seed)
    every, heuristic = problem_on(scm, 2), problem_on(scm, 2)
    ALGORITHMS.get("exhaustive")(every)
    ALGORITHMS.get("auto")(heuristic)
    assert every.best is not None
    assert heuristic.best is not None
    assert heuristic.best.score == pytest.approx(every.best.score, rel=1e-6)


@pytest.mark.parametrize("name", ["annealing", "genetic"])
def test_checks_that_read_no_graph_come_to_the_minimum(name: str) -> None:
    scm = small(4)
    problem, every = problem_on(scm, 2, evaluations=200), problem_on(scm, 2)
    ALGORITHMS.get(name)(problem)
    ALGORITHMS.get("exhaustive")(every)
    assert problem.best is not None
    rank = [c.labels.tolist() for c in every.candidates].index(problem.best.labels.tolist())
    assert rank < 0.03 * len(every.candidates)


# --- exhaustive --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "k", "stirling"), [(3, 2, 3), (5, 2, 15), (5, 3, 25), (7, 3, 301), (10, 2, 511)]
)
def test_every_partition_once(count: int, k: int, stirling: int) -> None:
    """Stirling numbers of the second kind, S(count, k)."""
    every = all_partitions(count, k)
    assert len(every) == stirling == partitions(count, k)
    assert len(every.unique(dim=0)) == stirling
    assert all(set(labels.tolist()) == set(range(k)) for labels in every)


def test_partitions_more_than_units() -> None:
    with pytest.raises(InputError, match="2 live units cannot be split into 3 modules"):
        all_partitions(2, 3)


def test_exhaustive_search_refuses_what_would_not_end() -> None:
    scm, _ = compiled()
    with pytest.raises(InputError, match=r"at most 100,000"):
        ALGORITHMS.get("exhaustive")(problem_on(scm, 2))
    with pytest.raises(InputError, match=r"allows fewer: give it [0-9]+, or another method"):
        ALGORITHMS.get("exhaustive")(problem_on(small(0), 2, evaluations=20))


def test_exhaustive_scores_are_those_of_whole_size_classes() -> None:
    """Against a loop over all pairs of partitions that compares their sizes by hand."""
    scm = small(0)
    problem = problem_on(scm, 2)
    ALGORITHMS.get("exhaustive")(problem)
    every = all_partitions(len(scm.units), 2)
    terms = problem.objective.terms(every)
    layer = scm.units.layer.tolist()

    def sizes(labels: list[int]) -> list[list[int]]:
        found = [[0] * (max(layer) + 1) for _ in range(2)]
        for label, depth in zip(labels, layer, strict=True):
            found[label][depth] += 1
        return sorted(found)

    shapes = [sizes(labels) for labels in every.tolist()]
    for place in range(0, len(every), 17):
        peers = torch.tensor([i for i, shape in enumerate(shapes) if shape == shapes[place]])
        expected = score_of(terms[place : place + 1], terms[peers])
        got = problem.seen(every[place])
        assert got is not None
        assert got.score == pytest.approx(expected, rel=1e-5, abs=1e-9)
    assert ties(problem.candidates)[0] is problem.candidates[0]


def test_matching_modules_keeps_the_partition() -> None:
    generator = torch.Generator().manual_seed(0)
    for k in (3, 7):
        labels = torch.randint(k, (40,), generator=generator)
        way = torch.randperm(k, generator=generator)
        assert torch.equal(matched(way[labels], labels, k), labels)


def test_canonical_names_do_not_depend_on_the_names() -> None:
    labels = torch.tensor([2, 0, 2, 1, 0])
    for way in itertools.permutations(range(3)):
        assert canonical(torch.tensor(way)[labels]).tolist() == [0, 1, 0, 2, 1]


def test_a_degenerate_partition_does_not_win() -> None:
    """One weak unit, or a cut between layers, is no module of a dense network."""
    scm, _ = compiled((6, 10, 10, 6), leak=1.0, seed=3)
    for name in ("auto", "annealing"):
        problem = problem_on(scm, 2)
        ALGORITHMS.get(name)(problem)
        assert problem.best is not None
        sizes = torch.bincount(problem.best.labels)
        assert int(sizes.min()) > 2
        shared = [len(scm.units.layer[problem.best.labels == m].unique()) > 1 for m in range(2)]
        assert all(shared)
    assert isinstance(scm, cm.StructuralCausalModel)


def test_leiden_draws_the_same_whatever_was_drawn_before() -> None:
    """scikit-network refines by C's rand(), which its random_state does not reach."""
    scm = null_network(compiled((6, 8, 8, 4), leak=0.1)[0], 1)
    assert scm is not None
    first = leiden_labels(problem_on(scm, 2).flow, 2, seed=0)
    for _ in range(20):
        assert torch.equal(leiden_labels(problem_on(scm, 2).flow, 2, seed=0), first)
