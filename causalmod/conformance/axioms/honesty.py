"""Honesty: where nothing is exchanged, the interval does not deny it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from causalmod.conformance.networks import of_case
from causalmod.conformance.protocol import AXIOMS, Claim, CoversZero, Situation
from causalmod.zoo import planted


@cache
def _separate(blocks: int, rows: int) -> Situation:
    case = planted(blocks, 8 * blocks, readouts=1, rows=rows, seed=6)
    return of_case(f"{blocks} blocks, {rows} rows", case)


class _Honesty(NamedTuple):
    name: str = "honesty"
    statement: str = (
        "Modules with independent inputs and no connection share and send nothing: an interval "
        "from few rows has 0 in it."
    )
    source: str = "what a 95% interval is; Kraskov et al. (2004), arXiv:cond-mat/0305641, figure 4"
    tolerance: str = "none"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        sizes = ((2, 60),) if quick else ((2, 60), (2, 400), (4, 100))
        return [
            CoversZero(f"{blocks} separate blocks, {rows} rows", _separate(blocks, rows))
            for blocks, rows in sizes
        ]


AXIOMS.register("honesty")(_Honesty())
