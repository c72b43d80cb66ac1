"""The calibrated score: planted modules 1, no structure 0, and nothing degenerate ever wins."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from torch import nn

import causalmod as cm
from causalmod.modularity import measure
from tests.search.networks import linear, planted


def _labels(scm: cm.StructuralCausalModel, result: cm.Modularity) -> list[str]:
    return [result.partition.labels[unit] for unit in scm.units.names]


@pytest.fixture(scope="module")
def apart() -> tuple[cm.StructuralCausalModel, cm.Modularity, list[int]]:
    model, data, truth = planted()
    scm = cm.compile(model, data)
    return scm, cm.modularity(scm, 2, nulls=5), [truth[unit] for unit in scm.units.names]


@pytest.fixture(scope="module")
def mixed() -> tuple[cm.StructuralCausalModel, cm.Modularity]:
    model, data, _ = planted(leak=1.0, seed=3)
    scm = cm.compile(model, data)
    return scm, cm.modularity(scm, 2, nulls=19)


def test_planted_modules_are_found_and_read_one(
    apart: tuple[cm.StructuralCausalModel, cm.Modularity, list[int]],
) -> None:
    scm, result, truth = apart
    assert adjusted_rand_score(truth, _labels(scm, result)) == 1.0
    assert result.exchange.bits == 0.0
    assert (result.score, result.low, result.high, result.raw) == (1.0, 1.0, 1.0, 1.0)
    assert result.p == pytest.approx(1 / 6)
    assert result.null == "permuted weights"
    assert len(result.null_scores) == 5
    assert all(0 < score < 1 for score in result.null_scores)
    assert result.ratio == math.inf
    assert all(bits > 0 for bits in result.random_exchange)
    assert set(result.resolution_curve) == {0.3, 1.0, 3.0}


def test_search_and_report_use_different_rows(
    apart: tuple[cm.StructuralCausalModel, cm.Modularity, list[int]],
) -> None:
    scm, result, _ = apart
    settings = measure.settle(scm, 2, "auto", 1.0, cm.SearchBudget(), 0)
    assert result.held_out
    assert result.exchange.estimate.held_out
    assert not set(settings.searched.tolist()) & set(settings.reported.tolist())
    assert len(settings.searched) + len(settings.reported) == scm.rows


def test_a_dense_network_reads_about_zero(
    mixed: tuple[cm.StructuralCausalModel, cm.Modularity],
) -> None:
    _, result = mixed
    assert result.score is not None
    assert result.low is not None
    assert result.high is not None
    assert result.low <= 0.1
    assert -0.4 < result.score < 0.3
    assert result.raw > 0.05, "the minimum over partitions is biased: raw is above 0 even here"
    assert result.p is not None
    assert result.p > 0.05


def test_a_leak_lowers_the_score() -> None:
    scores = []
    for leak in (0.0, 0.1, 0.4):
        model, data, _ = planted(leak=leak, seed=1)
        scores.append(cm.modularity(cm.compile(model, data), 2, nulls=5).score)
    assert scores[0] == 1.0
    assert scores == sorted(scores, reverse=True)
    assert 0.6 < scores[1] < 1.0


def test_mean_field_network_reads_exactly_zero() -> None:
    case = cm.zoo.mean_field()
    result = cm.modularity(case.compile(), 2, nulls=3)
    assert result.score == pytest.approx(0.0, abs=1e-9)
    assert result.ties, "every partition of a size class is as good as the best"
    assert result.p == 1.0


@pytest.mark.parametrize("seed", range(6))
def test_one_weak_unit_with_its_pre_activation_never_wins(seed: int) -> None:
    """All partitions of a dense network, one of whose units hardly speaks or listens."""
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential()
    for place, (fan_in, fan_out) in enumerate([(5, 4), (4, 4), (4, 2)]):
        layer = nn.Linear(fan_in, fan_out)
        with torch.no_grad():
            layer.weight.copy_(torch.randn(fan_out, fan_in, generator=generator))
            layer.bias.zero_()
        model.add_module(f"linear{place}", layer)
        if place < 2:
            model.add_module(f"act{place}", nn.Tanh())
    with torch.no_grad():
        linear(model, "linear1").weight[0] *= 1e-2
        linear(model, "linear2").weight[:, 0] *= 1e-2
    data = torch.randn(400, 5, generator=generator)
    sites = ["linear0", "act0", "linear1", "act1"]
    scm = cm.compile(model.eval(), data, sites=sites)
    assert "linear1[0]" in scm.variables
    assert "act1[0]" in scm.units.names
    assert "linear1[0]" not in scm.units.names, "tied: one unit"
    result = cm.modularity(scm, 2, nulls=0)
    smallest = min(len(members) for members in result.partition.modules.values())
    assert smallest > 1
    layers = [{unit.split("[")[0] for unit in m} for m in result.partition.modules.values()]
    assert layers[0] & layers[1], "a cut between layers is no module structure"


def test_a_module_needs_inner_flow_even_when_nothing_crosses() -> None:
    """Units that talk to nobody form no module: their cost is 1, not 0."""
    model = nn.Linear(3, 3)
    with torch.no_grad():
        model.weight.copy_(torch.eye(3))
        model.bias.zero_()
    data = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    scm = cm.compile(nn.Sequential(model, nn.Tanh()).eval(), data)
    result = cm.modularity(scm, 2, nulls=2)
    assert result.exchange.bits == 0.0
    assert result.raw == 0.0
    assert result.score == pytest.approx(0.0)


def test_architecture_that_forbids_communication() -> None:
    class TwoTracks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tracks = nn.ModuleList(
                nn.Sequential(
                    nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 1)
                )
                for _ in range(2)
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.tracks[0](x[:, :3]), self.tracks[1](x[:, 3:])], dim=1)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = TwoTracks().eval()
    data = torch.randn(300, 6, generator=torch.Generator().manual_seed(0))
    result = cm.modularity(cm.compile(model, data), 2, nulls=3)
    assert result.score == 1.0
    assert result.null == "architecture"
    assert result.p is None


def test_a_network_without_weights_is_not_calibrated() -> None:
    class Products(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first = torch.tanh(x[:, :2] * x[:, 2:])
            return torch.sigmoid(first[:, :1] + first[:, 1:])

    data = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    result = cm.modularity(cm.compile(Products().eval(), data), nulls=19)
    assert result.score is None
    assert "no weights" in result.note
    assert "not calibrated" in repr(result)


def test_same_seed_same_result_and_threads_do_not_matter() -> None:
    model, data, _ = planted(leak=0.5, seed=2)
    scm = cm.compile(model, data)
    threads = torch.get_num_threads()
    first = cm.modularity(scm, 2, nulls=2, seed=7)
    try:
        torch.set_num_threads(1)
        second = cm.modularity(scm, 2, nulls=2, seed=7)
    finally:
        torch.set_num_threads(threads)
    assert torch.get_num_threads() == threads
    assert first.partition == second.partition
    assert first.score == pytest.approx(second.score, rel=1e-3)
    assert first.null_scores == pytest.approx(second.null_scores, rel=1e-3)
    assert first.random_exchange != cm.modularity(scm, 2, nulls=0, seed=8).random_exchange


def test_global_random_state_is_untouched() -> None:
    model, data, _ = planted()
    before = torch.get_rng_state()
    cm.modularity(cm.compile(model, data), 2, nulls=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_interruption_keeps_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data, truth = planted()
    scm = cm.compile(model, data)
    calls: list[int] = []

    def third_time(*args: object) -> float:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return 0.5

    monkeypatch.setattr(measure, "_null_score", third_time)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    with pytest.raises(cm.Interrupted) as stopped:
        cm.modularity(scm, 2, nulls=5)
    partial = stopped.value.partial
    assert partial.null_scores == (0.5, 0.5)
    assert partial.score is None
    assert "interrupted after 2 null networks" in partial.note
    assert adjusted_rand_score([truth[u] for u in scm.units.names], _labels(scm, partial)) == 1.0
    assert partial.exchange.bits == 0.0


def test_interruption_before_the_search_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data, _ = planted()
    scm = cm.compile(model, data)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(measure, "search", stop)
    with pytest.raises(cm.Interrupted) as stopped:
        cm.modularity(scm, 2)
    assert stopped.value.partial is None


def test_progress_is_told() -> None:
    model, data, _ = planted()
    seen: list[tuple[str, int, int]] = []
    cm.modularity(cm.compile(model, data), 2, nulls=2, progress=lambda *step: seen.append(step))
    stages = list(dict.fromkeys(stage for stage, _, _ in seen))
    assert stages == ["search", "measure", "null networks"]
    assert seen[-1] == ("null networks", 2, 2)


def test_result_can_be_written_as_json(
    apart: tuple[cm.StructuralCausalModel, cm.Modularity, list[int]],
) -> None:
    _, result, _ = apart
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert plain["score"] == 1.0
    assert plain["ratio"] == "inf"
    assert plain["provenance"]["seed"] == 0
    assert plain["partition"] == result.partition.to_dict()


def test_result_shows_itself(
    apart: tuple[cm.StructuralCausalModel, cm.Modularity, list[int]],
) -> None:
    scm, result, _ = apart
    frame = dict(result.to_frame().itertuples(index=False, name=None))
    assert {unit: frame[unit] for unit in scm.units.names} == dict(result.partition.labels)
    assert all(frame[unit] is None for unit in scm.units.inert)
    assert "1.000 [1.000, 1.000]" in result._repr_html_()
    assert "<script" not in result._repr_html_()
    assert "conditional" in result.exchange.estimate._repr_html_()
    assert result.plot().axes
    assert result.exchange.plot().axes


def test_few_rows_are_not_halved() -> None:
    model, data, _ = planted()
    result = cm.modularity(cm.compile(model, data[:100]), 2, nulls=0)
    assert not result.held_out
    assert not result.exchange.estimate.held_out


def test_the_same_call_goes_on_from_its_journal(tmp_path: Path) -> None:
    model, data, _ = planted((6, 8, 8, 4), leak=0.1)
    path = tmp_path / "journal.jsonl"
    first = cm.modularity(cm.compile(model, data), 2, nulls=1, curves=False, resume=path)
    size = path.stat().st_size
    again = cm.modularity(cm.compile(model, data), 2, nulls=1, curves=False, resume=path)
    assert path.stat().st_size == size, "nothing was evaluated again"
    assert (again.partition, again.raw, again.null_scores) == (
        first.partition, first.raw, first.null_scores
    )  # fmt: skip
    assert again.forward_rows == first.forward_rows
    with pytest.raises(cm.InputError, match="another network"):
        cm.modularity(cm.zoo.isolated().compile(), 2, nulls=0, resume=path)


def test_units_have_margins_and_modules_are_stable() -> None:
    model, data, truth = planted((6, 8, 8, 4))
    scm = cm.compile(model, data)
    result = cm.modularity(scm, 2, nulls=0, stability=1)
    assert set(result.margins) == set(scm.units.names)
    assert min(result.margins.values()) > 0, "every unit belongs where it is"
    assert result.unclear == ()
    assert result.stability == 1.0
    assert adjusted_rand_score([truth[u] for u in scm.units.names], _labels(scm, result)) == 1.0


@pytest.mark.parametrize("weighting", ["size", "entropy", "cut", "none"])
def test_other_weightings_find_what_exchanges_nothing(weighting: str) -> None:
    scm = cm.zoo.isolated().compile()
    result = cm.modularity(scm, 2, nulls=0, weighting=weighting, curves=False)
    assert result.weighting == weighting
    assert result.exchange.bits == 0.0


def test_inert_units_are_reported_and_change_nothing() -> None:
    case, padded = cm.zoo.isolated(), cm.zoo.isolated_with_inert_units()
    plain, wide = (cm.modularity(c.compile(), 2, nulls=3) for c in (case, padded))
    assert wide.inert
    assert not plain.inert
    assert wide.partition.blocks == plain.partition.blocks
    assert (wide.score, wide.raw) == (plain.score, plain.raw)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 1}, "at least 2, .*given 1"),
        ({"k": []}, "several such numbers"),
        ({"k": [2, 1]}, "at least 2"),
        ({"k": True}, "whole number"),
        ({"progress": 3}, "progress is True"),
        ({"k": 2.5}, "whole number"),
        ({"k": 99}, "cannot be split into 99 modules"),
        ({"nulls": -1}, "0 or more; given -1"),
        ({"stability": -1}, "stability must be a whole number of at least 0; given -1"),
        ({"method": "spektral"}, "did you mean 'spectral'"),
        ({"weighting": "sizes"}, "did you mean 'size'"),
        ({"resolution": 0.0}, "above 0; given 0.0"),
        ({"resolution": float("nan")}, "above 0"),
        ({"estimator": "gausian"}, "did you mean 'gaussian'"),
    ],
)
def test_bad_arguments(options: dict[str, object], message: str) -> None:
    model, data, _ = planted()
    scm = cm.compile(model, data)
    with pytest.raises(cm.InputError, match=message):
        cm.modularity(scm, **{"k": 2, **options})


def test_all_units_inert() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with torch.no_grad():
        linear(model, "0").weight.zero_()
    scm = cm.compile(model.eval(), torch.randn(20, 3))
    with pytest.raises(cm.InputError, match="none of the model's 6 units is live"):
        cm.modularity(scm, 2)
