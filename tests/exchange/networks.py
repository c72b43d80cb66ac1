"""Networks for the tests of information and exchange, with their mechanisms written down twice."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import causalmod as cm
from tests.reference.brute_force import Mechanism, Network, Values

LEVELS = 3
INPUTS, FIRST, SECOND, LAST = 2, 3, 3, 2


class Remainder(nn.Module):
    """Whole-number units: a weighted sum of what they read, modulo three."""

    def __init__(self, reads: int, units: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(units, reads), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(units), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.remainder(F.linear(x, self.weight, self.bias), LEVELS)


class Arithmetic(nn.Module):
    """Three layers of remainders; the second and the third read past the layer before them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Remainder(INPUTS, FIRST)
        self.second = Remainder(INPUTS + FIRST, SECOND)
        self.last = Remainder(FIRST + SECOND, LAST)

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        second = self.second(torch.cat([x, first], dim=1))
        return self.last(torch.cat([first, second], dim=1))


READS = {"first": ("input",), "second": ("input", "first"), "output": ("first", "second")}
SIZES = {"input": INPUTS, "first": FIRST, "second": SECOND, "output": LAST}


class Drawn(NamedTuple):
    """Weights and data of one network."""

    weights: dict[str, np.ndarray]
    biases: dict[str, np.ndarray]
    rows: np.ndarray


@cache
def _compiled() -> cm.StructuralCausalModel:
    grid = torch.cartesian_prod(*[torch.arange(float(LEVELS))] * INPUTS)
    return cm.compile(Arithmetic().eval(), grid, sites=["first", "second", "last"])


def discrete_model(drawn: Drawn) -> cm.StructuralCausalModel:
    """The network in torch; compiled once, then given other weights and data."""
    base = _compiled()
    named = {name: node for node, name in base.program.trace.parameters.items()}
    changed: dict[str, Tensor] = {}
    for site in READS:
        layer = "last" if site == "output" else site
        changed[named[f"{layer}.weight"]] = torch.tensor(drawn.weights[site], dtype=torch.float32)
        changed[named[f"{layer}.bias"]] = torch.tensor(drawn.biases[site], dtype=torch.float32)
    places = torch.tensor(drawn.rows @ np.array([LEVELS, 1]))
    return base.with_rows(places).with_parameters(changed)


def discrete_reference(drawn: Drawn, constant: tuple[str, ...] = ()) -> Network:
    """The same as plain functions; constant units are held at their value, as the package does."""

    def unit(site: str, index: int) -> Mechanism:
        reads = [f"{sender}[{i}]" for sender in READS[site] for i in range(SIZES[sender])]
        weights, bias = drawn.weights[site][index], drawn.biases[site][index]

        def mechanism(values: Values) -> np.ndarray:
            total = sum(w * values[name] for w, name in zip(weights, reads, strict=True))
            return np.mod(total + bias, LEVELS)

        return mechanism

    inputs = {f"input[{i}]": drawn.rows[:, i] for i in range(INPUTS)}
    units = {f"{site}[{i}]": unit(site, i) for site in READS for i in range(SIZES[site])}
    free = Network(inputs, units)
    held = {name: float(free.data[name][0]) for name in constant}
    fixed: dict[str, Mechanism] = {
        name: (lambda values, value=value: np.full(values["input[0]"].shape, value))
        for name, value in held.items()
    }
    return Network(inputs, units | fixed)


def perceptron(
    widths: tuple[int, ...] = (6, 8, 8, 4),
    rows: int = 400,
    seed: int = 0,
    gain: float = 2.0,
    activation: type[nn.Module] = nn.Tanh,
) -> tuple[nn.Sequential, Tensor]:
    """A random MLP with hidden sites ``hidden1``, ``hidden2``, ... and Gaussian data."""
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential()
    for depth, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
        layer = nn.Linear(fan_in, fan_out).requires_grad_(False)
        layer.weight.copy_(torch.randn(fan_out, fan_in, generator=generator) * gain / fan_in**0.5)
        layer.bias.copy_(0.1 * torch.randn(fan_out, generator=generator))
        model.add_module(f"linear{depth}", layer)
        if depth < len(widths) - 1:
            model.add_module(f"hidden{depth}", activation())
    return model.eval(), torch.randn(rows, widths[0], generator=generator)


def halves(scm: cm.StructuralCausalModel) -> cm.Partition:
    """Live units dealt to two modules in turn."""
    names = scm.units.names
    return cm.Partition({"even": names[::2], "odd": names[1::2]})
