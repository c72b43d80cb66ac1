"""Conduct: a measure gives a number, the same again, and looks at the partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from causalmod.conformance.networks import reference
from causalmod.conformance.protocol import AXIOMS, Behaves, Claim


class _Conduct(NamedTuple):
    name: str = "conduct"
    statement: str = (
        "A measure gives a finite number, the same one for the same seed, leaves the model as it "
        "is, and does not ignore its partition."
    )
    source: str = "what any of the other axioms presupposes"
    tolerance: str = "none: the two numbers must be equal"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        planted, others = reference()
        return (Behaves("a number, the same again, that depends on the split", planted, others),)


AXIOMS.register("conduct")(_Conduct())
