"""Hybrid runs against a network stepped by hand, and the samples that they run on."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod.exchange import CONTEXT, RESPOND, HybridRuns, Sample, draw_sample
from causalmod.exchange.coordinates import Coordinates
from causalmod.information import ESTIMATORS, Observed
from causalmod.scm.units import find_units
from tests.exchange.networks import perceptron

CONTEXTS, DONORS, STREAMS = 5, 6, 2


@pytest.fixture(scope="module")
def network() -> tuple[nn.Sequential, Tensor]:
    model, data = perceptron((3, 4, 4, 2), rows=30)
    dead = model.get_submodule("linear1")
    assert isinstance(dead, nn.Linear)
    with torch.no_grad():
        dead.weight[1] = 0.0  # hidden1[1] is constant, so it is held and left out
    return model, data


def by_hand(
    model: nn.Sequential, x: Tensor, held: dict[str, tuple[Tensor, Tensor]]
) -> dict[str, Tensor]:
    """One run on one row; ``held`` maps a site to a mask of its units and their values."""
    natural: dict[str, Tensor] = {}
    value = x
    layers = [*model.named_children()]
    for place, (name, layer) in enumerate(layers):
        value = layer(value)
        site = "output" if place == len(layers) - 1 else name
        natural[site] = value
        if site in held:
            mask, given = held[site]
            value = torch.where(mask, given, value)
    return natural


def test_runs_are_those_stepped_by_hand(network: tuple[nn.Sequential, Tensor]) -> None:
    model, data = network
    scm = cm.compile(model, data)
    recorded = scm.observe()
    sample = draw_sample(torch.arange(30), CONTEXTS, DONORS, STREAMS, seed=0)
    generator = torch.Generator().manual_seed(1)
    states = torch.randint(-2, STREAMS, (7, len(scm.units)), generator=generator)
    states[0] = RESPOND
    got = HybridRuns(scm, sample).run(states)
    assert [tuple(r.shape) for r in got] == [(7, CONTEXTS, DONORS, units, 1) for units in (3, 4, 2)]
    for job, context, donor in [(j, c, d) for j in range(7) for c in range(5) for d in (0, 3)]:
        held: dict[str, tuple[Tensor, Tensor]] = {}
        for number, site in enumerate(scm.units.sites):
            width = recorded[site].shape[1]
            mask, given = torch.zeros(width, dtype=torch.bool), torch.zeros(width)
            for unit in scm.units.at(number).tolist():
                state, place = int(states[job, unit]), int(scm.units.index[unit])
                if state == RESPOND:
                    continue
                row = (
                    sample.contexts[context]
                    if state == CONTEXT
                    else sample.donors[state, context, donor]
                )
                mask[place], given[place] = True, recorded[site][row, place]
            held[site] = (mask, given)
        natural = by_hand(model, data[sample.contexts[context]], held)
        for number, site in enumerate(scm.units.sites):
            places = scm.units.index[scm.units.at(number)]
            assert torch.allclose(
                got[number][job, context, donor, :, 0], natural[site][places], atol=1e-6
            )


def test_joint_and_apart_read_members_only(network: tuple[nn.Sequential, Tensor]) -> None:
    scm = cm.compile(*network)
    sample = draw_sample(torch.arange(30), CONTEXTS, DONORS, STREAMS, seed=0)
    runs = HybridRuns(scm, sample)
    count = len(scm.units)
    states = torch.where(torch.arange(count) < 3, 0, RESPOND).repeat(2, 1)
    members = torch.zeros(2, count, dtype=torch.bool)
    members[0, 4], members[1, 4:6] = True, True
    kind, observed = ESTIMATORS.get("gaussian"), runs.coordinates.observed()
    joint = kind.fit(None, observed, 1.0)
    pair = runs.joint(joint, states, members)
    apart = [kind.fit(None, each, 1.0) for each in runs.coordinates.observed_apart()]
    each = runs.apart(apart, states, members)
    assert pair.bits.shape == each.shape == (2, CONTEXTS)
    assert torch.allclose(pair.bits[0], each[0])  # one unit: the same either way
    assert bool((pair.bits[1] <= each[1] + 1e-9).all())  # parallel channels share what they carry
    responses = torch.cat([r.flatten(3) for r in runs.run(states)], dim=-1)[1][..., [4, 5]].double()
    alone = kind.fit(None, Observed(observed.values[:, 4:6], observed.scale[4:6]), 1.0)
    assert torch.allclose(alone.response(responses).bits, pair.bits[1])


def test_batches_of_jobs_change_nothing(network: tuple[nn.Sequential, Tensor]) -> None:
    scm = cm.compile(*network)
    sample = draw_sample(torch.arange(30), CONTEXTS, DONORS, 1, seed=0)
    states = torch.randint(-2, 1, (9, len(scm.units)), generator=torch.Generator().manual_seed(0))
    members = states == RESPOND
    found: list[Tensor] = []
    for memory in (1, 2 * 10**9):
        runs = HybridRuns(scm, sample, memory=memory)
        assert (runs.jobs_at_once == 1) == (memory == 1)
        joint = ESTIMATORS.get("pairwise").fit(None, runs.coordinates.observed(), 1.0)
        found.append(runs.joint(joint, states, members).bits)
        assert runs.rows_run == 9 * CONTEXTS * DONORS
    assert torch.allclose(found[0], found[1], atol=1e-5)


def test_samples() -> None:
    rows = torch.arange(100, 140)
    sample = draw_sample(rows, 10, 50, 3, seed=4)
    assert sample.shape == (10, 50)
    assert sample.donors.shape == (3, 10, 50)
    assert len(sample.contexts.unique()) == 10  # without replacement
    assert set(sample.donors.unique().tolist()) <= set(rows.tolist())
    assert not torch.equal(sample.donors[0], sample.donors[1])
    again = draw_sample(rows, 10, 50, 3, seed=4)
    assert torch.equal(again.donors, sample.donors)
    assert len(draw_sample(rows, 1000, 2, 1, seed=0).contexts) == 40
    some = Sample(sample.contexts, sample.donors, torch.ones(50)).some(slice(2, 4))
    assert some.shape == (2, 50)
    assert torch.equal(some.donors, sample.donors[:, 2:4])
    assert some.weights is not None


def test_coordinates_are_those_of_the_live_units(network: tuple[nn.Sequential, Tensor]) -> None:
    scm = cm.compile(*network)
    coordinates = Coordinates(scm)
    assert coordinates.unit_of.tolist() == list(range(9))
    values, scale = coordinates.observed()
    recorded = scm.observe()
    expected = torch.cat(
        [recorded["hidden1"][:, [0, 2, 3]], recorded["hidden2"], recorded["output"]], 1
    )
    assert torch.equal(values, expected)
    assert torch.allclose(scale, expected.double().std(0, unbiased=False))


def test_inputs_can_be_units(network: tuple[nn.Sequential, Tensor]) -> None:
    """An input that responds is what it is on the context; one that is set moves what reads it."""
    model, data = network
    scm = cm.compile(model, data)
    units = find_units(scm, inputs=True)
    assert units.names == ("input[0]", "input[1]", "input[2]", *scm.units.names)
    sample = draw_sample(torch.arange(30), CONTEXTS, DONORS, STREAMS, seed=0)
    states = torch.full((2, len(units)), RESPOND)
    states[1, 0], states[1, 2] = 0, 1  # each with a donor of its own
    got = HybridRuns(scm, sample, units=units).run(states)
    context = data[sample.contexts][:, None].expand(-1, DONORS, -1)
    assert torch.equal(got[0][..., 0], context.expand(2, -1, -1, -1))  # what they would be
    mixed = context.clone()
    mixed[..., 0], mixed[..., 2] = data[sample.donors[0]][..., 0], data[sample.donors[1]][..., 2]
    assert torch.allclose(got[-1][1, ..., 0], model(mixed), atol=1e-6)
