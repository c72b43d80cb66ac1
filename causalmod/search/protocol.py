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
    """Searches for the partition with the least ``S``."""

    def __call__(
        self,
        scm: StructuralCausalModel,
        objective: Objective,
        meter: Meter,
        *,
        rows: Tensor,
        seed: int,
        report: Callable[[float], None],
    ) -> list[Candidate]:
        """Search.

        Args:
            scm: the model.
            objective: scores candidates.
            meter: counts them; no more than ``meter.left()`` may be evaluated.
            rows: row numbers that may be looked at.
            seed: seed of everything random.
            report: called with each best score found.

        Returns:
            list: candidates, best first; at least one.
        """
        ...


ALGORITHMS: Registry[Algorithm] = Registry(
    "search algorithm",
    "causalmod.search.algorithms",
    {"__call__": ("scm", "objective", "meter", "rows", "seed", "report")},
)
