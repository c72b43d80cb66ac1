"""Several layers, both directions: every link between modules counts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch

from causalmod.conformance.protocol import AXIOMS, Better, Claim, Situation
from causalmod.partition import Partition
from causalmod.scm import compile
from causalmod.zoo.planted_layers import Layers, draw_layers

_STRENGTH = 0.5


@cache
def _linked(links: tuple[tuple[int, str], ...]) -> Situation:
    """Two blocks in three hidden layers, joined before the given layers in the given directions."""
    generator = torch.Generator().manual_seed(4)
    block = torch.arange(2)
    owners = [block.repeat_interleave(count) for count in (3, 4, 4, 4, 1)]
    full = draw_layers(owners, torch.ones(2, 2), "tanh", generator)
    data = torch.randn(200, 6, generator=generator)
    weights = []
    for depth, weight in enumerate(full.weights):
        below, above = owners[depth], owners[depth + 1]
        keep = (above[:, None] == below[None, :]).float()
        for where, direction in links:
            if where == depth:
                sender = "lr".index(direction)
                crossing = (below[None, :] == sender) & (above[:, None] != sender)
                keep = keep + _STRENGTH * crossing
        weights.append(weight * keep)
    made = Layers(tuple(weights), full.biases, full.owners, full.activation)
    network = made.network()
    said = ", ".join(f"{direction}{where}" for where, direction in links) or "none"
    modules = made.modules(("left", "right"), data)
    return Situation(f"links {said}", compile(network, data), Partition(modules))


class _Directions(NamedTuple):
    name: str = "directions"
    statement: str = (
        "A link between modules makes the network less modular, early or late, in one direction "
        "or the other, and a link back as well as one forth does so all the more."
    )
    source: str = "What Is The True Name of Modularity?: several layers and both directions, open"
    tolerance: str = "any difference"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        none, early = _linked(()), _linked(((1, "l"),))
        others = (early, _linked(((2, "r"),)))
        if not quick:
            others = (*others, _linked(((2, "l"),)), _linked(((3, "r"),)))
        found: list[Claim] = [Better(f"{each.name} against none", none, (each,)) for each in others]
        both = _linked(((1, "l"), (2, "r")))
        found.append(Better("back and forth against forth", early, (both,)))
        return found


AXIOMS.register("directions")(_Directions())
