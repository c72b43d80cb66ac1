"""Runs by stages against runs of the whole network, on every kind of network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod.exchange import CONTEXT, RESPOND, HybridRuns, Sample, draw_sample, hybrid
from causalmod.exchange.staged_runs import Piece, StagedRuns
from causalmod.exchange.stages import find_stages
from causalmod.information import ESTIMATORS
from tests.compiler.networks import BUILDERS, compiled

DONORS = 3
STREAMS = 2


def sample_of(scm: cm.StructuralCausalModel, contexts: int = 3) -> Sample:
    return draw_sample(torch.arange(scm.rows), contexts, DONORS, STREAMS, seed=1)


def whole(scm: cm.StructuralCausalModel, sample: Sample, states: Tensor) -> dict[int, Tensor]:
    runs = HybridRuns(scm, sample)
    responses = [response[0] for response in runs.run(states[None])]
    return dict(zip(runs.filled, responses, strict=True))


def agree(
    scm: cm.StructuralCausalModel, pieces: list[Piece], expected: dict[int, Tensor], who: Tensor
) -> None:
    for site, response in expected.items():
        member = who[scm.units.at(site)]
        parts = [piece.members()[site] for piece in pieces]
        assert (parts[0] is None) == (not bool(member.any()))
        shown = [part.expand(-1, DONORS, -1, -1) for part in parts if part is not None]
        if not shown:
            continue
        got, right = torch.cat(shown).double(), response[:, :, member].double()
        size = float(right.abs().amax()) if right.numel() else 1.0
        rounding = 50 * torch.finfo(response.dtype).eps
        assert torch.allclose(got, right, rtol=rounding, atol=rounding * max(size, 1.0))


def floating(name: str) -> cm.StructuralCausalModel:
    scm = compiled(name)
    for site in scm.units.sites:
        if not scm.blocks(site).is_floating_point():
            pytest.skip("a site holds whole numbers")
    return scm


@pytest.mark.parametrize("name", BUILDERS)
def test_stages_give_what_the_whole_network_gives(name: str) -> None:
    scm = floating(name)
    stages = find_stages(scm, scm.units)
    assert stages is not None
    sample = sample_of(scm, min(3, scm.rows))
    runs = StagedRuns(scm, scm.units, stages, sample)
    generator = torch.Generator().manual_seed(0)
    states = torch.randint(-2, STREAMS, (len(scm.units),), generator=generator)
    members = torch.rand(len(scm.units), generator=generator) < 0.5
    setting = runs.setting(states, members)
    pieces = [setting.run(slice(0, 2)), setting.run(slice(2, None))]
    agree(scm, pieces, whole(scm, sample, states), members)
    for unit in (0, len(scm.units) // 2, len(scm.units) - 1):
        for state, member in ((RESPOND, True), (CONTEXT, False), (1, False)):
            other = setting.moved(unit, state, member)
            moved = [piece.moved(other, unit)[0] for piece in pieces]
            agree(scm, moved, whole(scm, sample, other.states), other.members)


def multilayer() -> cm.StructuralCausalModel:
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [nn.Linear(4, 9), nn.Tanh(), nn.Linear(9, 9), nn.ReLU(), nn.Linear(9, 3)]
    return cm.compile(nn.Sequential(*layers).eval(), torch.randn(40, 4, generator=generator))


def test_linear_maps_are_found() -> None:
    stages = find_stages(multilayer(), multilayer().units)
    assert stages is not None
    assert [len(stage.maps) for stage in stages] == [0, 1, 1]
    assert all(stage.by_column and not stage.whole for stage in stages[1:])


def test_an_intervention_on_a_live_unit_is_no_stage() -> None:
    scm = multilayer()
    assert find_stages(scm.do({"3[1]": 0.5}), scm.units) is None
    assert find_stages(scm.do({"3[1]": lambda value: value + 1}), scm.units) is None
    assert find_stages(scm.do({("1[0]", "2[1]"): 0.5}), scm.units) is None


@pytest.mark.parametrize("name", ["gaussian", "pairwise", "exact"])
def test_bits_do_not_depend_on_the_way(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scm = multilayer()
    sample = draw_sample(torch.arange(40), 6, 8, STREAMS, seed=0)
    generator = torch.Generator().manual_seed(2)
    states = torch.randint(-2, STREAMS, (5, len(scm.units)), generator=generator)
    states[4] = CONTEXT  # nothing moves at all
    members = torch.rand(5, len(scm.units), generator=generator) < 0.5
    found: list[tuple[Tensor | None, ...]] = []
    for least in (10**9, 0):
        monkeypatch.setattr(hybrid, "_BATCHED", least)
        runs = HybridRuns(scm, sample)
        assert (runs.staged is None) == (least > 0)
        kind = ESTIMATORS.get(name)
        joint = kind.fit(None, runs.coordinates.observed(), 1.0)
        apart = [kind.fit(None, each, 1.0) for each in runs.coordinates.observed_apart()]
        bits = runs.joint(joint, states, members)
        found.append((bits.bits, bits.upper, runs.apart(apart, states, members)))
    for one, other in zip(*found, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert torch.allclose(one.double(), other.double(), atol=1e-5)
            assert float(other[4].abs().max()) == 0.0
