"""nnsight: one trace per intervention.

Fiotto-Kaufman et al., "NNsight and NDIF" (2024).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchmarks.peers.protocol import Give, Run
from benchmarks.tasks import Task, read

PACKAGE = "nnsight"
TASKS = ("mlp", "gpt2")


def prepare(task: Task, keep: bool) -> Run:
    """Return a run of one trace per intervention, with nothing scanned or validated."""
    wrapped = import_module("nnsight").NNsight(task.model)

    def run(give: Give) -> None:
        for number, made in enumerate(task.interventions):
            module = _at(wrapped, made.module)
            saved: dict[str, Any] = {}
            if made.side == "input":
                with wrapped.trace(task.inputs, **task.keywords):
                    module.input[..., made.columns] = made.value
                    output = wrapped.output.save()
            elif task.record:
                kept = _at(wrapped, task.record[0])
                with wrapped.trace(task.inputs, **task.keywords):
                    module.output[..., made.columns] = made.value
                    hidden = kept.output.save()
                    output = wrapped.output.save()
                saved[task.record[0]] = hidden
            else:
                with wrapped.trace(task.inputs, **task.keywords):
                    module.output[..., made.columns] = made.value
                    output = wrapped.output.save()
            saved["output"] = read(output)
            give(number, saved)

    return run


def _at(wrapped: Any, path: str) -> Any:
    for part in path.split("."):
        wrapped = wrapped[int(part)] if part.isdigit() else getattr(wrapped, part)
    return wrapped
