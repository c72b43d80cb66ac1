"""Redundancy is not multiplied: one bit to many receivers is one bit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from causalmod.conformance.networks import of_functions
from causalmod.conformance.protocol import AXIOMS, Claim, NotBetter, Situation


@cache
def _broadcast(receivers: int) -> Situation:
    """A module of three units sends one bit to so many units of another one."""
    functions: dict[str, Any] = {
        "bit": [0, 1],
        "own": [0, 1],
        "other": [0, 1],
        "send1": lambda bit: bit * 1.0,
        "send2": lambda send1, own: send1 + 2 * own,
        "receive0": lambda send1, other: send1 + 2 * other,
        "last": (lambda first, other: (first + other) % 3, ["receive0", "other"]),
    }
    names = ["receive0", "last"]
    for number in range(1, receivers):
        functions[f"receive{number}"] = lambda send1, other: send1 + 2 * other
        names.append(f"receive{number}")
    return of_functions(
        f"{receivers} receivers", functions, {"sender": ["send1", "send2"], "receivers": names}
    )


class _Redundancy(NamedTuple):
    name: str = "redundancy"
    statement: str = (
        "A bit that is copied to many units of one module was sent once: more receivers of it do "
        "not make the network less modular."
    )
    source: str = "What Is The True Name of Modularity?: joint against summed information"
    tolerance: str = "5 % of the range"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        most = 4 if quick else 8
        return [NotBetter(f"1 receiver against {most}", (_broadcast(1),), (_broadcast(most),))]


AXIOMS.register("redundancy")(_Redundancy())
