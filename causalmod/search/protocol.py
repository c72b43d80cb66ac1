"""What a search algorithm is, and the table of those there are."""

from __future__ import annotations

from typing import Protocol

from causalmod._registry import Registry
from causalmod.search.problem import Candidate, Problem

__all__ = ["ALGORITHMS", "Algorithm", "Candidate"]


class Algorithm(Protocol):
    """Searches for the partition with the least score."""

    def __call__(self, problem: Problem) -> None:
        """Search, by scoring candidates with the problem, which remembers them.

        At least one candidate is scored; no more than ``problem.left()`` allows. Everything random
        follows from ``problem.seed``.

        Raises:
            InputError: the budget or the model is not for this algorithm.
        """
        ...


ALGORITHMS: Registry[Algorithm] = Registry(
    "search algorithm", "causalmod.search.algorithms", {"__call__": ("problem",)}
)
"""The search algorithms, a file each; found by :data:`causalmod.search.protocol.ALGORITHMS`."""
