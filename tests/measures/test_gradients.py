"""Attribution graph and interface dimension against closed forms and numpy; unit flow likewise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from causalmod import Partition, StructuralCausalModel, compile, zoo
from causalmod.measures import (
    InteractionGraph,
    InterfaceDimension,
    UnitFlow,
    attribution_graph,
    effective_rank,
    newman_q,
)
from causalmod.zoo.blocks import fixed_linear

ROWS = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
WEIGHT = [[0.5, -2.0, 1.0], [0.0, 1.0, 1.0]]


def two_layers(last: nn.Module) -> StructuralCausalModel:
    layers = nn.Sequential(fixed_linear(torch.eye(3)), nn.Identity(), fixed_linear(WEIGHT), last)
    return compile(layers.eval(), ROWS)


def test_attributions_of_a_linear_layer_in_closed_form() -> None:
    # A = (x - mean) w, so E = |w| sd(x) / sd(receiver)
    scm = two_layers(nn.Identity())
    seen = scm.observe()
    spread = seen["0"].std(0, unbiased=False).double().numpy()
    theirs = seen["output"].std(0, unbiased=False).double().numpy()
    expected = np.zeros((5, 5))
    expected[:3, 3:] = np.abs(np.array(WEIGHT).T) * spread[:, None] / theirs[None, :]
    assert attribution_graph(scm) == pytest.approx(expected, rel=1e-5)
    split = Partition({"a": ["0[0]", "0[1]", "output[0]"], "b": ["0[2]", "output[1]"]})
    q = newman_q(expected + expected.T, "aabab")
    assert InteractionGraph()(scm, split) == pytest.approx(q, rel=1e-5)


def test_attributions_add_up_to_what_changed() -> None:
    # completeness (Sundararajan et al. 2017, proposition 1): one sender accounts for all of it
    model = nn.Sequential(fixed_linear([[1.0]]), nn.Identity(), fixed_linear([[3.0]]), nn.Tanh())
    scm = compile(model.eval(), ROWS[:, :1])
    x = scm.observe()["0"][:, 0].double().numpy()
    y = np.tanh(3 * x)
    expected = np.sqrt(np.mean((y - np.tanh(3 * x.mean())) ** 2)) / y.std()
    assert attribution_graph(scm, steps=200)[0, 1] == pytest.approx(expected, rel=1e-3)


def test_rescaling_does_not_matter_and_dead_units_have_no_edge() -> None:
    case = zoo.isolated()
    plain = attribution_graph(case.compile())
    wider = attribution_graph(zoo.with_inert_units(case).compile())
    assert wider == pytest.approx(plain, abs=1e-6)
    assert np.count_nonzero(plain) == 12  # two blocks, each 2 × 2 and 2 × 1 weights


def roy_vetterli(matrix: np.ndarray) -> float:
    values = np.linalg.svd(matrix, compute_uv=False)
    share = values[values > 1e-12 * values.max()] / values.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def test_interface_of_a_linear_layer_in_closed_form() -> None:
    scm = two_layers(nn.Identity())
    seen = scm.observe()
    covariance = np.cov(seen["0"].double().numpy().T, bias=True)
    theirs = seen["output"].std(0, unbiased=False).double().numpy()
    passed = np.array(WEIGHT) / theirs[:, None]
    # the eigenvalues of S^1/2 J^T J S^1/2 are those of J S J^T
    expected = roy_vetterli(passed @ covariance @ passed.T)
    split = Partition({"first": ["0"], "last": ["output"]})
    assert InterfaceDimension()(scm, split) == pytest.approx(expected, rel=1e-4)
    assert 1 < expected < 2


def test_copies_of_one_signal_are_one_direction() -> None:
    copies = nn.Sequential(
        fixed_linear([[1.0], [1.0], [-2.0]]), nn.Identity(), fixed_linear(torch.eye(3).tolist())
    )
    scm = compile(copies.eval(), ROWS[:, :1])
    split = Partition({"first": ["0"], "last": ["output"]})
    assert InterfaceDimension()(scm, split) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("size", [1, 4])
def test_effective_rank_of_projections(size: int) -> None:
    axes = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(1)).double())
    some = axes.Q[:, :size]
    assert effective_rank(3 * some @ some.T) == pytest.approx(size)
    assert effective_rank(torch.zeros(3, 3)) == 0.0


def test_separate_modules_have_no_interface_and_no_flow() -> None:
    case = zoo.planted()
    assert case.partition is not None
    scm = case.compile()
    assert InterfaceDimension()(scm, case.partition) == 0.0
    assert UnitFlow()(scm, case.partition) == 0.0


def test_unit_flow_of_a_linear_layer_in_closed_form() -> None:
    # resampling x by itself moves the receiver by w (x' - x), of mean square 2 w^2 Var(x)
    scm = two_layers(nn.Identity())
    seen = scm.observe()
    spread, theirs = (seen[s].var(0, unbiased=False).double().numpy() for s in ("0", "output"))
    flow = np.array(WEIGHT).T ** 2 * spread[:, None] / theirs[None, :]
    split = Partition({"a": ["0[0]", "0[1]", "output[0]"], "b": ["0[2]", "output[1]"]})
    crossing = flow[2, 0] + flow[0, 1] + flow[1, 1]
    assert UnitFlow()(scm, split) == pytest.approx(crossing / flow.sum(), rel=1e-4)


def test_gradients_do_not_see_steps() -> None:
    class Threshold(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x > 0).to(x.dtype)

    scm = two_layers(Threshold())
    assert not attribution_graph(scm).any()
    assert InterfaceDimension()(scm, Partition({"first": ["0"], "last": ["output"]})) == 0.0
