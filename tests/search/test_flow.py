"""The flow graph, its clusters, and its block model."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from torch import nn

import causalmod as cm
from causalmod.search.block_model import BlockModel, balanced
from causalmod.search.clusters import leiden_labels, spectral_labels
from causalmod.search.flow import find_flow, flow_graph
from tests.search.networks import compiled
from tests.search.problems import twins


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("blocks", [2, 3, 4])
@pytest.mark.parametrize("leak", [0.0, 0.2])
def test_clusters_are_the_planted_blocks(seed: int, blocks: int, leak: float) -> None:
    scm, truth = compiled((24, 36, 36, 24), leak, seed, blocks)
    flow = find_flow(scm, torch.arange(scm.rows), seed=seed)
    labels = spectral_labels(balanced(flow), scm.units.layer, blocks, seed)
    found = BlockModel(flow, scm.units.layer).refine(labels, blocks)
    assert adjusted_rand_score(truth, found.labels.tolist()) >= 0.95


def test_depth_is_not_taken_for_modules() -> None:
    """In a network of one block, layers are the strongest structure; they must not be returned."""
    scm, _ = compiled((8, 24, 24, 24, 8), leak=1.0, seed=1)
    flow = find_flow(scm, torch.arange(scm.rows), seed=1)
    for graph in (flow, balanced(flow)):
        labels = spectral_labels(graph, scm.units.layer, 2, 1)
        assert adjusted_rand_score((scm.units.layer <= 2).tolist(), labels.tolist()) < 0.2


def test_iterative_eigenvectors_agree_with_dense_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    scm, truth = compiled((24, 36, 36, 24), 0.1, 0, 3)
    flow = balanced(find_flow(scm, torch.arange(scm.rows)))
    monkeypatch.setattr("causalmod.search.clusters._DENSE", 10)
    labels = spectral_labels(flow, scm.units.layer, 3, 0)
    assert adjusted_rand_score(truth, labels.tolist()) == 1.0


@pytest.mark.parametrize("k", [2, 3, 5])
def test_leiden_gives_as_many_clusters_as_asked_for(k: int) -> None:
    scm, _ = compiled((8, 12, 12, 4), 0.5, 0)
    labels = leiden_labels(find_flow(scm, torch.arange(scm.rows)), k, 0)
    assert sorted(labels.unique().tolist()) == list(range(k))


def test_block_model_likes_the_planted_blocks_best() -> None:
    scm, truth = compiled((24, 36, 36, 24), 0.2, 0, 2)
    model = BlockModel(find_flow(scm, torch.arange(scm.rows)), scm.units.layer)
    planted = torch.tensor(truth)
    best = model.fit(planted, 2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        spoiled = planted.clone()
        some = torch.randperm(len(truth), generator=generator)[:8]
        spoiled[some] = 1 - spoiled[some]
        assert model.fit(spoiled, 2).likelihood < best.likelihood
        assert torch.equal(model.refine(spoiled, 2).labels, model.refine(planted, 2).labels)
    assert best.share == pytest.approx(0.2**2, rel=0.6), "cross flow over flow inside: leak squared"


def test_flow_is_zero_exactly_where_there_is_no_direct_edge() -> None:
    scm, truth = compiled(seed=2)
    rows = torch.arange(scm.rows)
    apart = torch.tensor(truth)[:, None] != torch.tensor(truth)[None]
    same_or_up = scm.units.layer[:, None] >= scm.units.layer[None]
    for flow in (flow_graph(scm, rows), find_flow(scm, rows).dense()):
        assert (flow[apart] == 0).all()
        assert (flow[same_or_up] == 0).all()
        assert (flow > 0).any()


def test_flow_of_a_linear_readout_has_a_closed_form() -> None:
    """For a linear reader: E[(w_j (x'_j - x_j))^2] / (2 var y) = w_j^2 var x_j / var y."""
    scm, _ = compiled((8, 12, 4), leak=1.0, seed=0)
    rows = torch.arange(scm.rows)
    hidden, readout = scm.blocks("act1")[..., 0].double(), scm.blocks("output")[..., 0].double()
    weight = scm.parameters["p_readout_weight"].double()
    expected = weight.T.square() * hidden.var(0)[:, None] / readout.var(0)
    live = [i for i in range(12) if f"act1[{i}]" in scm.units.position]
    places = [scm.units.position[f"act1[{i}]"] for i in live]
    outputs = scm.units.at(scm.units.sites.index("output"))
    sampled = flow_graph(scm, rows, contexts=400)[places][:, outputs]
    closed = find_flow(scm, rows).dense()[places][:, outputs]
    torch.testing.assert_close(sampled, expected[live], rtol=0.35, atol=0.01)
    torch.testing.assert_close(closed, expected[live], rtol=0.01, atol=1e-4)


def test_closed_form_agrees_with_resampling_where_activations_are_smooth() -> None:
    scm, _ = compiled((8, 12, 12, 4), leak=0.5, seed=1)
    rows = torch.arange(scm.rows)
    sampled, found = flow_graph(scm, rows, contexts=400), find_flow(scm, rows)
    assert found.closed
    strong = sampled > 0.02
    ratio = found.dense()[strong] / sampled[strong]
    assert 0.7 < float(ratio.median()) < 1.5
    assert (
        float(torch.corrcoef(torch.stack([found.dense().flatten(), sampled.flatten()]))[0, 1]) > 0.9
    )


def test_residual_streams_are_resampled() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down, self.out = nn.Linear(4, 6), nn.Linear(6, 4), nn.Linear(4, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tanh(self.out(x + self.down(torch.tanh(self.up(x)))))

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Residual().eval()
    data = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    scm = cm.compile(model, data)
    rows = torch.arange(scm.rows)
    found = find_flow(scm, rows, contexts=64)
    assert not found.closed
    assert found.rows > 0
    expected = flow_graph(scm, rows, contexts=64)
    torch.testing.assert_close(found.dense(), expected, rtol=1e-4, atol=1e-6)


def test_joint_flow_is_nothing_where_weights_cancel() -> None:
    """Equal units with opposite weights: each flow alone is large, together they say nothing."""
    scm, truth = twins()
    rows = torch.arange(scm.rows)
    across = torch.tensor(truth)[:, None] != torch.tensor(truth)[None]
    alone, jointly = (find_flow(scm, rows, joint=joint).dense() for joint in (False, True))
    assert float(alone[across].sum()) > float(alone[~across].sum())
    assert float(jointly[across].sum()) < 0.02 * float(jointly[~across].sum())


def test_joint_flow_adds_up_to_the_variance_of_what_is_said() -> None:
    """Sum over senders of (Cov^1/2 w)^2 = w^T Cov w: the variance of the map, over the unit's."""
    scm, _ = compiled((8, 12, 4), leak=1.0, seed=0)
    outputs = scm.units.at(scm.units.sites.index("output"))
    found = find_flow(scm, torch.arange(scm.rows), joint=True).dense()[:, outputs].sum(0)
    torch.testing.assert_close(found, torch.ones_like(found), rtol=0.02, atol=0.0)


def test_products_with_the_graph_agree_with_the_dense_one() -> None:
    scm, _ = compiled((8, 12, 12, 4), leak=0.5, seed=1)
    flow = find_flow(scm, torch.arange(scm.rows))
    values = torch.randn(flow.count, 3, generator=torch.Generator().manual_seed(0))
    both = (flow.dense() + flow.dense().T).float()
    torch.testing.assert_close(flow.between(values), both @ values, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        torch.from_numpy(flow.symmetric().toarray()).float(), both, rtol=1e-5, atol=1e-7
    )
    assert flow.symmetric(3).nnz < flow.symmetric().nnz
