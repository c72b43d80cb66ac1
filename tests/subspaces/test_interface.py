"""Interface dimension against closed forms, and against autograd and numpy by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod.subspaces.spectrum import entropy_rank, participation, spectrum_of

DOUBLE = torch.float64


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def through(rank: int, width: int = 5, seed: int = 0) -> cm.StructuralCausalModel:
    """Input, then a linear map of that rank, orthonormal on what it reads."""
    generator = seeded(seed)
    left, right = (
        torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=DOUBLE))[0]
        for _ in range(2)
    )
    layer = nn.Linear(width, width, bias=False).to(DOUBLE).eval()
    with torch.no_grad():
        layer.weight.copy_(left[:, :rank] @ right[:rank])
    # rows of a scaled Hadamard-like design: features have variance 1 and are uncorrelated
    signs = torch.tensor(np.array(list(np.ndindex(*[2] * width)))).to(DOUBLE) * 2 - 1
    return cm.compile(layer, signs)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_rank_of_a_linear_interface(rank: int) -> None:
    scm = through(rank)
    found = cm.interface_dimension(scm, "input", "output", contexts=32, draws=32)
    weight = scm.parameters["p_weight"]
    scaled = weight / scm.scales["output"]  # [output, 1] on the left, inputs have variance 1
    expected = np.linalg.eigvalsh((scaled.T @ scaled).detach().numpy())[::-1].clip(0)
    np.testing.assert_allclose(found.curvature.values.numpy(), expected, atol=1e-9)
    assert found.curvature.participation == pytest.approx(expected.sum() ** 2 / (expected**2).sum())
    assert 1 <= found.curvature.entropy <= rank + 1e-9
    assert int((found.response.values > 1e-9).sum()) == rank


def test_curvature_of_a_nonlinear_network_by_autograd() -> None:
    generator = seeded(3)
    last = nn.Linear(4, 2)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), last).to(DOUBLE).eval()
    values = torch.randn(40, 3, generator=generator, dtype=DOUBLE)
    scm = cm.compile(net, values)
    found = cm.interface_dimension(scm, "1", "output", contexts=40)
    hidden = net[:2](values).detach()
    jacobian = last.weight.detach() * hidden.std(0, unbiased=False)
    jacobian = jacobian / net(values).detach().std(0, unbiased=False)[:, None]
    expected = np.linalg.eigvalsh((jacobian.T @ jacobian).numpy())[::-1].clip(0)
    np.testing.assert_allclose(found.curvature.values.numpy(), expected, atol=1e-8)


def test_response_covariance_by_enumeration() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)).to(DOUBLE).eval()
    values = torch.randn(30, 2, generator=seeded(1), dtype=DOUBLE)
    scm = cm.compile(net, values)
    found = cm.interface_dimension(scm, "1[0:2]", "output", contexts=30, draws=800)
    hidden = net[:2](values).detach()
    total = torch.zeros(2, 2, dtype=DOUBLE)
    for row in range(30):
        mixed = hidden[row].repeat(30, 1)
        mixed[:, :2] = hidden[:, :2]
        answers = net[2](mixed).detach() / net(values).detach().std(0, unbiased=False)
        total += torch.cov(answers.T, correction=0) / 30
    expected = np.linalg.eigvalsh(total.numpy())[::-1]
    np.testing.assert_allclose(found.response.values.numpy(), expected, rtol=0.1)


def test_direct_effects_hold_what_lies_between() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)).to(DOUBLE).eval()
    values = torch.randn(30, 2, generator=seeded(1), dtype=DOUBLE)
    scm = cm.compile(net, values)
    total = cm.interface_dimension(scm, "input", "output", contexts=8, draws=8)
    direct = cm.interface_dimension(scm, "input", "output", effect="direct", contexts=8, draws=8)
    assert total.curvature.participation >= 1
    assert direct.curvature.participation == direct.response.participation == 0


def test_rotations_of_the_interface_change_nothing() -> None:
    scm = through(3)
    turn = torch.linalg.qr(torch.randn(5, 5, generator=seeded(4), dtype=DOUBLE))[0]
    turned = scm.with_basis({"input": turn})
    one, two = (cm.interface_dimension(m, "input", "output", draws=16) for m in (scm, turned))
    # inputs are uncorrelated with variance 1 in every rotation
    for kind in ("curvature", "response"):
        first, second = (getattr(each, kind).values.numpy() for each in (one, two))
        np.testing.assert_allclose(first, second, atol=1e-9)


def test_effective_ranks_by_hand() -> None:
    values = torch.tensor([2.0, 1.0, 1.0], dtype=DOUBLE)
    assert participation(values) == pytest.approx(16 / 6)
    assert entropy_rank(values) == pytest.approx(2**1.5)  # H(1/2, 1/4, 1/4) = 1.5 bits
    assert participation(0 * values) == entropy_rank(0 * values) == 0
    flat = spectrum_of([torch.eye(3, dtype=DOUBLE)])
    assert flat.participation == pytest.approx(3)
    assert np.isnan(flat.participation_low)


def test_intervals_cover_the_limit() -> None:
    """Gaussian rows of unequal variance: the participation ratio of the true covariance."""
    truth = torch.tensor([4.0, 2.0, 1.0, 1.0], dtype=DOUBLE)
    expected = float(truth.sum() ** 2 / truth.square().sum())
    hits = 0
    for seed in range(100):
        rows = torch.randn(16, 64, 4, generator=seeded(seed), dtype=DOUBLE) * truth.sqrt()
        blocks: list[Tensor] = [part.T @ part / len(part) for part in rows]
        found = spectrum_of(blocks)
        hits += found.participation_low <= expected <= found.participation_high
    assert hits >= 88  # of 95 in the mean, less three standard errors


def test_what_is_refused() -> None:
    scm = through(2)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"effect": "all"}, "effect is"),
        ({"contexts": 0}, "contexts is a whole number"),
        ({"draws": 1}, "draws is a whole number of at least 2"),
        ({"seed": "a"}, "seed is a whole number"),
    ]
    for options, says in cases:
        with pytest.raises(cm.InputError, match=says):
            cm.interface_dimension(scm, "input", "output", **options)
    with pytest.raises(cm.InputError, match="must be disjoint"):
        cm.interface_dimension(scm, "input", "input[0]")
    with pytest.raises(cm.InputError, match="name a target"):
        cm.interface_dimension(scm, "output")
    with pytest.raises(cm.SelectorError):
        cm.interface_dimension(scm, "fc9")


def test_shown_and_drawn() -> None:
    found = cm.interface_dimension(through(2), "input", contexts=8, draws=8)
    assert "dimensions are read" in repr(found)
    assert found.to_dict()["curvature"]["participation"][0] == found.curvature.participation
    assert "<table>" in found._repr_html_()
    figure = found.plot()
    assert len(figure.axes[0].lines) == 2
