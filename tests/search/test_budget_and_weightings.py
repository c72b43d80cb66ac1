"""Budgets, weightings, margins, stability: what they mean and what they refuse."""

from __future__ import annotations

import pytest
import torch

from causalmod import InputError, SearchBudget
from causalmod.exchange import draw_sample
from causalmod.modularity.pipeline import margins_of, search, settle, stability_of
from causalmod.search import WEIGHTINGS, Meter, Objective, Terms, score_of
from causalmod.search.margins import margins, undecided
from causalmod.search.same_size import class_size, labelled, size_class, whole_class
from causalmod.search.stability import agreement
from tests.search.networks import compiled
from tests.search.problems import problem_on


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"evaluations": 0}, r"evaluations=\.\.\.\) must be above 0; given 0"),
        ({"evaluations": 2.5}, "whole number; given 2.5"),
        ({"evaluations": "many"}, "must be above 0"),
        ({"seconds": -1.0}, "seconds"),
        ({"memory": "lots"}, "memory"),
    ],
)
def test_limits_that_cannot_be(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SearchBudget(**options)  # pyright: ignore[reportArgumentType]


def test_time_limit_stops_a_search() -> None:
    assert Meter(SearchBudget(seconds=1e-9), 100).left() == 0


def test_memory_for_less_than_one_candidate_says_the_least() -> None:
    scm, _ = compiled()
    sample = draw_sample(torch.arange(scm.rows), 16, 24, 1, 0)
    with pytest.raises(InputError, match=r"takes .* MB to evaluate.*of at least"):
        Objective(scm, sample, 2, memory=1000)


def test_parts_of_evaluations_add_up() -> None:
    meter = Meter(SearchBudget(evaluations=3), 100)
    meter.spend(0.4, rows=10)
    assert meter.left() == 2
    meter.spend(1.6)
    assert (meter.left(), meter.rows) == (1, 10)


def _terms(weighting: str) -> Terms:
    received = torch.tensor([[[1.0], [3.0]]], dtype=torch.float64)
    inside = torch.tensor([[[2.0], [6.0]]], dtype=torch.float64)
    entropy = torch.full((1, 2, 1), 5.0, dtype=torch.float64)
    return Terms(received, received.flip(1), inside, entropy, weighting)


@pytest.mark.parametrize(
    ("weighting", "cost"),
    [
        ("internal", 4 / (4 + 2 * 2)),  # X = 1 + 3 for both; the worst has int = 2
        ("size", 4.0),
        ("entropy", 4 / (2 * 5)),
        ("cut", 4 / (4 + 4) + 4 / (4 + 12)),
        ("none", 4.0),
    ],
)
def test_costs_by_hand(weighting: str, cost: float) -> None:
    own = _terms(weighting)
    assert float(own.costs()[0]) == pytest.approx(cost)
    compared = WEIGHTINGS[weighting].same_size
    assert score_of(own, own) == pytest.approx(1.0 if compared else cost)


@pytest.mark.parametrize("weighting", sorted(WEIGHTINGS))
def test_every_weighting_searches(weighting: str) -> None:
    scm, _ = compiled((6, 8, 8, 4), 0.0, 0)
    found = search(scm, settle(scm, 2, "auto", 1.0, SearchBudget(), 0, weighting=weighting))
    assert found.score == 0.0
    assert found.own.weighting == weighting


def test_names_that_there_are_not() -> None:
    scm, _ = compiled()
    with pytest.raises(InputError, match="did you mean 'spectral'"):
        settle(scm, 2, "auto", 1.0, SearchBudget(), 0, method="spectrall")
    with pytest.raises(InputError, match="unknown weighting 'mean'"):
        settle(scm, 2, "auto", 1.0, SearchBudget(), 0, weighting="mean")


def test_size_classes_by_enumeration() -> None:
    layer = torch.tensor([1, 1, 1, 2, 2])
    labels = torch.tensor([0, 0, 1, 1, 0])
    key = size_class(labels, layer, 2)
    assert key == ((0, 1, 1), (0, 2, 1))
    every = whole_class(key, layer)
    assert len(every) == class_size(key) == 3 * 2
    assert len(every.unique(dim=0)) == len(every)
    assert all(size_class(each, layer, 2) == key for each in every)
    assert size_class(labelled(key, layer), layer, 2) == key


def test_margins_are_what_moves_cost() -> None:
    """A unit of the planted blocks has a margin; a unit that hears both alike has next to none."""
    scm, truth = compiled((6, 8, 8, 4), 0.1, 0)
    problem = problem_on(scm, 2)
    planted = torch.tensor(truth)
    found = margins(problem, planted)
    score = problem.objective.score(planted)
    for unit in range(0, len(truth), 5):
        moved = planted.clone()
        moved[unit] = 1 - moved[unit]
        expected = problem.objective.score(moved) - score
        assert float(found[unit]) == pytest.approx(expected, rel=1e-5, abs=1e-7)
    wrong = planted.clone()
    wrong[3] = 1 - wrong[3]
    assert float(margins(problem, wrong)[3]) < 0, "it belongs elsewhere"
    assert bool(undecided(margins(problem, wrong), score)[3])


def test_agreement_of_searches() -> None:
    one, other = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])
    assert agreement([one, 1 - one, one]) == 1.0
    assert agreement([one]) == 1.0
    assert agreement([one, other]) == pytest.approx(-0.5)  # the index by hand: no pair agrees


def test_margins_and_stability_of_a_found_partition() -> None:
    scm, truth = compiled((6, 8, 8, 4), 0.1, 0)
    settings = settle(scm, 2, "auto", 1.0, SearchBudget(), 0)
    found = search(scm, settings)
    by_name, unclear = margins_of(scm, settings, found.labels)
    assert set(by_name) == set(scm.units.names)
    assert set(unclear) <= set(by_name)
    assert sum(margin > 0 for margin in by_name.values()) > 0.8 * len(truth)
    assert stability_of(scm, settings, found.labels, 2) > 0.9
