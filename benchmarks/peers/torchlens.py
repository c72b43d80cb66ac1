"""TorchLens: the trace of one run, forked for each intervention, and ``do``.

Taylor and Kriegeskorte, "Extracting and visualizing hidden activations and computational graphs of
PyTorch models with TorchLens" (2023).
"""

from __future__ import annotations

from importlib import import_module

from benchmarks.peers.protocol import Give, Run
from benchmarks.tasks import Task

PACKAGE = "torchlens"
TASKS = ("mlp",)


def prepare(task: Task, keep: bool) -> Run:
    """Return a run of forks, which replay only what comes after the intervention."""
    torchlens = import_module("torchlens")
    options = torchlens.options.CaptureOptions(intervention_ready=True)
    trace = torchlens.trace(task.model, task.inputs, capture=options)
    relus = [label for label in trace.layer_labels if label.startswith("relu")]
    labels: dict[str, str] = dict(zip(["1", "3", "5"], relus, strict=True))

    def run(give: Give) -> None:
        for number, made in enumerate(task.interventions):
            value = trace[labels[made.module]].out.clone()
            value[..., made.columns] = made.value
            fork = trace.fork()
            fork.do(labels[made.module], value)
            recorded = {path: fork[labels[path]].out for path in task.record}
            give(number, {**recorded, "output": fork["output_1"].out})

    return run
