"""Figures of networks about which nothing is known, against brute force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from torch import nn

from causalmod import Partition, StructuralCausalModel, exchange, information, modularity
from causalmod.zoo import Case
from tests.reference.brute_force import Network
from tests.zoo.networks import dense
from tests.zoo.references import and_gate_network, perceptron, xor_network

SPLITS: list[dict[str, list[str]]] = [
    {"a": ["hidden1[0]", "output[1]"], "b": ["hidden1[1:3]", "hidden2[0:2]", "output[0]"]},
    {"a": ["hidden1[0:3]"], "b": ["hidden2[0:2]", "output[0:2]"]},
    {"a": ["hidden1[0]", "hidden2[0]"], "b": ["hidden1[1:3]"], "c": ["hidden2[1]", "output[0:2]"]},
]


def both(case: Case) -> tuple[StructuralCausalModel, Network]:
    assert isinstance(case.model, nn.Sequential)
    return case.compile(), perceptron(case.model, case.inputs.double().numpy())


@pytest.fixture(scope="module")
def pair() -> tuple[StructuralCausalModel, Network]:
    return both(dense())


def test_the_second_writing_is_the_same_network(
    pair: tuple[StructuralCausalModel, Network],
) -> None:
    scm, network = pair
    for site, values in scm.observe().items():
        if site.startswith(("hidden", "output")):
            for index, column in enumerate(values.T):
                assert network.data[f"{site}[{index}]"] == pytest.approx(column.numpy(), abs=1e-5)


@pytest.mark.parametrize("kind", ["observational", "interventional", "conditional"])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        (["hidden1[0]"], ["output[0]"]),
        (["hidden1[1]", "hidden1[2]"], ["hidden2[0]"]),
        (["input[0]"], ["hidden2[1]", "output[1]"]),
        (["output[0]"], ["hidden1[0]"]),
    ],
)
def test_information(
    pair: tuple[StructuralCausalModel, Network], kind: str, source: list[str], target: list[str]
) -> None:
    scm, network = pair
    got = information(scm, source, target, kind, estimator="exact").bits
    assert got == pytest.approx(getattr(network, kind)(source, target), abs=1e-9)


@pytest.mark.parametrize("split", SPLITS)
def test_exchange(pair: tuple[StructuralCausalModel, Network], split: dict[str, list[str]]) -> None:
    scm, network = pair
    partition = Partition(split)
    found = exchange(scm, partition, estimator="exact")
    for module in partition:
        expected = network.received(partition.modules, module)
        assert found.into[module].bits == pytest.approx(expected, abs=1e-9)
    assert found.bits == pytest.approx(network.exchange(partition.modules), abs=1e-9)


def best_by_brute_force(network: Network) -> tuple[float, set[frozenset[frozenset[str]]]]:
    scored = network.scores()
    least = min(score for _, score in scored)
    return least, {sides(split) for split, score in scored if score <= least + 1e-9}


def sides(split: Mapping[str, Sequence[str]]) -> frozenset[frozenset[str]]:
    return frozenset(frozenset(members) for members in split.values())


@pytest.mark.parametrize("seed", [0, 2, 5, 9])
def test_the_best_split_of_a_dense_network(seed: int) -> None:
    scm, network = both(dense(seed))
    least, winners = best_by_brute_force(network)
    found = modularity(scm, 2, nulls=0, estimator="exact")
    assert 0.4 < least < 0.9  # neither silent nor all alike
    assert found.raw == pytest.approx(1 - least, abs=1e-9)
    assert {found.partition.blocks, *(tie.blocks for tie in found.ties)} == winners


@pytest.mark.parametrize(
    "network", [xor_network(False), and_gate_network(False)], ids=["xor", "and"]
)
def test_no_split_of_a_gate_beats_another_of_its_sizes(network: Network) -> None:
    least, winners = best_by_brute_force(network)
    assert least == pytest.approx(1)
    assert len(winners) == 3
