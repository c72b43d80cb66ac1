"""Transfer: the same function in another architecture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from causalmod.conformance.networks import drawn, of_layers
from causalmod.conformance.protocol import AXIOMS, Better, Claim, Same, Situation
from causalmod.scm import compile
from causalmod.zoo.blocks import fixed_linear
from causalmod.zoo.planted_layers import Layers

_LEAKS = (0.0, 0.2, 0.6)


class _Convolutional(nn.Module):
    """Each unit a channel of an image that is one pixel long; the taps beside it see padding."""

    def __init__(self, layers: Layers, generator: torch.Generator) -> None:
        super().__init__()
        self.first, self.second, self.last = (
            _convolution(weight, bias, generator)
            for weight, bias in zip(layers.weights, layers.biases, strict=True)
        )
        self.hidden1, self.hidden2 = nn.Tanh(), nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        middle = self.hidden2(self.second(self.hidden1(self.first(x[:, :, None]))))
        return self.last(middle)[:, :, 0]


def _convolution(weight: Tensor, bias: Tensor, generator: torch.Generator) -> nn.Conv1d:
    taps = torch.randn(*weight.shape, 3, generator=generator)
    taps[..., 1] = weight
    layer = nn.Conv1d(weight.shape[1], weight.shape[0], 3, padding=1, device="meta")
    layer.weight = nn.Parameter(taps, requires_grad=False)
    layer.bias = nn.Parameter(bias.clone(), requires_grad=False)
    return layer


class _Transformer(nn.Module):
    """Attention over a single token, which it can only pass on, between two tanh layers."""

    def __init__(self, layers: Layers, generator: torch.Generator) -> None:
        super().__init__()
        width = len(layers.biases[0])
        first, second, last = layers.weights
        self.embed = fixed_linear(first, layers.biases[0])
        draws = torch.randn(2, width, width, generator=generator)
        self.query, self.key = fixed_linear(draws[0]), fixed_linear(draws[1])
        self.value = fixed_linear(torch.eye(width))
        self.project = fixed_linear(second, layers.biases[1])
        self.readout = fixed_linear(last, layers.biases[2])
        self.hidden1, self.hidden2 = nn.Tanh(), nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        token = self.hidden1(self.embed(x))[:, None, :]
        seen = F.scaled_dot_product_attention(self.query(token), self.key(token), self.value(token))
        return self.readout(self.hidden2(self.project(seen[:, 0])))


@cache
def _made(architecture: str, leak: float) -> Situation:
    layers, data = drawn("tanh", leak=leak, seed=12)
    base = of_layers(f"perceptron, leak {leak:g}", layers, data)
    if architecture == "perceptron":
        return base
    make = _Convolutional if architecture == "convolution" else _Transformer
    model = make(layers, torch.Generator().manual_seed(3)).eval()
    scm = compile(model, data, sites=["hidden1", "hidden2", "output"])
    return Situation(f"{architecture}, leak {leak:g}", scm, base.partition)


class _Transfer(NamedTuple):
    name: str = "transfer"
    statement: str = (
        "One function, as a perceptron, a convolutional network and a transformer, gets figures "
        "in the same order, and the same ones for the same units."
    )
    source: str = "What Is The True Name of Modularity?: a measure compares different architectures"
    tolerance: str = "5 % of the range: the units compute the same up to rounding"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        found: list[Claim] = []
        for architecture in ("convolution",) if quick else ("convolution", "transformer"):
            for less, more in pairwise(_LEAKS):
                found.append(
                    Better(
                        f"{architecture}: leak {less:g} against {more:g}",
                        _made(architecture, less),
                        (_made(architecture, more),),
                    )
                )
            pair = (_made("perceptron", 0.2), _made(architecture, 0.2))
            found.append(Same(f"{architecture} against perceptron", pair))
        return found


AXIOMS.register("transfer")(_Transfer())
