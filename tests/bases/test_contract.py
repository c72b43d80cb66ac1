"""What every kind of basis has to fulfil; a new one joins by being registered."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import causalmod as cm
from causalmod.bases import BASES, SiteData
from tests.bases.networks import seeded, two_tracks
from tests.strategies import SOME

#: Kinds that need arguments, and some for a site of four features.
SQUARE = torch.randn(4, 4, generator=seeded(2))
ARGUMENTS: dict[str, dict[str, Any]] = {
    "matrix": {"rows": SQUARE},
    "dictionary": {
        "decoder": torch.cat([torch.eye(4), -torch.eye(4)]),
        "encoder": torch.cat([torch.eye(4), -torch.eye(4)]),
    },
    "interaction": {"tolerance": 0.0},
}
SITES = ["0", "1", "2", "output"]


def made(kind: str) -> Any:
    return getattr(cm.bases, kind)(**ARGUMENTS.get(kind, {}))


@pytest.fixture(scope="module")
def plain() -> cm.StructuralCausalModel:
    values = torch.rand(160, 4, generator=seeded(7), dtype=torch.float64) - 0.5
    return cm.compile(two_tracks(), values, SITES)


@pytest.mark.parametrize("kind", BASES.names())
def test_what_it_says_of_itself(kind: str) -> None:
    basis = BASES.get(kind)
    assert basis.name == kind
    assert basis.paper
    assert ">>>" in (basis.__doc__ or "")
    assert getattr(cm.bases, kind) is basis
    assert list(inspect.signature(basis.fit).parameters) == ["self", "at"]
    assert made(kind).__class__.__setattr__ is not object.__setattr__  # options do not change


@pytest.mark.parametrize("kind", BASES.names())
def test_the_matrix_and_its_inverse(kind: str, plain: cm.StructuralCausalModel) -> None:
    fitted = made(kind).fit(SiteData(plain, "0"))
    assert fitted.features == 4
    assert fitted.matrix.dtype == fitted.directions.dtype == torch.float64
    assert sum(fitted.sizes) == fitted.count
    assert len(fitted.labels) == len(fitted.sizes)
    values = plain.observe()["0"]
    again = fitted.activations(fitted.coordinates(values))
    torch.testing.assert_close(again, values, rtol=0, atol=1e-9)
    if fitted.is_linear:
        one = torch.eye(4, dtype=torch.float64)
        torch.testing.assert_close(fitted.matrix @ fitted.inverse, one, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", BASES.names())
def test_fitted_twice_it_is_the_same(kind: str, plain: cm.StructuralCausalModel) -> None:
    before = torch.random.get_rng_state()
    first, second = (plain.with_basis({"0": made(kind)}) for _ in range(2))
    assert first.observe()["0"].equal(second.observe()["0"])
    assert torch.random.get_rng_state().equal(before)
    assert first.digests == second.digests


@pytest.mark.parametrize("kind", BASES.names())
@SOME
@given(seed=st.integers(0, 10**6))
def test_one_direction_moves_alone(kind: str, plain: cm.StructuralCausalModel, seed: int) -> None:
    scm = plain.with_basis({"0": made(kind)})
    basis = scm.sites["0"].basis
    if basis is None or not basis.is_linear:  # neurons; or coordinates that are read together
        return
    place = seed % scm.sites["0"].count
    natural = scm.observe()["0"]
    after = scm.do({f"0[{place}]": cm.resample(seed)}).observe()["0"]
    moved = (after - natural).abs().amax(0)
    start = sum(basis.sizes[:place])
    others = torch.ones(4, dtype=torch.bool)
    others[start : start + basis.sizes[place]] = False
    assert float(torch.cat([moved[others], torch.zeros(1)]).max()) < 1e-9


@pytest.mark.parametrize("kind", BASES.names())
def test_everything_works_in_it(kind: str, plain: cm.StructuralCausalModel) -> None:
    scm = plain.with_basis({"0": made(kind)})
    assert scm.observe()["output"].equal(plain.observe()["output"])
    names = scm.units.names
    halves = {"a": names[::2], "b": names[1::2]}
    found = cm.exchange(scm, cm.Partition(halves), contexts=16, draws=16, resolution=3.0)
    assert found.bits >= 0
    last = scm.sites["0"].variables[0]
    assert cm.information(scm, last, "output", contexts=16, draws=16, resolution=3.0).bits >= 0
    assert len(scm.sweep("0")) == scm.sites["0"].count
    assert scm.graph.number_of_nodes() > 0
