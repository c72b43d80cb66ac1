"""Perfect modularity: networks that are two or three separate ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from causalmod.conformance.networks import moves, of_case, reference, shuffles
from causalmod.conformance.protocol import AXIOMS, Better, Claim, Finds, Situation
from causalmod.zoo import planted


@cache
def _networks() -> tuple[Situation, ...]:
    three = planted(3, 30, readouts=1, activation="relu", rows=200, seed=1)
    uneven = planted(2, sizes=(9, 3), readouts=1, rows=200, seed=2)
    return of_case("three ReLU blocks", three), of_case("blocks of 9 and 3", uneven)


class _PerfectModularity(NamedTuple):
    name: str = "perfect_modularity"
    statement: str = (
        "Separate networks side by side are most modular when each is a module: more than after "
        "any move of a unit, and than random splits of the same sizes."
    )
    source: str = (
        'What Is The True Name of Modularity?: "perfect modularity" of networks with no connection'
    )
    tolerance: str = "none: any other split cuts a connection"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        found: list[Claim] = []
        first, _ = reference()
        for each in (first,) if quick else (first, *_networks()):
            others = (*shuffles(each, 5, seed=1), *moves(each, 5))
            found.append(Better(f"{each.name}: the planted split is best", each, others))
            found.append(Finds(f"{each.name}: the search finds it", each))
        return found


AXIOMS.register("perfect_modularity")(_PerfectModularity())
