"""What a file of this folder offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from benchmarks.tasks import Task

# Takes the number of an intervention and what was recorded: module, or "output", → its value. The
# tensors may be overwritten by the next intervention, unless ``keep`` was asked for.
Give = Callable[[int, dict[str, Tensor]], None]
# Makes all interventions of a task, each alone, and gives what was recorded.
Run = Callable[[Give], None]


class Peer(Protocol):
    """A module that makes the interventions of a task in one way."""

    PACKAGE: str  # the distribution whose version is shown
    TASKS: tuple[str, ...]  # the tasks that it can do

    @staticmethod
    def prepare(task: Task, keep: bool) -> Run:
        """Do what is done once per network, untimed, and return what is timed.

        Args:
            task: the network and the interventions.
            keep: will what is given be kept until the end?
        """
        ...
