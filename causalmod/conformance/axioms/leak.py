"""Leak: the more two blocks are joined, the less modular they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from causalmod.conformance.networks import of_case
from causalmod.conformance.protocol import AXIOMS, Claim, Falling, Situation
from causalmod.zoo import planted


@cache
def _leaking(leak: float, activation: str, seed: int) -> Situation:
    case = planted(
        2, 16, readouts=1, rows=200, leak=leak, activation=activation, seed=seed
    )  # one seed draws the same weights for every leak
    return of_case(f"leak {leak:g}", case)


class _Leak(NamedTuple):
    name: str = "leak"
    statement: str = (
        "As the weights between two blocks grow from nothing to those within, the score of the "
        "blocks falls, and never rises on the way."
    )
    source: str = "What Is The True Name of Modularity?: between perfect and none, in order"
    tolerance: str = "rises of up to 5 % of the range, which sampling and saturation can bring"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        leaks = (0.0, 0.2, 1.0) if quick else (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
        return [
            Falling(
                f"{activation} blocks, network {seed}",
                tuple(_leaking(leak, activation, seed) for leak in leaks),
            )
            for activation, seed in ((("tanh", 0),) if quick else (("tanh", 0), ("relu", 1)))
        ]


AXIOMS.register("leak")(_Leak())
