"""SearchBudget: how much work a search may do."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from causalmod._memory import parse_memory
from causalmod.errors import InputError


@dataclass(frozen=True)
class SearchBudget:
    """Limits of a search.

    An evaluation is the objective of one candidate partition, its comparison with partitions of the
    same sizes included. Looking at candidates on a part of the sample counts by the share of rows
    that it runs.

    Attributes:
        evaluations: candidate partitions to evaluate, per network; None for the method's default.
        seconds: time limit, per network. Gives up the same answer for the same seed.
        memory: bytes, or text such as ``"2GB"``.

    Raises:
        InputError: a limit that is not positive.

    Example:
        >>> SearchBudget(evaluations=50)
        SearchBudget(evaluations=50, seconds=None, memory='2GB')
    """

    evaluations: int | None = None
    seconds: float | None = None
    memory: str | int = "2GB"

    def __post_init__(self) -> None:
        for name in ("evaluations", "seconds"):
            value = getattr(self, name)
            if value is None:
                continue
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not value > 0:
                raise InputError(f"SearchBudget({name}=...) must be above 0; given {value!r}")
        if self.evaluations is not None and self.evaluations != int(self.evaluations):
            raise InputError(
                f"SearchBudget(evaluations=...) must be a whole number; given {self.evaluations!r}"
            )
        parse_memory(self.memory)


@dataclass
class Meter:
    """Counts what a search has used.

    Attributes:
        budget: the limits.
        default: evaluations where the budget names no number.
        used: evaluations so far; parts of one for what was looked at on fewer rows.
        rows: rows of the network run beside the evaluations (flow, gradients).
    """

    budget: SearchBudget
    default: int
    used: float = 0.0
    rows: int = 0
    start: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Time since the search began."""
        return time.perf_counter() - self.start

    @property
    def limit(self) -> int:
        """Evaluations in all."""
        return self.budget.evaluations or self.default

    @property
    def late(self) -> bool:
        """Is the time up?"""
        return self.budget.seconds is not None and self.seconds > self.budget.seconds

    def left(self) -> int:
        """Evaluations that remain; 0 when the time is up."""
        return 0 if self.late else max(0, math.floor(self.limit - self.used + 1e-9))

    def spend(self, evaluations: float, rows: int = 0) -> None:
        """Note work that was done."""
        self.used += evaluations
        self.rows += rows

    def need(self, evaluations: int, what: str) -> None:
        """Refuse a budget that does not reach for the least that a search has to do.

        Raises:
            InputError: fewer evaluations are allowed than that.
        """
        if self.budget.evaluations is not None and self.budget.evaluations < evaluations:
            raise InputError(
                f"{what} takes {evaluations} evaluations; SearchBudget(evaluations="
                f"{self.budget.evaluations}) allows fewer: give it {evaluations}, or another method"
            )
