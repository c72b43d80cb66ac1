"""The engine of a sweep: many interventions, each run from where it is made on.

What makes it fast: only what follows an intervention is computed; the linear maps that read a
changed unit are updated, not computed again; rows on which nothing changes are left out;
activations that are written out run as one operation; and work is cut into blocks that stay in the
cache, with elementwise operations in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from causalmod.interventions import Assignment, chain
from causalmod.scm.sweep.jobs import Job, Ready
from causalmod.scm.sweep.on_site import SiteEngine
from causalmod.scm.sweep.work import between, block, widest
from causalmod.scm.views import on_rows

if TYPE_CHECKING:
    from causalmod.scm.model import StructuralCausalModel


class Engine:
    """Runs jobs on the rows of a model.

    Args:
        scm: the model.
        record: names of the sites and outputs to return.
        memory: bytes that the working tensors may take.
    """

    def __init__(self, scm: StructuralCausalModel, record: Sequence[str], memory: int) -> None:
        self._scm = scm
        self._record = tuple(record)
        self._memory = memory
        self._shared: dict[str, SiteEngine] = {}
        self._most = 2**62  # rows at a time, of all jobs together
        self._last = 0  # rows that were run last

    def natural(self, name: str) -> Tensor:
        """Return what a recorded site holds without the sweep, ``[rows, *site]``."""
        return self._scm.site(name).rows_first(self._scm.recorded(self._scm.node_of(name)))

    def together(self, job: Job) -> int:
        """How many jobs like this one are best run together."""
        if job.site is None:
            return 1
        rows = min(self._most, self._at(job.site).block(self._memory))
        return max(1, rows // self._scm.rows)

    def ready(self, jobs: Sequence[Job]) -> list[Ready | Job]:
        """Compare jobs with what their sites hold anyway; all are on one site, or single."""
        site = jobs[0].site
        return list(jobs) if site is None else [*self._at(site).ready(jobs)]

    def ahead(self, job: Job) -> int:
        """How many jobs like this one are best made ready together."""
        if job.site is None:
            return 1
        size = self._scm.blocks(job.site)[:, job.made[0].index].numel() * 16
        return max(1, min(64, self._memory // 8 // max(size, 1), 2**24 // max(size, 1)))

    def run(self, jobs: Sequence[Ready | Job], out: Mapping[str, Tensor]) -> None:
        """Run some jobs, all on one site or else a single one.

        Args:
            jobs: the interventions, made ready.
            out: recorded site → ``[job, rows, *site]``, to be written to.
        """
        if isinstance(jobs[0], Job):
            self._run_any(jobs[0], out)
            return
        ready = [each for each in jobs if isinstance(each, Ready)]
        engine = self._at(ready[0].job.made[0].site)
        for name in set(self._record) - set(engine.wanted):
            out[name].copy_(self.natural(name))
        at_once = min(self._most, engine.block(self._memory))
        size = min(self._scm.rows, max(1, at_once // len(jobs)))
        self._last = size * len(jobs)
        for start in range(0, self._scm.rows, size):
            engine.run(ready, slice(start, min(start + size, self._scm.rows)), out)

    def shrink(self) -> bool:
        """Work in blocks of half the size from now on; False when they are too small for that."""
        self._most = min(self._most, self._last) // 2
        return self._most > 0

    def _at(self, site: str) -> SiteEngine:
        if site not in self._shared:
            self._shared[site] = SiteEngine(self._scm, site, self._record)
        return self._shared[site]

    def _run_any(self, job: Job, out: Mapping[str, Tensor]) -> None:
        """Run a job on several sites, or on edges."""
        scm = self._scm
        starts = [scm.node_of(each.site) for each in job.made]
        starts += [scm.node_of(each.receiver) for each in job.on_edges]
        size = scm.rows
        if not job.is_soft:  # a function may look at all rows together
            most = block(widest(scm, between(scm, starts, self._record)), self._memory)
            size = min(size, self._most, most)
        self._last = size
        for start in range(0, scm.rows, size):
            rows = torch.arange(start, min(start + size, scm.rows))
            patches: dict[str, list[Assignment]] = {}
            for each in job.made:
                patches.setdefault(each.site, []).append(each)
            values = scm.replay(
                rows,
                {site: chain(made, rows) for site, made in patches.items()},
                self._record,
                clamp=False,
                on_edges=[on_rows(each, rows) for each in job.on_edges],
            )
            for name, blocks in values.items():
                out[name][0, start : start + len(rows)] = scm.site(name).paste(blocks)
