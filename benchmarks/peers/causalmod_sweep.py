"""causalmod, all interventions as one job: ``scm.sweep``."""

from __future__ import annotations

from typing import Any

from torch import Tensor

import causalmod as cm
from benchmarks.peers.causalmod_do import compiled
from benchmarks.peers.protocol import Give, Run
from benchmarks.tasks import SEED, Task

PACKAGE = "causalmod"
TASKS = ("mlp", "gpt2") if hasattr(cm.StructuralCausalModel, "sweep") else ()


def prepare(task: Task, keep: bool) -> Run:
    """Return a run of one sweep: streamed through ``reduce``, or all values kept."""
    scm: Any = compiled(task)
    targets = [{made.selector: cm.resample(SEED)} for made in task.interventions]
    record = [*task.record, "output"]

    def stream(give: Give) -> None:
        numbers = iter(range(len(targets)))

        def reduce(recorded: dict[str, Tensor]) -> int:
            number = next(numbers)
            give(number, recorded)
            return number

        scm.sweep(targets, record=record, reduce=reduce, progress=False)

    def whole(give: Give) -> None:
        values = scm.sweep(targets, record=record, progress=False).values
        for number in range(len(targets)):
            give(number, {name: values[name][number] for name in record})

    return whole if keep else stream
