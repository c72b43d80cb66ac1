"""Normalised cut and total weight against networkx, scikit-learn and hand-made graphs."""

from __future__ import annotations

import warnings

import networkx as nx
import numpy as np
import pytest
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score

from causalmod import InputError, Partition, zoo
from causalmod.measures import MEASURES, NewmanQ
from causalmod.measures.newman import greedy_modules
from causalmod.measures.normalised_cut import (
    NormalisedCut,
    ShuffledCut,
    n_cut,
    spectral_clusters,
)
from causalmod.measures.weights import unit_weights


def blocks(sizes: list[int], leak: float, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    generator = np.random.default_rng(seed)
    labels = [block for block, size in enumerate(sizes) for _ in range(size)]
    weight = generator.random((len(labels), len(labels)))
    same = np.equal.outer(labels, labels)
    upper = np.triu(np.where(same, weight, leak * weight), 1)
    return upper + upper.T, labels


@pytest.mark.parametrize("seed", range(4))
def test_against_networkx(seed: int) -> None:
    adjacency, _ = blocks([5, 6, 4], 0.3, seed)
    labels = np.random.default_rng(seed).integers(0, 3, len(adjacency)).tolist()
    graph = nx.from_numpy_array(adjacency)
    expected = 0.0
    for label in set(labels):
        members = [node for node, each in enumerate(labels) if each == label]
        cut = nx.cut_size(graph, members, weight="weight")
        expected += cut / nx.volume(graph, members, weight="weight")
    assert n_cut(adjacency, labels) == pytest.approx(expected)


def test_a_cluster_that_nothing_touches_costs_as_much_as_a_cluster_can() -> None:
    adjacency = np.zeros((3, 3))
    adjacency[0, 1] = adjacency[1, 0] = 1.0
    assert n_cut(adjacency, "aab") == 1.0
    assert n_cut(adjacency, "abb") == 2.0


@pytest.mark.parametrize(("seed", "k"), [(0, 2), (1, 3), (2, 4)])
def test_clusters_are_those_of_scikit_learn(seed: int, k: int) -> None:
    adjacency, planted = blocks([9] * k, 0.1, seed)
    found = spectral_clusters(adjacency, k, seed)
    theirs = SpectralClustering(k, affinity="precomputed", random_state=seed).fit_predict(adjacency)
    assert adjusted_rand_score(theirs, found) == 1.0
    assert adjusted_rand_score(planted, found) == 1.0


def test_parts_that_nothing_joins_are_clusters_and_loose_nodes_join_the_largest() -> None:
    adjacency, _ = blocks([4, 3], 0.0)
    wider = np.zeros((8, 8))
    wider[:7, :7] = adjacency
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spectral_clusters(wider, 2) == [0, 0, 0, 0, 1, 1, 1, 0]
    edge = np.zeros((4, 4))
    edge[0, 1] = edge[1, 0] = 1.0
    assert sorted(set(spectral_clusters(edge, 3))) == [0, 1, 2]


def test_greedy_modules_of_parts_that_nothing_joins() -> None:
    adjacency, _ = blocks([4, 3, 2], 0.0)
    assert greedy_modules(adjacency, 3) == [0, 0, 0, 0, 1, 1, 1, 2, 2]
    assert greedy_modules(adjacency, 2) == [0, 0, 0, 0, 0, 0, 0, 1, 1]
    assert len(set(greedy_modules(adjacency, 5))) == 5


@pytest.mark.parametrize("k", [0, 1, 4, True, 2.0])
def test_numbers_of_modules_that_cannot_be(k: int) -> None:
    adjacency = np.ones((3, 3))
    for search in (spectral_clusters, greedy_modules):
        with pytest.raises(InputError, match="k is the number of modules"):
            search(adjacency, k)


@pytest.mark.parametrize("search", [NewmanQ().search, NormalisedCut().search])
def test_searches_find_planted_blocks(search) -> None:  # type: ignore[no-untyped-def]
    case = zoo.planted()
    assert case.partition is not None
    assert search(case.compile(), 2).blocks == case.partition.blocks


def test_total_weight_is_the_sum_by_hand() -> None:
    scm = zoo.isolated().compile()
    weights = unit_weights(scm)
    names = scm.units.names
    split = Partition({"a": names[:3], "b": names[3:]})
    expected = sum(weights[i, j] for i in range(10) for j in range(10) if (i < 3) != (j < 3))
    assert MEASURES.get("total_weight")(scm, split) == pytest.approx(expected)


def test_shuffled_weights_are_less_clusterable_than_separate_blocks() -> None:
    scm = zoo.planted().compile()
    found = NormalisedCut().null(scm, 2, shuffles=10, seed=1)
    assert found.value == 0.0
    assert len(found.shuffled) == 10
    assert min(found.shuffled) > 0
    assert found.percentile == 0.0
    assert found.z is not None
    assert found.z < -3
    assert NormalisedCut().null(scm, 2, shuffles=10, seed=1) == found


def test_what_a_null_says() -> None:
    found = ShuffledCut(2.0, (1.0, 3.0, 1.0, 3.0))
    assert (found.z, found.percentile) == (0.0, 0.5)
    assert ShuffledCut(2.0, (1.0, 1.0)).z is None
    with pytest.raises(InputError, match="shuffles"):
        NormalisedCut().null(zoo.isolated().compile(), 2, shuffles=0)
