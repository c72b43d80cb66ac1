"""Jobs of a sweep: single interventions, resolved, and compared with what is there anyway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from causalmod.compiler import Update
from causalmod.interventions import Assignment, EdgeAssignment


@dataclass(frozen=True)
class Job:
    """One intervention, resolved.

    Attributes:
        name: how the user wrote it.
        made: assignments to variables; their values have one row per data row, or one.
        on_edges: those on edges.
    """

    name: str
    made: tuple[Assignment, ...]
    on_edges: tuple[EdgeAssignment, ...]

    @property
    def site(self) -> str | None:
        """The only site that is set, if there is one and the value is known beforehand."""
        if len(self.made) != 1 or self.on_edges or self.made[0].is_soft:
            return None
        return self.made[0].site

    @property
    def is_soft(self) -> bool:
        """Is some value a function of what the network computes under the other changes?"""
        return any(each.is_soft for each in (*self.made, *(e.sent for e in self.on_edges)))


@dataclass(frozen=True)
class Ready:
    """A job on one site, compared with what the site holds anyway.

    Attributes:
        job: the job.
        value: ``[rows, variable, coordinate]`` what its variables become.
        change: ``[rows, coordinates]`` by how much they change; None for whole numbers.
        differs: bool ``[rows]``: does anything change?
        count: number of rows on which something does.
        moves: how each linear map that reads the site moves; None where that is not known.
    """

    job: Job
    value: Tensor
    change: Tensor | None
    differs: Tensor
    count: int
    moves: Mapping[str, Update] | None
