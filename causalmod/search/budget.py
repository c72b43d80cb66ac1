"""SearchBudget: how much work a search may do."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from causalmod.errors import InputError


@dataclass(frozen=True)
class SearchBudget:
    """Limits of a search.

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
            if value is not None and not value > 0:
                raise InputError(f"SearchBudget({name}=...) must be above 0; given {value!r}")


@dataclass
class Meter:
    """Counts what a search has used."""

    budget: SearchBudget
    default: int
    used: int = 0
    start: float = field(default_factory=time.perf_counter)

    def left(self) -> int:
        """Evaluations that remain; 0 when the time is up."""
        limit = self.budget.evaluations or self.default
        if (
            self.budget.seconds is not None
            and time.perf_counter() - self.start > self.budget.seconds
        ):
            return 0
        return max(0, limit - self.used)
