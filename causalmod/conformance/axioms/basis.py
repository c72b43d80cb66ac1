"""Basis: a rotated network has the same modules, in the rotated basis."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from causalmod.conformance.networks import drawn, of_layers
from causalmod.conformance.protocol import AXIOMS, Better, Claim, Same, Situation
from causalmod.scm import compile
from causalmod.zoo.blocks import fixed_linear

_SITES = ["hidden1", "mixed", "hidden2", "output"]


class _Mixed(nn.Module):
    """Two blocks whose second layer's inputs pass a linear site, rotated there and back again."""

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor], turn: Tensor) -> None:
        super().__init__()
        first, second, last = weights
        self.linear1, self.hidden1 = fixed_linear(first, biases[0]), nn.Tanh()
        half = len(first) // 2
        inner = torch.block_diag(second[:half, :half], second[half:, half:])
        self.mixed = fixed_linear(turn @ inner)
        self.linear2, self.hidden2 = fixed_linear(second @ turn.T, biases[1]), nn.Tanh()
        self.readout = fixed_linear(last, biases[2])

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.mixed(self.hidden1(self.linear1(x)))
        return self.readout(self.hidden2(self.linear2(mixed)))


@cache
def _network(turned: bool, in_basis: bool) -> Situation:
    layers, data = drawn("tanh", leak=0.0, seed=14)
    width = len(layers.biases[0])
    generator = torch.Generator().manual_seed(15)
    draws = torch.randn(width, width, generator=generator, dtype=torch.float64)
    turn = torch.linalg.qr(draws).Q.float() if turned else torch.eye(width)
    model = _Mixed(layers.weights, layers.biases, turn).eval()
    scm = compile(model, data, sites=_SITES, basis={"mixed": turn.T} if in_basis else None)
    name = f"{'rotated' if turned else 'plain'}, {'its own basis' if in_basis else 'neurons'}"
    planted = of_layers(name, layers, data).partition
    modules = {
        module: [*members, *(m.replace("hidden1", "mixed") for m in members if "hidden1" in m)]
        for module, members in planted.modules.items()
    }
    return Situation(name, scm, type(planted)(modules))


class _Basis(NamedTuple):
    name: str = "basis"
    statement: str = (
        "Rotating a linear site and rotating back what reads it leaves the score, when the site is "
        "read in the rotated basis; in the basis of its neurons the modules are gone."
    )
    source: str = "What Is The True Name of Modularity?: neurons or subspaces, open"
    tolerance: str = "5 % of the range: the coordinates are equal up to rounding"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        del quick
        own = _network(True, True)
        return (
            Same("rotated, in the rotated basis, against plain", (own, _network(False, False))),
            Better("the rotated basis against neurons", own, (_network(True, False),)),
        )


AXIOMS.register("basis")(_Basis())
