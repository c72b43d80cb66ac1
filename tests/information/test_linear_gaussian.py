"""Strengths of arrows: the closed form, what least squares makes of data, and what is refused."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import causalmod as cm
from causalmod.information import exact_arrow_strengths


def drawn(
    seed: int, nodes: int = 6, rows: int = 40_000
) -> tuple[nx.DiGraph, np.ndarray, pd.DataFrame]:
    """Return graph, strengths by simulated cuts of the true model, and data."""
    draw = np.random.default_rng(seed)
    weights = np.triu(draw.uniform(-1, 1, (nodes, nodes)), 1)
    weights *= draw.random((nodes, nodes)) < 0.6
    noise = draw.uniform(0.5, 1.5, nodes)
    values = np.zeros((rows, nodes))
    for j in range(nodes):
        values[:, j] = values @ weights[:, j] + draw.normal(size=rows) * math.sqrt(noise[j])
    graph: nx.DiGraph = nx.DiGraph()
    graph.add_nodes_from(range(nodes))
    graph.add_edges_from(zip(*map(np.ndarray.tolist, np.nonzero(weights)), strict=True))
    return (
        graph,
        exact_arrow_strengths(torch.tensor(weights), torch.tensor(noise)).numpy(),
        pd.DataFrame(values),
    )


@given(st.integers(2, 5), st.integers(0, 1000))
def test_the_closed_form_is_the_divergence_of_the_cut_model(count: int, seed: int) -> None:
    """KL(P || P with the arrow cut), from the two covariance matrices of all variables."""
    draw = np.random.default_rng(seed)
    weights = np.triu(draw.uniform(-2, 2, (count, count)), 1)
    noise = draw.uniform(0.2, 2, count)

    def covariance(of: np.ndarray, spread: np.ndarray) -> np.ndarray:
        paths = np.linalg.inv(np.eye(count) - of)
        return paths.T @ np.diag(spread) @ paths

    found = exact_arrow_strengths(torch.tensor(weights), torch.tensor(noise)).numpy()
    before = covariance(weights, noise)
    for i, j in zip(*np.nonzero(weights), strict=True):
        cut, spread = weights.copy(), noise.copy()
        cut[i, j] = 0  # the copy of the sender is one more noise of the reader
        spread[j] += weights[i, j] ** 2 * before[i, i]
        after = covariance(cut, spread)
        # The reader's noise is all that differs, so the divergence is in P(reader | parents):
        trace = np.trace(np.linalg.solve(after, before)) - count
        nats = 0.5 * (trace + np.linalg.slogdet(after)[1] - np.linalg.slogdet(before)[1])
        assert found[i, j] == pytest.approx(nats / math.log(2), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_least_squares_comes_close_to_the_truth(seed: int) -> None:
    graph, truth, data = drawn(seed)
    found = cm.arrow_strengths(data, graph)
    assert list(found) == list(graph.edges)
    assert max(abs(found[i, j] - truth[i, j]) for i, j in graph.edges) < 0.03


@given(st.floats(1e-6, 1e6), st.floats(-1e6, 1e6))
def test_units_of_measurement_do_not_matter(scale: float, shift: float) -> None:
    graph, _, data = drawn(0, rows=100)
    changed = data.copy()
    changed[2] = changed[2] * scale + shift * scale
    first, second = cm.arrow_strengths(data, graph), cm.arrow_strengths(changed, graph)
    assert second == pytest.approx(first, rel=1e-4, abs=1e-6)


def test_order_of_the_matrix_does_not_matter() -> None:
    weights = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 1.0], [0.5, 0.0, 0.0]])
    noise = torch.tensor([1.0, 2.0, 0.5])
    order = torch.tensor([1, 2, 0])
    moved = exact_arrow_strengths(weights[order][:, order], noise[order])
    assert torch.allclose(moved, exact_arrow_strengths(weights, noise)[order][:, order])


@pytest.mark.parametrize(
    ("weights", "noise", "words"),
    [
        (torch.zeros(2, 3), torch.ones(2), r"given \[2, 3\] and \[2\]"),
        (torch.zeros(2, 2), torch.tensor([1.0, 0.0]), "positive"),
        (torch.zeros(2, 2), torch.tensor([1.0, math.inf]), "finite"),
        (torch.full((2, 2), math.nan), torch.ones(2), "finite"),
        (
            torch.tensor([[0.0, 1e-200], [1e-200, 0.0]], dtype=torch.float64),
            torch.ones(2),
            "circle",
        ),
        (torch.eye(3), torch.ones(3), "circle"),
    ],
)
def test_matrices_that_are_no_model(weights: torch.Tensor, noise: torch.Tensor, words: str) -> None:
    with pytest.raises(cm.InputError, match=words):
        exact_arrow_strengths(weights, noise)


def test_data_that_do_not_fit_the_graph() -> None:
    graph = nx.DiGraph([("height", "weight"), ("age", "weight")])
    draw = np.random.default_rng(0)
    good = pd.DataFrame(draw.normal(size=(20, 3)), columns=["height", "age", "weight"])

    def refused(data: pd.DataFrame, words: str, graph: nx.DiGraph = graph) -> None:
        with pytest.raises(cm.InputError, match=words):
            cm.arrow_strengths(data, graph)

    refused(good.rename(columns={"age": "Age"}), "no column 'age'; did you mean 'Age'")
    refused(good.assign(age=math.nan), "NaN")
    refused(good.assign(age="old"), "not numbers")
    refused(good.head(3), "2 parents, which takes 4 rows; the data have 3")
    refused(good.assign(age=7.0), "not determined")
    refused(good.assign(age=2 * good["height"] + 1), "not determined")
    refused(good.assign(weight=1.0), "'weight' is constant")
    refused(good.assign(weight=good["height"] - good["age"]), "no noise")
    refused(
        good, "circle: height -> weight", nx.DiGraph([("height", "weight"), ("weight", "height")])
    )
    with pytest.raises(cm.InputError, match=r"networkx\.DiGraph; given Graph"):
        cm.arrow_strengths(good, nx.Graph(graph))  # pyright: ignore[reportArgumentType]
    with pytest.raises(cm.InputError, match=r"pandas\.DataFrame; given dict"):
        cm.arrow_strengths({}, graph)  # pyright: ignore[reportArgumentType]
