"""Redundancy is not multiplied: one bit to many receivers is one bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from torch import Tensor

from causalmod.conformance.networks import of_functions
from causalmod.conformance.protocol import AXIOMS, SLACK, Better, Claim, Situation


@cache
def _receivers(count: int, copies: bool) -> Situation:
    """Units of one module that each read a bit of the other one: all the same bit, or one each.

    A further unit in each module reads all of the module's others, so that something flows inside.
    """
    places = range(count)
    functions: dict[str, Any] = {}
    for place in places:
        functions |= {
            f"bit{place}": [0, 1],
            f"own{place}": [0, 1],
            f"send{place}": (lambda bit: bit * 1.0, [f"bit{place}"]),
            f"receive{place}": (
                lambda sent, own: sent + 2 * own,
                [f"send{0 if copies else place}", f"own{place}"],
            ),
        }
    functions["senders"] = (_total(count), [f"send{place}" for place in places])
    functions["receivers"] = (_total(count), [f"receive{place}" for place in places])
    modules = {
        "left": ["senders", *(f"send{place}" for place in places)],
        "right": ["receivers", *(f"receive{place}" for place in places)],
    }
    what = "copies of one bit" if copies else "different bits"
    return of_functions(f"{count} {what}", functions, modules)


def _total(count: int) -> Callable[..., Tensor]:
    def two(a: Tensor, b: Tensor) -> Tensor:
        return a + b

    def three(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return a + b + c

    return two if count == 2 else three


class _Redundancy(NamedTuple):
    name: str = "redundancy"
    statement: str = (
        "A bit that many units of a module receive was sent once: the network is more modular than "
        "one in which each of these units receives a bit of its own."
    )
    source: str = "What Is The True Name of Modularity?: joint against summed information"
    tolerance: str = "more than 5 % of the range: sums over pairs of units make no difference"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        return [
            Better(
                f"{count} receivers", _receivers(count, True), (_receivers(count, False),), SLACK
            )
            for count in ((2,) if quick else (2, 3))
        ]


AXIOMS.register("redundancy")(_Redundancy())
