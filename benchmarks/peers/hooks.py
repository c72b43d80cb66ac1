"""Naive forward hooks: the whole network, once per intervention. The reference of all others."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from benchmarks.peers.protocol import Give, Run
from benchmarks.tasks import Intervention, Task, read

PACKAGE = "torch"
TASKS = ("mlp", "gpt2")


def prepare(task: Task, keep: bool) -> Run:
    """Return a run with one hook that sets, and one per module that is recorded."""

    def run(give: Give) -> None:
        for number, made in enumerate(task.interventions):
            recorded: dict[str, Tensor] = {}
            handles = [_set(task.model, made)]
            handles += [_keep(task.model, path, recorded) for path in task.record]
            recorded["output"] = read(task.model(task.inputs, **task.keywords))
            for handle in handles:
                handle.remove()
            give(number, recorded)

    return run


def _set(model: nn.Module, made: Intervention) -> Any:
    module = model.get_submodule(made.module)

    def change(value: Tensor) -> Tensor:
        value = value.clone()
        value[..., made.columns] = made.value
        return value

    if made.side == "input":
        return module.register_forward_pre_hook(lambda _, given: (change(given[0]), *given[1:]))

    def after(_: nn.Module, given: Any, returned: Tensor) -> Tensor:
        return change(returned)

    return module.register_forward_hook(after)


def _keep(model: nn.Module, path: str, recorded: dict[str, Tensor]) -> Any:
    def keep(_: nn.Module, given: Any, returned: Tensor) -> None:
        recorded[path] = returned

    return model.get_submodule(path).register_forward_hook(keep)
