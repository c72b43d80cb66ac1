"""What can be inferred was told all the same."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.conformance.networks import of_functions
from causalmod.conformance.protocol import AXIOMS, Better, Claim, Situation

_MODULES = {"b": ["b1", "b2"], "c": ["c1", "c2"]}
_FACTORS = torch.tensor([next(p for p in range(2, n + 1) if n % p == 0) for n in range(2, 34)])


@cache
def _third(told: bool) -> Situation:
    """A is 0 to 29, B a third of it, C the sum of A and B, as told or worked out by itself."""
    sums = (
        (lambda a, b1: a + b1) if told else (lambda a: a + torch.div(a, 3, rounding_mode="floor"))
    )
    return of_functions(
        "A + B, told B" if told else "A + B, works out B",
        {
            "a": list(range(30)),
            "b1": lambda a: torch.div(a, 3, rounding_mode="floor"),
            "b2": lambda b1: b1 % 5,
            "c1": sums,
            "c2": lambda c1: c1 % 7,
        },
        _MODULES,
    )


def _factor(a: Tensor) -> Tensor:
    return _FACTORS[(a - 2).long()].double()


@cache
def _lookup(told: bool) -> Situation:
    """B is the least prime factor of A; C has it from B, or works it out by itself."""
    has = (lambda b1: b1 * 1.0) if told else _factor
    return of_functions(
        "prime factor, told" if told else "prime factor, worked out",
        {
            "a": list(range(2, 34)),
            "b1": _factor,
            "b2": lambda b1: (b1 > 2).double(),
            "c1": has,
            "c2": lambda c1: (c1 > 3).double(),
        },
        _MODULES,
    )


class _Inferable(NamedTuple):
    name: str = "inferable"
    statement: str = (
        "A module that is told something communicates, even if it sees enough to work it out: it "
        "scores as less modular than one that works it out by itself, on equal activations."
    )
    source: str = (
        "What Is The True Name of Modularity?: A, A/3 and their sum; and a function that is hard "
        "to compute"
    )
    tolerance: str = "any difference"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        found: list[Claim] = [Better("A, A/3 and their sum", _third(False), (_third(True),))]
        if not quick:
            found.append(Better("a looked-up factor", _lookup(False), (_lookup(True),)))
        return found


AXIOMS.register("inferable")(_Inferable())
