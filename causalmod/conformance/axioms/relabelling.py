"""Relabelling: the order of neurons and the names of modules mean nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch

from causalmod.conformance.networks import drawn, of_layers, reference
from causalmod.conformance.protocol import AXIOMS, Claim, Same, Situation
from causalmod.partition import Partition


@cache
def _orders(activation: str) -> tuple[Situation, ...]:
    layers, data = drawn(activation, seed=3)
    permuted = layers.shuffled(torch.Generator().manual_seed(5))
    return of_layers("in order", layers, data), of_layers("permuted", permuted, data)


class _Relabelling(NamedTuple):
    name: str = "relabelling"
    statement: str = (
        "A measure is a function of the network and the split, not of the order of neurons or of "
        "the names of modules."
    )
    source: str = "What Is The True Name of Modularity?: a measure is a property of the model"
    tolerance: str = "5 % of the range: draws fall on other units when these change places"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        planted_split, _ = reference()
        modules = planted_split.partition.modules
        left, right = modules
        renamed = Situation(
            "renamed",
            planted_split.scm,
            Partition({"z": modules[right], "a": modules[left]}),
        )
        activations = ("tanh",) if quick else ("tanh", "relu")
        return (
            Same("modules get other names", (planted_split, renamed)),
            *(Same(f"{each} neurons change places", _orders(each)) for each in activations),
        )


AXIOMS.register("relabelling")(_Relabelling())
