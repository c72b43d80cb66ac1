"""Size: on a mixed network no lopsided split wins for being lopsided."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import nn

from causalmod.conformance.networks import apart, shuffles, split
from causalmod.conformance.protocol import AXIOMS, Claim, NotBetter, Situation
from causalmod.partition import Partition
from causalmod.scm import compile
from causalmod.zoo import random_dense
from causalmod.zoo.blocks import fixed_linear


@cache
def _mixed(seed: int) -> Situation:
    """A random dense network, split at random into halves of every layer."""
    scm = random_dense(12, rows=200, seed=seed).compile()
    layer = scm.units.layer
    labels = torch.zeros(len(layer), dtype=torch.long)
    for depth in layer.unique():
        places = (layer == depth).nonzero().flatten()
        labels[places[: len(places) // 2]] = 1
    base = Situation("mixed network", scm, Partition.whole(scm.units.names))
    return split("mixed network, halves", base, labels.tolist())


@cache
def _weak() -> Situation:
    """A dense network with one unit that is read and written weakly; pre-activations are sites."""
    generator = torch.Generator().manual_seed(21)
    first = torch.randn(6, 4, generator=generator)
    second = torch.randn(4, 6, generator=generator)
    first[0] *= 0.05
    second[:, 0] *= 0.05
    model = nn.Sequential()
    model.add_module("linear1", fixed_linear(first, torch.zeros(6)))
    model.add_module("hidden1", nn.Tanh())
    model.add_module("linear2", fixed_linear(second, torch.zeros(4)))
    model.add_module("hidden2", nn.Tanh())
    model.add_module(
        "readout", fixed_linear(torch.randn(2, 4, generator=generator), torch.zeros(2))
    )
    data = torch.randn(200, 4, generator=generator)
    scm = compile(model.eval(), data, sites=["linear1", "hidden1", "hidden2", "output"])
    base = Situation("weak unit", scm, Partition.whole(scm.units.names))
    labels = [int(place % 2) for place in range(len(scm.units))]
    return split("weak unit, halves", base, labels)


class _Size(NamedTuple):
    name: str = "size"
    statement: str = (
        "On a mixed network neither one unit against the rest, nor a weak unit with its own "
        "pre-activation, nor one layer against the others beats the best even split."
    )
    source: str = "What Is The True Name of Modularity?: the weighting of small modules"
    tolerance: str = "5 % of the range"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        found: list[Claim] = []
        for seed in (0,) if quick else (0, 1):
            base = _mixed(seed)
            fair = (base, *shuffles(base, 11))
            names = base.scm.units.names
            count = 3 if quick else len(names)
            single = tuple(apart(base, [unit], f"{unit} alone") for unit in names[:count])
            layer = base.scm.units.layer
            cuts = tuple(
                apart(
                    base,
                    [names[u] for u in range(len(names)) if layer[u] <= depth],
                    f"layers up to {int(depth)} against the rest",
                )
                for depth in layer.unique()[:-1]
            )
            found.append(NotBetter(f"one unit, network {seed}", single, fair))
            found.append(NotBetter(f"a layer, network {seed}", cuts, fair))
        weak = _weak()
        pair = weak.scm.units.names[0]
        found.append(
            NotBetter(
                "a weak unit with its own pre-activation",
                (apart(weak, [pair], "weak unit alone"),),
                (weak, *shuffles(weak, 11)),
            )
        )
        return found


AXIOMS.register("size")(_Size())
