"""Isolated blocks: the planted split alone is silent. Inert units change no answer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from causalmod import InputError, modularity, zoo
from tests.zoo.networks import dense
from tests.zoo.references import perceptron


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_planted_split_alone_is_silent(seed: int) -> None:
    case = zoo.isolated(seed)
    assert isinstance(case.model, nn.Sequential)
    assert case.modules is not None
    network = perceptron(case.model, case.inputs.double().numpy())
    bits = {frozenset(s["a"]): network.exchange(s) for s in network.bipartitions()}
    assert len(bits) == 511
    silent = [inside for inside, exchanged in bits.items() if exchanged == 0]
    assert len(silent) == 1
    assert silent[0] in {frozenset(members) for members in case.modules.values()}
    assert min(value for value in bits.values() if value > 0) > 0.1
    assert all(network.internal(members) > 0 for members in case.modules.values())
    assert network.observational(case.modules["left"], case.modules["right"]) > 0.1


def test_neurons_are_shuffled() -> None:
    lefts = {tuple(zoo.isolated(seed).modules["left"]) for seed in range(6)}  # type: ignore[index]
    assert len(lefts) > 1


@pytest.mark.parametrize("widths", [(3,), (2, 0), ()])
def test_impossible_widths_are_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="widths"):
        zoo.isolated(widths=widths)


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_inert_units_change_no_answer(activation: type[nn.Module]) -> None:
    base = dense(seed=2, activation=activation)
    case = zoo.with_inert_units(base, dead=2, unread=3, seed=7)
    plain, wider = base.compile(), case.compile()
    assert wider.units.names == plain.units.names
    assert len(wider.units.inert) == len(plain.units.inert) + 2 * 5
    assert torch.allclose(wider.observe()["output"], plain.observe()["output"], atol=1e-5)
    expected, found = modularity(plain, 2, nulls=3), modularity(wider, 2, nulls=3)
    assert expected.raw > 0.1
    assert found.partition == expected.partition
    assert found.raw == pytest.approx(expected.raw, abs=1e-9)
    assert found.score == pytest.approx(expected.score, abs=1e-9)
    assert found.null_scores == pytest.approx(expected.null_scores, abs=1e-9)


def test_dead_units_have_huge_outgoing_weights_and_unread_ones_none() -> None:
    case = zoo.with_inert_units(dense(widths=(3, 2, 1)), dead=1, unread=1)
    assert isinstance(case.model, nn.Sequential)
    readout = case.model.get_submodule("readout")
    assert isinstance(readout, nn.Linear)
    assert readout.weight[:, 2:].tolist() == [[1000.0, 0.0]]


@pytest.mark.parametrize(
    ("case", "says"),
    [(zoo.fork(), "nn.Sequential"), (dense(activation=nn.LogSigmoid), "activation")],
)
def test_where_no_inert_unit_can_be_appended(case: zoo.Case, says: str) -> None:
    with pytest.raises(InputError, match=says):
        zoo.with_inert_units(case)
