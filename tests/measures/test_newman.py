"""Newman's Q against a published value, a graph worked by hand, and the weights of networks."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from causalmod import InputError, Partition, compile, zoo
from causalmod.measures import NewmanQ, newman_q, unit_weights
from causalmod.zoo.blocks import fixed_linear


def test_zachary_karate_club() -> None:
    # the two factions of the club, unweighted: Q = 0.3582 (0.358 in Newman 2006, PNAS 103:8577, and
    # in Brandes et al. 2008, IEEE TKDE 20:172)
    graph = nx.karate_club_graph()
    factions = [graph.nodes[node]["club"] for node in graph]
    adjacency = nx.to_numpy_array(graph, weight=None)  # type: ignore[arg-type]
    assert newman_q(adjacency, factions) == pytest.approx(0.3582, abs=5e-5)


def test_a_graph_worked_by_hand() -> None:
    # a - b with weight 3, c - d with weight 1, b - c with weight 1: 2m = 10, degrees 3, 4, 2, 1
    adjacency = np.zeros((4, 4))
    for i, j, weight in ((0, 1, 3.0), (2, 3, 1.0), (1, 2, 1.0)):
        adjacency[i, j] = adjacency[j, i] = weight
    by_hand = (6 / 10 - (7 / 10) ** 2) + (2 / 10 - (3 / 10) ** 2)
    assert newman_q(adjacency, "aabb") == pytest.approx(by_hand)
    assert newman_q(adjacency, "aaaa") == pytest.approx(0)


@pytest.mark.parametrize(
    ("adjacency", "labels", "says"),
    [
        (np.zeros((2, 2)), "ab", "no weight at all"),
        (np.ones((2, 3)), "ab", "square"),
        (np.ones((2, 2)), "abc", "as many labels"),
        (np.array([[0.0, 1.0], [2.0, 0.0]]), "ab", "symmetric"),
        (-np.ones((2, 2)), "ab", "non-negative"),
        (np.full((2, 2), np.nan), "ab", "finite"),
    ],
)
def test_what_is_no_graph_is_refused(adjacency: np.ndarray, labels: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        newman_q(adjacency, labels)


def test_weights_of_a_network_are_found_unit_by_unit() -> None:
    model = nn.Sequential(
        fixed_linear([[1.0], [1.0]]), nn.ReLU(), fixed_linear([[2.0, -3.0], [0.0, 4.0]]), nn.Tanh(),
        fixed_linear([[0.5, 1.5]]),
    ).eval()  # fmt: skip
    scm = compile(model, torch.linspace(-1, 2, 9)[:, None])
    assert scm.units.names == ("1[0]", "1[1]", "3[0]", "3[1]", "output[0]")
    expected = np.zeros((5, 5))
    expected[:2, 2:4] = [[2, 0], [3, 4]]
    expected[2:4, 4] = [0.5, 1.5]
    assert unit_weights(scm) == pytest.approx(expected)


def test_inputs_and_inert_units_have_no_weight() -> None:
    case = zoo.isolated()
    base, wider = unit_weights(case.compile()), unit_weights(zoo.with_inert_units(case).compile())
    assert base == pytest.approx(wider)
    assert base.shape == (10, 10)
    assert np.count_nonzero(base) == 2 * (2 * 2 + 2 * 1)


class Residual(nn.Module):
    def __init__(self, skip: bool) -> None:
        super().__init__()
        self.first = fixed_linear([[1.0, 0.5], [0.25, 1.0]])
        self.second = fixed_linear([[2.0, 0.0], [0.0, 2.0]])
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.first(x))
        return hidden + self.second(hidden) if self.skip else torch.exp(self.second(hidden) + 1)


def test_elementwise_operations_are_looked_through() -> None:
    rows = torch.randn(12, 2, generator=torch.Generator().manual_seed(0))
    scm = compile(Residual(skip=False).eval(), rows)
    assert unit_weights(scm)[:2, 2:].tolist() == [[2.0, 0.0], [0.0, 2.0]]


def test_a_masked_layer_gives_its_masked_weights() -> None:
    case = zoo.two_digits(hidden=8, steps=1)
    assert case.partition is not None
    scm = case.compile()
    left = np.array([unit in case.partition.modules["left"] for unit in scm.units.names])
    weights = unit_weights(scm)
    assert weights[left][:, ~left].sum() == 0
    assert weights.sum() > 0


@pytest.mark.parametrize("case", [zoo.xor(), zoo.and_gate()])
def test_without_a_linear_layer_there_is_no_weight(case: zoo.Case) -> None:
    scm = case.compile()
    with pytest.raises(InputError, match="not a linear layer"):
        NewmanQ()(scm, Partition({"ab": ["a", "b"], "c": ["output"]}))


def test_units_that_are_not_joined_have_no_q() -> None:
    case = zoo.fork()
    assert case.partition is not None
    with pytest.raises(InputError, match="no weight at all"):
        NewmanQ()(case.compile(), case.partition)


def test_q_of_two_isolated_blocks_by_hand() -> None:
    case = zoo.ducks_and_shadows()
    assert case.partition is not None
    scm = case.compile()
    assert NewmanQ()(scm, case.partition) == pytest.approx(0.5)
    across = Partition({"a": ["hidden"], "b": ["output"]})
    assert NewmanQ()(scm, across) == pytest.approx(-0.5)
