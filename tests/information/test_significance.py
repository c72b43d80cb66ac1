"""Many tests at once against scipy, and off-manifold shares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import false_discovery_control

from causalmod.errors import InputError
from causalmod.information.off_manifold import off_manifold
from causalmod.information.significance import METHODS, adjusted


def p_values(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) ** 3


@pytest.mark.parametrize("method", ["bh", "by"])
def test_false_discovery_rates_are_those_of_scipy(method: str) -> None:
    p = p_values(5, 7)
    expected = false_discovery_control(p.double().numpy().ravel(), method=method).reshape(5, 7)
    assert np.allclose(adjusted(p, method).numpy(), expected)


def test_holm_steps_down() -> None:
    """Holm (1979): .01 × 4, then .02 × 3; .03 × 2 and .04 × 1 are not below the one before."""
    found = adjusted(torch.tensor([0.04, 0.01, 0.03, 0.02], dtype=torch.float64), "holm")
    assert found.tolist() == pytest.approx([0.06, 0.04, 0.06, 0.06])


@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_tested_is_not_counted(method: str) -> None:
    p = p_values(8)
    with_gaps = torch.cat([torch.tensor([float("nan")]), p, torch.tensor([float("nan")])])
    found = adjusted(with_gaps, method)
    assert found.isnan().nonzero().flatten().tolist() == [0, 9]
    assert torch.equal(found[1:-1], adjusted(p, method))
    assert bool((found[1:-1] >= p.double()).all())
    assert bool((found[1:-1] <= 1).all())


@pytest.mark.parametrize("method", ["holm", "bonferroni"])
def test_a_false_discovery_in_a_family_is_rare(method: str) -> None:
    generator = torch.Generator().manual_seed(0)
    families = torch.rand(2000, 20, generator=generator)
    wrong = sum(bool((adjusted(p, method) <= 0.05).any()) for p in families)
    assert 60 <= wrong <= 140  # about 1 - (1 - .05 / 20)^20 = 4.9% of 2000


def test_what_cannot_be_adjusted() -> None:
    with pytest.raises(InputError, match="did you mean 'holm'"):
        adjusted(p_values(3), "hom")
    with pytest.raises(InputError, match=r"between 0 and 1; given 0\.5 to 1\.5"):
        adjusted(torch.tensor([0.5, 1.5]))
    assert adjusted(torch.empty(0)).shape == (0,)


def test_the_share_outside_the_observed_range() -> None:
    observed = torch.tensor([[0.0, 10.0], [1.0, 20.0]])
    runs = torch.tensor([[[0.5, 15.0], [-1.0, 25.0]], [[1.0, 20.0 + 1e-5], [0.0, 9.0]]])
    assert off_manifold(observed, runs) == 3 / 8
    assert off_manifold(observed, observed) == 0.0
    assert off_manifold(observed, torch.empty(0, 2)) == 0.0
