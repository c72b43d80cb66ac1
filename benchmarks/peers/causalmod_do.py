"""causalmod, one intervention at a time: ``scm.do(...).observe()``."""

from __future__ import annotations

import causalmod as cm
from benchmarks.peers.protocol import Give, Run
from benchmarks.tasks import SEED, Task

PACKAGE = "causalmod"
TASKS = ("mlp", "gpt2")


def prepare(task: Task, keep: bool) -> Run:
    """Return a run that observes every site, as ``observe`` does."""
    scm = compiled(task)

    def run(give: Give) -> None:
        for number, made in enumerate(task.interventions):
            seen = scm.do({made.selector: cm.resample(SEED)}).observe()
            give(number, {path: seen[path] for path in (*task.record, "output")})

    return run


def compiled(task: Task) -> cm.StructuralCausalModel:
    """Compile the network of a task."""
    return cm.compile(task.model, task.inputs, sites=task.sites)
