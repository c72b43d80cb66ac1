"""What every axiom must be, whichever it is; and that its networks are what it says."""

from __future__ import annotations

import pytest
import torch

from causalmod.conformance import AXIOMS, Axiom, Situation
from causalmod.conformance.axioms.architecture import _base, _changed
from causalmod.conformance.axioms.basis import _network as _rotated
from causalmod.conformance.axioms.bias import _SILENT, _network
from causalmod.conformance.axioms.confounding import _tracks
from causalmod.conformance.axioms.inferable import _lookup, _third
from causalmod.conformance.axioms.transfer import _made
from causalmod.conformance.judge import _situations

NAMES = AXIOMS.names()


@pytest.fixture(params=NAMES)
def axiom(request: pytest.FixtureRequest) -> Axiom:
    return AXIOMS.get(request.param)


def test_the_axioms_that_there_are() -> None:
    assert set(NAMES) >= {
        "anti_modularity", "architecture", "basis", "bias", "conduct", "confounding", "directions",
        "hierarchy", "honesty", "inferable", "leak", "perfect_modularity", "redundancy",
        "relabelling", "size", "synergy", "transfer",
    }  # fmt: skip


def test_it_says_what_it_is(axiom: Axiom) -> None:
    assert AXIOMS.get(axiom.name) is axiom
    assert axiom.statement.endswith(".")
    assert axiom.source
    assert axiom.tolerance


@pytest.mark.parametrize("quick", [True, False])
def test_its_claims(axiom: Axiom, quick: bool) -> None:
    claims = axiom.claims(quick=quick)
    assert claims
    assert len({claim.text for claim in claims}) == len(claims)
    for claim in claims:
        situations = _situations(claim)
        names = [each.name for each in situations]
        assert len(set(names)) == len(names), "a finding lists values by these names"


def test_the_quick_claims_are_among_all(axiom: Axiom) -> None:
    assert len(axiom.claims(quick=True)) <= len(axiom.claims())


def units(situation: Situation) -> list[torch.Tensor]:
    """Activations of the live units of each module, as columns in the order of their names."""
    found = situation.scm.observe()
    columns = {}
    for name in situation.scm.units.names:
        site, _, index = name.partition("[")
        columns[name] = found[site].flatten(1)[:, int(index[:-1])]
    return [
        torch.stack([columns[unit] for unit in members if unit in columns], 1)
        for members in situation.partition.modules.values()
    ]


@pytest.mark.parametrize(
    ("activation", "change"),
    [("relu", "dead units"), ("tanh", "dead units"), ("gelu", "dead units"),
     ("relu", "unread units")],
)  # fmt: skip
def test_inert_units_leave_the_function(activation: str, change: str) -> None:
    before, after = _base(activation), _changed(activation, change)
    assert len(after.scm.units.inert) >= 6
    assert set(after.partition.labels) > set(before.partition.labels)
    for one, other in zip(units(before), units(after), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("activation", "change"),
    [("relu", "rescaled units"), ("tanh", "flipped signs"), ("tanh", "duplicated units"),
     ("relu", "pass-through units")],
)  # fmt: skip
def test_the_outputs_stay(activation: str, change: str) -> None:
    before, after = _base(activation), _changed(activation, change)
    torch.testing.assert_close(
        before.scm.observe()["output"], after.scm.observe()["output"], atol=1e-4, rtol=1e-4
    )


def test_rescaled_and_flipped_units_are_other_units() -> None:
    for activation, change in (("relu", "rescaled units"), ("tanh", "flipped signs")):
        before, after = _base(activation), _changed(activation, change)
        assert not torch.allclose(units(before)[0], units(after)[0])


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_silent_gates_are_inert_and_open_ones_are_not(activation: str) -> None:
    silent, opened = _network(_SILENT, activation), _network(0.0, activation)
    assert set(silent.scm.units.inert) == {"hidden1[8]", "hidden1[9]"}
    assert not opened.scm.units.inert
    cut = _network(None, activation)
    for one, other in zip(units(silent), units(cut), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_tracks_have_the_correlation_they_say() -> None:
    for rho in (0.0, 0.5, 0.9):
        found = _tracks(rho).scm.observe()
        both = torch.stack([found["duck1"].flatten(), found["shadow1"].flatten()])
        assert torch.corrcoef(both)[0, 1].item() == pytest.approx(rho, abs=1e-6)


def test_told_and_worked_out_activations_are_equal() -> None:
    for make in (_third, _lookup):
        told, worked_out = make(True).scm.observe(), make(False).scm.observe()
        for site in ("b1", "b2", "c1", "c2"):
            assert torch.equal(told[site], worked_out[site])


def test_the_same_function_in_three_architectures() -> None:
    expected = _made("perceptron", 0.2)
    for architecture in ("convolution", "transformer"):
        found = _made(architecture, 0.2)
        for one, other in zip(units(expected), units(found), strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_rotation_leaves_the_function() -> None:
    plain, turned = _rotated(False, False), _rotated(True, True)
    for site in ("hidden1", "mixed", "hidden2", "output"):
        torch.testing.assert_close(
            plain.scm.observe()[site], turned.scm.observe()[site], atol=1e-5, rtol=1e-5
        )
    neurons = _rotated(True, False).scm.observe()["mixed"]
    assert not torch.allclose(neurons, turned.scm.observe()["mixed"], atol=0.1)
