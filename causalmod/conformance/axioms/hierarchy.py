"""Hierarchy: modules inside of modules."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from causalmod.conformance.networks import shuffles
from causalmod.conformance.protocol import AXIOMS, Better, Claim, Situation
from causalmod.partition import Partition
from causalmod.zoo import planted_nested
from causalmod.zoo.nested_blocks import level


@cache
def _nested() -> tuple[Situation, Situation, Situation]:
    """Blocks in blocks: the outer split, one across it, and the split inside of one."""
    case = planted_nested((2, 2), 3, readouts=1, rows=200, leaks=(0.0, 0.2))
    assert case.modules is not None
    scm, leaves = case.compile(), case.modules
    outer = Situation("outer blocks", scm, Partition(level(leaves, 1)))
    across = Partition(
        {
            "one": [*leaves["A.a"], *leaves["B.a"]],
            "other": [*leaves["A.b"], *leaves["B.b"]],
        }
    )
    inside = scm.submodel([*leaves["A.a"], *leaves["A.b"]])
    inner = Partition({"a": leaves["A.a"], "b": leaves["A.b"]})
    return outer, Situation("across", scm, across), Situation("inner blocks", inside, inner)


class _Hierarchy(NamedTuple):
    name: str = "hierarchy"
    statement: str = (
        "Where blocks fall into smaller blocks, the outer split beats splits across it, and inside "
        "of a block the inner split beats random ones."
    )
    source: str = "What Is The True Name of Modularity?: modules of modules"
    tolerance: str = "any difference"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        outer, across, inner = _nested()
        count = 4 if quick else 10
        return (
            Better("outside", outer, (across, *shuffles(outer, count))),
            Better("inside of a block", inner, shuffles(inner, count)),
        )


AXIOMS.register("hierarchy")(_Hierarchy())
