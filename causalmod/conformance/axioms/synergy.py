"""Synergy counts: what is sent can be readable only together with something else."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch

from causalmod.conformance.networks import of_functions
from causalmod.conformance.protocol import AXIOMS, Better, Claim, Situation

_BITS = [0, 1]


@cache
def _xor(joined: bool) -> Situation:
    """The right module computes the exclusive or of a bit that it sees and one from the left."""
    first = (lambda left1, q: (left1 + q) % 2) if joined else (lambda p, q: (p + q) % 2)
    return of_functions(
        "exclusive or, told" if joined else "exclusive or, worked out",
        {
            "p": _BITS,
            "q": _BITS,
            "s": _BITS,
            "left1": lambda p: p * 1.0,
            "left2": lambda left1, s: left1 + 2 * s,
            "right1": first,
            "right2": lambda right1, s: right1 + 2 * s,
        },
        {"left": ["left1", "left2"], "right": ["right1", "right2"]},
    )


@cache
def _parity(joined: bool) -> Situation:
    """A module that computes the parity of three bits, two of which another one relays."""
    first = (
        (lambda left1, left2, r: (left1 + left2 + r) % 2)
        if joined
        else (lambda p, q, r: (p + q + r) % 2)
    )
    return of_functions(
        "parity, told" if joined else "parity, worked out",
        {
            "p": _BITS,
            "q": _BITS,
            "r": _BITS,
            "s": _BITS,
            "left1": lambda p: p * 1.0,
            "left2": lambda q: q * 1.0,
            "left3": lambda left1, left2: left1 + 2 * left2,
            "right1": first,
            "right2": lambda right1, s: right1 + 2 * s,
        },
        {"left": ["left1", "left2", "left3"], "right": ["right1", "right2"]},
    )


@cache
def _three(joined: bool) -> Situation:
    """Two modules hold equal bits; a third computes their exclusive or with a bit of its own."""
    third = (
        (lambda left1, right1, s: (left1 + right1 + s) % 2)
        if joined
        else (lambda p, q, s: (p + q + s) % 2)
    )
    return of_functions(
        "equal bits, told" if joined else "equal bits, worked out",
        {
            # the two bits are equal in the data
            "p": torch.tensor([0.0, 1.0, 0.0, 1.0]).double(),
            "q": torch.tensor([0.0, 1.0, 0.0, 1.0]).double(),
            "s": torch.tensor([0.0, 0.0, 1.0, 1.0]).double(),
            "left1": lambda p: p * 1.0,
            "left2": lambda left1, s: left1 + 2 * s,
            "right1": lambda q: q * 1.0,
            "right2": lambda right1, s: right1 + 2 * s,
            "third1": third,
            "third2": lambda third1, s: third1 + 2 * s,
        },
        {
            "left": ["left1", "left2"],
            "right": ["right1", "right2"],
            "third": ["third1", "third2"],
        },
    )


class _Synergy(NamedTuple):
    name: str = "synergy"
    statement: str = (
        "A bit that only tells something together with another one is communication: exclusive "
        "or, parity, and an exclusive or of bits that are equal on the data."
    )
    source: str = (
        "Ay and Polani, Advances in Complex Systems 11(1):17 (2008), the example of the exclusive "
        "or; Williams and Beer (2010), arXiv:1004.2515"
    )
    tolerance: str = "any difference between being told and working it out"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        found: list[Claim] = [Better("exclusive or", _xor(False), (_xor(True),))]
        if not quick:
            found.append(Better("parity", _parity(False), (_parity(True),)))
            found.append(Better("three modules, equal bits", _three(False), (_three(True),)))
        return found


AXIOMS.register("synergy")(_Synergy())
