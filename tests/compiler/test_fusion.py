"""Activations written out in several operations run as one in sweeps, and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod.compiler.fusion import fuse


class Net(nn.Module):
    """Two linear maps around an activation, with a residual."""

    def __init__(self, activation: Callable[[Tensor], Tensor], dtype: torch.dtype) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(4, 6, dtype=dtype)
        self.middle = nn.Linear(6, 6, dtype=dtype)
        self.last = nn.Linear(6, 3, dtype=dtype)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.first(x))
        return self.last(hidden + self.activation(self.middle(hidden)))


def as_gpt2(x: Tensor) -> Tensor:
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


def by_products(x: Tensor) -> Tensor:
    return x * (0.5 * (torch.tanh(x * 0.7978845608 * (1.0 + 0.044715 * x * x)) + 1.0))


def by_erf(x: Tensor) -> Tensor:
    return x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))


def by_sigmoid(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def nearly_silu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def nearly_gpt2(x: Tensor) -> Tensor:
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.045 * torch.pow(x, 3.0))))


def two_arguments(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x.flip(-1))


def scaled(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x) * torch.tensor([1.0, 2.0, 1.0, 1.0, 1.0, 1.0])


def compiled(
    activation: Callable[[Tensor], Tensor],
    sites: list[str] | None = None,
    dtype: torch.dtype = torch.float32,
) -> tuple[nn.Module, Tensor, cm.StructuralCausalModel]:
    net = Net(activation, dtype).eval()
    data = torch.randn(16, 4, generator=torch.Generator().manual_seed(1)).to(dtype)
    return net, data, cm.compile(net, data, sites=sites)


def operations(scm: cm.StructuralCausalModel) -> list[str]:
    """What the output of a sweep is computed by, behind the first ReLU."""
    program, _ = scm.program.fused
    seen, stack = set(), [program.trace.outputs["output"]]
    while stack:
        node = program.nodes[stack.pop()]
        if node.name not in seen and node.op == "call_function":
            seen.add(node.name)
            stack += [each.name for each in node.all_input_nodes]
    return [str(n.target) for n in program.nodes.values() if n.name in seen]


@pytest.mark.parametrize(
    ("activation", "operation", "fewer", "dtype"),
    [
        (as_gpt2, "gelu", 7, torch.float32),
        (as_gpt2, "gelu", 7, torch.float64),
        (by_products, "gelu", 8, torch.float32),
        (by_erf, "gelu", 4, torch.float32),
        (by_erf, "gelu", 4, torch.float64),
        (by_sigmoid, "silu", 1, torch.float32),
        (by_sigmoid, "silu", 1, torch.float64),
    ],
)
def test_is_one_operation_in_a_sweep_and_equal_to_rounding(
    activation: Callable[[Tensor], Tensor], operation: str, fewer: int, dtype: torch.dtype
) -> None:
    net, data, scm = compiled(activation, dtype=dtype)
    found = operations(scm)
    assert sum(operation in each for each in found) == 1
    assert not any(heart in each for each in found for heart in ("tanh", "erf", "sigmoid"))
    assert len(scm.program.fused[1]) == fewer
    assert torch.equal(scm.observe()["output"], net(data))
    swept = scm.sweep("relu", progress=False)
    tight = 1e-6 if dtype == torch.float32 else 1e-13
    for unit, got in swept:
        expected = scm.do({unit: cm.resample(0)}).observe()["output"]
        assert torch.allclose(got["output"], expected, rtol=tight, atol=tight)


@pytest.mark.parametrize(
    ("activation", "dtype"),
    [
        (nearly_silu, torch.float32),
        (nearly_gpt2, torch.float32),
        (two_arguments, torch.float32),
        (by_products, torch.float64),  # a constant of ten digits
    ],
)
def test_what_is_only_alike_stays(
    activation: Callable[[Tensor], Tensor], dtype: torch.dtype
) -> None:
    scm = compiled(activation, dtype=dtype)[2]
    assert scm.program.fused[0] is scm.program


def test_a_factor_behind_the_activation_stays() -> None:
    scm = compiled(scaled)[2]
    found = operations(scm)
    assert sum("silu" in each for each in found) == 1
    got = scm.sweep("relu", 0.0, progress=False)["relu[1]"]["output"]
    assert torch.allclose(got, scm.do({"relu[1]": 0.0}).observe()["output"], atol=1e-6)


def test_half_precision_is_left_as_it_is() -> None:
    """One rounding in place of eight would differ by more than a sweep promises."""
    scm = compiled(as_gpt2, dtype=torch.bfloat16)[2]
    assert scm.program.fused[0] is scm.program


def test_names_stay_and_the_trace_is_left_alone() -> None:
    scm = compiled(as_gpt2)[2]
    program = scm.program
    before = str(program.trace.graph)
    trace, inside = fuse(program.trace, program.constants.keys())
    assert str(program.trace.graph) == before
    assert [node.name for node in trace.graph.nodes] == [n.name for n in program.trace.graph.nodes]
    assert inside < set(program.nodes)


@pytest.mark.parametrize("value", [0.0, cm.resample(3)])
def test_inside_an_activation_can_be_set_and_recorded(value: cm.Value) -> None:
    scm = compiled(as_gpt2, sites=["relu", "tanh", "output"])[2]
    swept = scm.sweep(["tanh", "relu"], value, record=["tanh", "output"], progress=False)
    assert any(name.startswith("tanh") for name in swept.names)
    moved = torch.zeros(())
    for unit, got in swept:
        expected = scm.do({unit: value}).observe()
        for site in ("tanh", "output"):
            assert torch.allclose(got[site], expected[site], atol=1e-6)
        moved = torch.maximum(moved, (expected["output"] - scm.observe()["output"]).abs().max())
    assert moved > 1e-3


def test_a_mutilated_model_keeps_what_was_set_inside() -> None:
    scm = compiled(as_gpt2, sites=["relu", "tanh", "output"])[2].do({"tanh[2]": 0.5})
    for unit, got in scm.sweep("relu", 0.0, progress=False):
        expected = scm.do({unit: 0.0}).observe()["output"]
        assert torch.allclose(got["output"], expected, atol=1e-6)
