"""causalmod, one intervention at a time, only what is recorded: ``scm.replay``."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from benchmarks.peers.causalmod_do import compiled
from benchmarks.peers.protocol import Give, Run
from benchmarks.tasks import Task, permutation

PACKAGE = "causalmod"
TASKS = ("mlp", "gpt2")


def prepare(task: Task, keep: bool) -> Run:
    """Return a run that replays the descendants of what is set."""
    scm = compiled(task)
    rows = torch.arange(scm.rows)
    donors = permutation(scm.rows)
    wanted = (*task.record, "output")
    sites = {name: scm.site(name) for name in wanted}

    def run(give: Give) -> None:
        for number, made in enumerate(task.interventions):
            chosen = scm.resolve(made.selector)
            columns = torch.tensor([variable.index for variable in chosen])
            site = chosen[0].site
            value = scm.blocks(site)[:, columns][donors]
            patches = {site: partial(_set, columns, value)}
            seen = scm.replay(rows, patches, wanted, clamp=False)
            give(number, {name: sites[name].join(seen[name]) for name in wanted})

    return run


def _set(columns: Tensor, value: Tensor, blocks: Tensor) -> Tensor:
    return blocks.index_copy(1, columns, value)
