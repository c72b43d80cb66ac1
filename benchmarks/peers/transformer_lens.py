"""TransformerLens: a bridge to the Hugging Face model, and hooks on its named points.

Nanda and Bloom, "TransformerLens" (2022).
"""

from __future__ import annotations

import copy
import tempfile
from importlib import import_module
from typing import Any

from torch import Tensor

from benchmarks.peers.protocol import Give, Run
from benchmarks.tasks import Intervention, Task

PACKAGE = "transformer-lens"
TASKS = ("gpt2",)


def prepare(task: Task, keep: bool) -> Run:
    """Return a run of ``run_with_hooks``; the bridge gets a copy, whose attention it changes."""
    bridge: Any = import_module("transformer_lens.model_bridge").TransformerBridge
    with tempfile.TemporaryDirectory() as folder:
        original: Any = task.model
        original.save_pretrained(folder)
        model = bridge.boot_transformers(folder, hf_model=copy.deepcopy(task.model))

    def run(give: Give) -> None:
        for number, made in enumerate(task.interventions):
            output = model.run_with_hooks(task.inputs, fwd_hooks=[(_point(made), _setter(made))])
            give(number, {"output": output})

    return run


def _point(made: Intervention) -> str:
    block = made.module.split(".")[2]
    return f"blocks.{block}." + ("attn.o.hook_in" if made.side == "input" else "mlp.hook_out")


def _setter(made: Intervention) -> Any:
    def change(value: Tensor, hook: Any) -> Tensor:
        flat = value.view(*made.value.shape[:-1], -1)  # heads side by side
        flat[..., made.columns] = made.value
        return value

    return change
