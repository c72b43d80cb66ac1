"""Costs and scores, against brute force that shares no code with the package."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from causalmod import StructuralCausalModel
from causalmod.exchange import Sample, draw_sample
from causalmod.modularity.pipeline import enumerate_all
from causalmod.search import Objective, Terms, score_of, shuffle_in_layers
from causalmod.search.algorithms.exhaustive import all_partitions
from tests.search.networks import compiled
from tests.zoo.networks import dense
from tests.zoo.references import perceptron


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_scores_of_all_bipartitions_match_brute_force(seed: int) -> None:
    case = dense(seed)
    assert isinstance(case.model, nn.Sequential)
    scm = case.compile()
    network = perceptron(case.model, case.inputs.double().numpy())
    live = list(scm.units.names)
    if set(live) != set(network.units):
        pytest.skip("the reference has no notion of inert units")
    objective = Objective(
        scm, enumerate_all(scm, torch.arange(scm.rows), 1), 2, estimator="exact", resolution=1.0
    )
    every = all_partitions(len(live), 2)
    terms = objective.terms(every)
    costs = terms.costs()
    classes: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for place, labels in enumerate(every):
        classes.setdefault(objective.size_class(labels), []).append(place)
    expected = {frozenset([frozenset(s["a"]), frozenset(s["b"])]): v for s, v in network.scores()}
    for place, labels in enumerate(every):
        blocks = [[u for u, m in zip(live, labels, strict=True) if m == side] for side in (0, 1)]
        cost = network.cost({"a": blocks[0], "b": blocks[1]})
        assert float(costs[place]) == pytest.approx(cost, abs=1e-9)
        peers = terms[torch.tensor(classes[objective.size_class(labels)])]
        score = score_of(terms[place : place + 1], peers)
        assert score == pytest.approx(expected[frozenset(map(frozenset, blocks))], abs=1e-9)


def test_cost_of_three_modules_matches_brute_force() -> None:
    case = dense(1, widths=(2, 3, 2))
    assert isinstance(case.model, nn.Sequential)
    scm = case.compile()
    network = perceptron(case.model, case.inputs.double().numpy())
    live = list(scm.units.names)
    objective = Objective(
        scm, enumerate_all(scm, torch.arange(scm.rows), 2), 3, estimator="exact", resolution=1.0
    )
    checked = 0
    for labels in all_partitions(len(live), 3):
        split = {
            str(m): [u for u, label in zip(live, labels, strict=True) if label == m]
            for m in range(3)
        }
        got = float(objective.terms(labels[None]).costs()[0])
        assert got == pytest.approx(network.cost(split), abs=1e-9)
        checked += 1
    assert checked > 10


def _terms(received: float, inside: tuple[float, float]) -> Terms:
    both = torch.tensor([[[received], [received]]], dtype=torch.float64)
    within = torch.tensor([[[inside[0]], [inside[1]]]], dtype=torch.float64)
    return Terms(both, both.flip(1), within)


def test_a_module_without_inner_flow_costs_one() -> None:
    assert float(_terms(0.5, (0.0, 3.0)).costs()[0]) == 1.0
    assert float(_terms(0.0, (0.0, 3.0)).costs()[0]) == 1.0


def test_cost_is_that_of_the_worst_module() -> None:
    # X = 2 × 0.5; shares 1 / (1 + 2 × 1) and 1 / (1 + 2 × 4)
    assert float(_terms(0.5, (1.0, 4.0)).costs()[0]) == pytest.approx(1 / 3)


def test_zero_exchange_scores_zero_only_when_something_flows_inside() -> None:
    silent, empty = _terms(0.0, (1.0, 1.0)), _terms(0.0, (1.0, 0.0))
    assert score_of(silent, silent) == 0.0
    assert score_of(empty, empty) == 1.0


def test_score_is_one_when_the_size_class_costs_nothing_on_average() -> None:
    own, free = _terms(0.5, (1.0, 1.0)), _terms(0.0, (1.0, 1.0))
    assert score_of(own, free) == 1.0


def test_shuffles_keep_the_sizes_in_each_layer() -> None:
    layer = torch.tensor([0, 0, 0, 0, 1, 1, 1])
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 0])
    drawn = shuffle_in_layers(labels, layer, 50, torch.Generator().manual_seed(0))
    for number in (0, 1):
        inside = drawn[:, layer == number]
        assert (inside.sum(1) == labels[layer == number].sum()).all()
    assert len(drawn.unique(dim=0)) > 5


def test_relabelling_modules_changes_nothing() -> None:
    scm, truth = compiled(leak=0.3)
    objective = Objective(scm, enumerate_small(scm), 2, estimator="gaussian", resolution=1.0)
    labels = torch.tensor(truth)
    first, second = objective.terms(labels[None]).costs(), objective.terms(1 - labels[None]).costs()
    assert float(first[0]) == pytest.approx(float(second[0]), rel=1e-9)
    assert objective.size_class(labels) == objective.size_class(1 - labels)


def enumerate_small(scm: StructuralCausalModel) -> Sample:
    return draw_sample(torch.arange(scm.rows), 12, 16, 1, 0)


def test_batches_of_candidates_do_not_change_them() -> None:
    scm, truth = compiled(leak=0.2)
    many = torch.stack([torch.tensor(truth), *all_random(len(truth), 6)])
    whole = Objective(scm, enumerate_small(scm), 2, estimator="gaussian", resolution=1.0)
    tight = Objective(
        scm, enumerate_small(scm), 2, estimator="gaussian", resolution=1.0, memory=400_000
    )
    np.testing.assert_allclose(whole.terms(many).costs(), tight.terms(many).costs(), rtol=1e-9)


def all_random(units: int, count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randint(2, (units,), generator=generator) for _ in range(count)]
