"""What a search algorithm is, and the table of those there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from causalmod._registry import Registry
from causalmod.scm import StructuralCausalModel
from causalmod.search.budget import Meter
from causalmod.search.objective import Objective


@dataclass(frozen=True)
class Candidate:
    """A partition that a search found: module numbers ``[unit]``, and its score there."""

    labels: Tensor
    score: float


class Algorithm(Protocol):
    """Searches for the partition with the least ``S``; returns candidates, best first."""

    def __call__(
        self,
        scm: StructuralCausalModel,
        objective: Objective,
        meter: Meter,
        *,
        rows: Tensor,
        seed: int,
        report: Callable[[float], None],
    ) -> list[Candidate]: ...


ALGORITHMS: Registry[Algorithm] = Registry(
    "search algorithm",
    "causalmod.search.algorithms",
    {"__call__": ("scm", "objective", "meter", "rows", "seed", "report")},
)
