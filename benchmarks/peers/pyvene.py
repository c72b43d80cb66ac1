"""pyvene: one intervenable model per module, a function that sets the columns.

Wu et al., "pyvene: A Library for Understanding and Improving PyTorch Models via Interventions"
(2024).
"""

from __future__ import annotations

import re
import types
from importlib import import_module
from typing import Any

from torch import Tensor

from benchmarks.peers.protocol import Give, Run
from benchmarks.tasks import Intervention, Task, read

PACKAGE = "pyvene"
TASKS = ("mlp", "gpt2")


def prepare(task: Task, keep: bool) -> Run:
    """Return a run whose models are wrapped once per module, which is quicker than each time."""
    pyvene = import_module("pyvene")
    model: Any = task.model
    if not hasattr(model, "config"):
        model.config = types.SimpleNamespace()  # pyvene asks for one
    current: list[Intervention] = []
    recorded: dict[str, Tensor] = {}

    def change(base: Tensor, _: Any) -> Tensor:
        base[..., current[0].columns] = current[0].value
        return base

    def wrapped(made: Intervention) -> Any:
        parts = [{"component": f"{_path(made.module)}.{made.side}", "intervention": change}]
        parts += [
            {"component": f"{_path(path)}.output", "intervention": _keeper(path, recorded)}
            for path in task.record
        ]
        return pyvene.IntervenableModel(parts, model=task.model)

    first = {(made.module, made.side): made for made in task.interventions}
    models = {place: wrapped(made) for place, made in first.items()}
    argument = "input_ids" if "use_cache" in task.keywords else "input"

    def run(give: Give) -> None:
        for number, made in enumerate(task.interventions):
            current[:] = [made]
            model = models[made.module, made.side]
            _, output = model({argument: task.inputs}, **task.keywords)
            give(number, {**recorded, "output": read(output)})

    return run


def _keeper(path: str, recorded: dict[str, Tensor]) -> Any:
    def keep(base: Tensor, _: Any) -> Tensor:
        recorded[path] = base
        return base

    return keep


def _path(module: str) -> str:
    return re.sub(r"(?<=\w)\.(\d+)", r"[\1]", module)
