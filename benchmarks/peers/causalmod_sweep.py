"""causalmod, all interventions as one job: ``scm.sweep``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
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
    # A selector of one variable is one intervention; a whole site, set at once, is a mapping.
    targets: list[Any] = [
        made.selector
        if len(scm.resolve(made.selector)) == 1
        else {made.selector: cm.resample(SEED)}
        for made in task.interventions
    ]
    record = [*task.record, "output"]

    def stream(give: Give) -> None:
        numbers = iter(range(len(targets)))

        def reduce(after: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> Tensor:
            places = range(len(after["output"]))
            for place in places:
                give(next(numbers), {name: values[place] for name, values in after.items()})
            return torch.zeros(len(places))

        scm.sweep(targets, cm.resample(SEED), record=record, reduce=reduce, progress=False)

    def whole(give: Give) -> None:
        found = scm.sweep(targets, cm.resample(SEED), record=record, progress=False).values
        for number in range(len(targets)):
            give(number, {name: found[name][number] for name in record})

    return whole if keep else stream
