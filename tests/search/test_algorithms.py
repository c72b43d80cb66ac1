"""Search algorithms: what they enumerate, what they find, what they refuse."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from causalmod import InputError, SearchBudget
from causalmod.exchange import draw_sample
from causalmod.search import ALGORITHMS, Meter, Objective
from causalmod.search.algorithms.exhaustive import all_partitions
from causalmod.search.algorithms.spectral import spectral_labels
from causalmod.search.flow import flow_graph
from tests.search.networks import compiled


@pytest.mark.parametrize(
    ("count", "k", "stirling"), [(3, 2, 3), (5, 2, 15), (5, 3, 25), (7, 3, 301), (10, 2, 511)]
)
def test_every_partition_once(count: int, k: int, stirling: int) -> None:
    """Stirling numbers of the second kind, S(count, k)."""
    every = all_partitions(count, k)
    assert len(every) == stirling
    assert len(every.unique(dim=0)) == stirling
    assert all(set(labels.tolist()) == set(range(k)) for labels in every)


def test_more_modules_than_units() -> None:
    with pytest.raises(InputError, match="2 live units cannot be split into 3 modules"):
        all_partitions(2, 3)


def test_exhaustive_search_refuses_many_units() -> None:
    scm, _ = compiled()
    sample = draw_sample(torch.arange(scm.rows), 4, 4, 1, 0)
    objective = Objective(scm, sample, 2)
    with pytest.raises(InputError, match="at most 10 units"):
        ALGORITHMS.get("exhaustive")(
            scm, objective, Meter(SearchBudget(), 9), rows=sample.contexts, seed=0, report=print
        )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("blocks", [2, 3, 4])
@pytest.mark.parametrize("leak", [0.0, 0.2])
def test_spectral_start_finds_planted_blocks(seed: int, blocks: int, leak: float) -> None:
    scm, truth = compiled((24, 36, 36, 24), leak, seed, blocks)
    flow = flow_graph(scm, torch.arange(scm.rows), seed=seed)
    labels = spectral_labels(flow + flow.T, scm.units.layer, blocks, seed)
    assert adjusted_rand_score(truth, labels.tolist()) == 1.0


def test_depth_is_not_taken_for_modules() -> None:
    """In a network of one block, layers are the strongest structure; they must not be returned."""
    scm, _ = compiled((8, 24, 24, 24, 8), leak=1.0, seed=1)
    flow = flow_graph(scm, torch.arange(scm.rows), seed=1)
    labels = spectral_labels(flow + flow.T, scm.units.layer, 2, 1)
    assert adjusted_rand_score((scm.units.layer <= 2).tolist(), labels.tolist()) < 0.2


def test_iterative_eigenvectors_agree_with_dense_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    scm, truth = compiled((24, 36, 36, 24), 0.1, 0, 3)
    flow = flow_graph(scm, torch.arange(scm.rows), seed=0)
    monkeypatch.setattr("causalmod.search.algorithms.spectral._DENSE", 10)
    labels = spectral_labels(flow + flow.T, scm.units.layer, 3, 0)
    assert adjusted_rand_score(truth, labels.tolist()) == 1.0


@pytest.mark.parametrize("name", ["spectral"])
def test_search_improves_on_a_bad_start_and_keeps_to_its_budget(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scm, truth = compiled((6, 8, 8, 4), 0.1, 0)

    def spoiled(*_: object) -> torch.Tensor:
        labels = torch.tensor(truth)
        labels[::7] = 1 - labels[::7]
        return labels

    monkeypatch.setattr("causalmod.search.algorithms.spectral.spectral_labels", spoiled)
    rows = torch.arange(scm.rows)
    for evaluations in (1, 15, 200):
        objective = Objective(scm, draw_sample(rows, 16, 24, 1, 0), 2, draws=12)
        meter = Meter(SearchBudget(evaluations=evaluations), 60)
        seen: list[float] = []
        found = ALGORITHMS.get(name)(scm, objective, meter, rows=rows, seed=0, report=seen.append)
        assert meter.used <= evaluations
        assert found[0].score == min(seen)
    assert adjusted_rand_score(truth, found[0].labels.tolist()) == 1.0
    assert found[0].score < found[-1].score


def test_flow_is_zero_exactly_where_there_is_no_direct_edge() -> None:
    scm, truth = compiled(seed=2)
    flow = flow_graph(scm, torch.arange(scm.rows), seed=0)
    apart = torch.tensor(truth)[:, None] != torch.tensor(truth)[None]
    assert (flow[apart] == 0).all()
    same_or_up = scm.units.layer[:, None] >= scm.units.layer[None]
    assert (flow[same_or_up] == 0).all()
    assert (flow > 0).any()


def test_flow_of_a_linear_readout_has_a_closed_form() -> None:
    """For a linear reader: E[(w_j (x'_j - x_j))^2] / (2 var y) = w_j^2 var x_j / var y."""
    scm, _ = compiled((8, 12, 4), leak=1.0, seed=0)
    flow = flow_graph(scm, torch.arange(scm.rows), contexts=400, seed=0)
    hidden, readout = scm.blocks("act1")[..., 0].double(), scm.blocks("output")[..., 0].double()
    weight = scm.parameters["p_readout_weight"].double()
    expected = weight.T.square() * hidden.var(0)[:, None] / readout.var(0)
    places = [
        scm.units.position[f"act1[{i}]"] for i in range(12) if f"act1[{i}]" in scm.units.position
    ]
    live = [i for i in range(12) if f"act1[{i}]" in scm.units.position]
    got = flow[places][:, scm.units.at(scm.units.sites.index("output"))]
    torch.testing.assert_close(got, expected[live], rtol=0.35, atol=0.01)


def test_budget_must_be_positive() -> None:
    with pytest.raises(InputError, match=r"evaluations=\.\.\.\) must be above 0; given 0"):
        SearchBudget(evaluations=0)
    with pytest.raises(InputError, match="seconds"):
        SearchBudget(seconds=-1.0)


def test_time_limit_stops_a_search() -> None:
    meter = Meter(SearchBudget(seconds=1e-9), 100)
    assert meter.left() == 0
