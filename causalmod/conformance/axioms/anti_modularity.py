"""Perfect anti-modularity: networks in which no unit is special."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from causalmod.conformance.networks import shuffles, split
from causalmod.conformance.protocol import AXIOMS, Claim, Same, Situation
from causalmod.partition import Partition
from causalmod.zoo import mean_field


@cache
def _class(width: int, senders: int, receivers: int) -> tuple[Situation, ...]:
    """Splits with so many senders and receivers in one module."""
    case = mean_field(width)
    scm = case.compile()
    places = {"senders": senders, "output": receivers}
    labels = [
        int(int(unit.rpartition("[")[2][:-1]) < places[unit.rpartition("[")[0]])
        for unit in scm.units.names
    ]
    whole = Situation("mean field", scm, Partition.whole(scm.units.names))
    first = split(f"{senders} + {receivers} units", whole, labels)
    return (first, *shuffles(first, 5))


class _AntiModularity(NamedTuple):
    name: str = "anti_modularity"
    statement: str = (
        "In a network whose units can be exchanged for each other, no split of given sizes stands "
        "out."
    )
    source: str = (
        "What Is The True Name of Modularity?: perfect anti-modularity; a mean-field network"
    )
    tolerance: str = "5 % of the range: the splits are the same up to names"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        sizes = ((4, 2, 2),) if quick else ((4, 2, 2), (4, 1, 2), (5, 2, 3))
        return [
            Same(f"{width} + {width} equal units, {p} + {q} apart", _class(width, p, q))
            for width, p, q in sizes
        ]


AXIOMS.register("anti_modularity")(_AntiModularity())
