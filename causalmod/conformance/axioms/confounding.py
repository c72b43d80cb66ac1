"""Confounding is not communication: modules that agree since their inputs do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

from causalmod.conformance.networks import of_functions
from causalmod.conformance.protocol import AXIOMS, Claim, Same, Situation

_TRACKS = {"duck": ["duck1", "duck2"], "shadow": ["shadow1", "shadow2"]}


@cache
def _tracks(rho: float) -> Situation:
    """Two tracks, each of which relays its own bit; the bits have correlation ``rho``.

    What each track sends on is the parity of its bit and a second bit of its own, so that the units
    of a track talk to each other.
    """
    agree, differ = (1 + rho) / 4, (1 - rho) / 4
    both = {
        2 * duck + shadow: agree if duck == shadow else differ
        for duck, shadow in product((0, 1), repeat=2)
    }
    return of_functions(
        f"correlation {rho:g}",
        {
            "seen": both,
            "duck_own": [0, 1],
            "shadow_own": [0, 1],
            "duck1": lambda seen: (seen >= 2).double(),
            "shadow1": lambda seen: seen % 2,
            "duck2": lambda duck1, duck_own: duck1 + 2 * duck_own,
            "shadow2": lambda shadow1, shadow_own: shadow1 + 2 * shadow_own,
        },
        _TRACKS,
    )


@cache
def _fork(shared: bool) -> Situation:
    """Two modules that read one source, or one each."""
    values = list(range(8))
    left, right = ("cause", "cause") if shared else ("one", "other")
    exogenous = {"cause": values} if shared else {"one": values, "other": values}
    return of_functions(
        "one cause" if shared else "a cause each",
        {
            **exogenous,
            "duck1": (lambda source: source * 1.0, [left]),
            "shadow1": (lambda source: source * 1.0, [right]),
            "duck2": lambda duck1: 2.0 * (duck1 > 3),
            "shadow2": lambda shadow1: 2.0 * (shadow1 > 3),
        },
        _TRACKS,
    )


class _Confounding(NamedTuple):
    name: str = "confounding"
    statement: str = (
        "Modules that only see the same cause do not communicate: the score does not move with "
        "the correlation of their inputs."
    )
    source: str = (
        "What Is The True Name of Modularity?: ducks and shadows, and the fork; Pearl, Causality "
        "(2009), section 1.3"
    )
    tolerance: str = "5 % of the range; the mechanisms are the same in all of these networks"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        correlated = (0.0, 0.9) if quick else (0.0, 0.5, 0.9)
        found: list[Claim] = [
            Same("ducks and shadows", tuple(_tracks(rho) for rho in correlated)),
        ]
        if not quick:
            found.append(Same("fork", (_fork(False), _fork(True))))
        return found


AXIOMS.register("confounding")(_Confounding())
