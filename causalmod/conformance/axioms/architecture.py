"""Function, not architecture: changes of the weights that leave what the units do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch

from causalmod.conformance.networks import drawn, of_layers
from causalmod.conformance.protocol import AXIOMS, Claim, Same, Situation


@cache
def _base(activation: str) -> Situation:
    return of_layers(f"{activation} network", *drawn(activation))


@cache
def _changed(activation: str, change: str) -> Situation:
    layers, data = drawn(activation)
    generator = torch.Generator().manual_seed(8)
    made = {
        "dead units": lambda: layers.with_dead(3, generator),
        "unread units": lambda: layers.with_unread(3, generator),
        "rescaled units": lambda: layers.rescaled(generator),
        "flipped signs": lambda: layers.flipped(generator),
        "duplicated units": lambda: layers.with_duplicates(2, generator),
        "pass-through units": lambda: layers.relayed(0),
    }[change]()
    return of_layers(f"{activation} with {change}", made, data)


class _Architecture(NamedTuple):
    name: str = "architecture"
    statement: str = (
        "Changes that leave the function of all units leave the score: dead units with huge "
        "weights, unread ones, rescaled ReLU units, flipped signs of tanh units, units split into "
        "two equal ones, and units that only pass a value on."
    )
    source: str = (
        "What Is The True Name of Modularity?: function, not architecture; for rescaling Dinh et "
        "al. (2017), arXiv:1703.04933; for signs Hecht-Nielsen (1990)"
    )
    tolerance: str = "5 % of the range"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        changes = [("relu", "dead units"), ("relu", "rescaled units"), ("tanh", "flipped signs")]
        if not quick:
            changes += [
                ("tanh", "dead units"),
                ("gelu", "dead units"),
                ("relu", "unread units"),
                ("tanh", "duplicated units"),
                ("relu", "pass-through units"),
            ]
        return [
            Same(f"{activation}: {change}", (_base(activation), _changed(activation, change)))
            for activation, change in changes
        ]


AXIOMS.register("architecture")(_Architecture())
