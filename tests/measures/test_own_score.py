"""Our own score of any partition agrees with what the search reports of the one that it finds."""

from __future__ import annotations

import pytest
import torch

from causalmod import Partition, modularity, zoo
from causalmod.measures.own_score import ModularityScore
from causalmod.measures.weights import partition_by_number

score = ModularityScore()


@pytest.mark.parametrize(
    ("case", "k"), [(zoo.isolated(), 2), (zoo.isolated(), 3), (zoo.random_dense(), 3)]
)
def test_the_partition_found_has_the_raw_score_reported(case: zoo.Case, k: int) -> None:
    scm = case.compile()
    found = modularity(scm, k, nulls=0, curves=False, seed=3)
    assert score(scm, found.partition, seed=3) == pytest.approx(found.raw, abs=1e-12)
    assert score.search(scm, k, seed=3).blocks == found.partition.blocks


def test_shuffled_modules_are_about_as_good_as_random_ones() -> None:
    # S compares with random partitions of the same sizes per layer, so over such partitions its
    # cost has their mean: 1 - S averages 0
    scm = zoo.planted().compile()
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(12):
        labels = torch.zeros(len(scm.units), dtype=torch.long)
        for layer in scm.units.layer.unique():
            places = (scm.units.layer == layer).nonzero().flatten()
            half = places[torch.randperm(len(places), generator=generator)][: len(places) // 2]
            labels[half] = 1
        found.append(score(scm, partition_by_number(scm.units.names, labels.tolist())))
    assert max(map(abs, found)) < 0.35
    assert abs(sum(found) / len(found)) < 0.1


def test_equal_functions_have_equal_scores() -> None:
    # a tanh unit with all its weights' signs flipped computes what it did
    case = zoo.random_dense()
    scm = case.compile()
    split = partition_by_number(scm.units.names, [n % 2 for n in range(len(scm.units))])
    permuted = Partition({name: split.modules[name] for name in reversed(list(split.modules))})
    assert score(scm, split) == score(scm, permuted)
