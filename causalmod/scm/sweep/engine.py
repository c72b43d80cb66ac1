"""The engine of a sweep: many interventions, each run from where it is made on.

What makes it fast: only what follows an intervention is computed; the linear maps that read a
changed unit are updated, not computed again; rows on which nothing changes are left out; and work
is cut into blocks that stay in the cache, with elementwise operations in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from causalmod import compiler
from causalmod.interventions import Assignment, EdgeAssignment, chain
from causalmod.scm.views import on_rows

if TYPE_CHECKING:
    from causalmod.scm.model import StructuralCausalModel

_CACHE = 2**20  # bytes of the largest tensor in a block
_WORTH_SKIPPING = 0.6  # share of rows that change above which all are run


@dataclass(frozen=True)
class Job:
    """One intervention, resolved.

    Attributes:
        name: how the user wrote it.
        made: assignments to variables; their values have one row per data row, or one.
        on_edges: those on edges.
    """

    name: str
    made: tuple[Assignment, ...]
    on_edges: tuple[EdgeAssignment, ...]

    @property
    def site(self) -> str | None:
        """The only site that is set, if there is one and the value is known beforehand."""
        if len(self.made) != 1 or self.on_edges or self.made[0].is_soft:
            return None
        return self.made[0].site

    @property
    def is_soft(self) -> bool:
        """Is some value a function of what the network computes under the other changes?"""
        return any(each.is_soft for each in (*self.made, *(e.sent for e in self.on_edges)))


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
        self._shared: dict[str, _SiteEngine] = {}

    def natural(self, name: str) -> Tensor:
        """Return what a recorded site holds without the sweep, ``[rows, *site]``."""
        return self._scm.site(name).rows_first(self._scm.recorded(self._scm.node_of(name)))

    def together(self, job: Job) -> int:
        """How many jobs like this one are best run together."""
        if job.site is None:
            return 1
        rows = self._at(job.site).block(self._memory)
        return max(1, rows // self._scm.rows)

    def run(self, jobs: Sequence[Job], out: Mapping[str, Tensor]) -> None:
        """Run some jobs, all on one site or else a single one.

        Args:
            jobs: the interventions.
            out: recorded site → ``[job, rows, *site]``, to be written to.
        """
        site = jobs[0].site
        if site is None:
            self._run_any(jobs[0], out)
            return
        engine = self._at(site)
        for name in set(self._record) - set(engine.wanted):
            out[name].copy_(self.natural(name))
        size = min(self._scm.rows, max(1, engine.block(self._memory) // len(jobs)))
        for start in range(0, self._scm.rows, size):
            engine.run(jobs, slice(start, min(start + size, self._scm.rows)), out)

    def shrink(self) -> bool:
        """Work in blocks of half the size from now on; False when they are single rows."""
        self._memory //= 2
        return self._memory > 2**10

    def _at(self, site: str) -> _SiteEngine:
        if site not in self._shared:
            self._shared[site] = _SiteEngine(self._scm, site, self._record)
        return self._shared[site]

    def _run_any(self, job: Job, out: Mapping[str, Tensor]) -> None:
        """Run a job on several sites, or on edges."""
        scm = self._scm
        starts = [scm.node_of(each.site) for each in job.made]
        starts += [scm.node_of(each.receiver) for each in job.on_edges]
        size = scm.rows
        if not job.is_soft:  # a function may look at all rows together
            size = min(size, _block(scm, starts, self._record, self._memory))
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


class _SiteEngine:
    """Runs interventions on the variables of one site."""

    def __init__(self, scm: StructuralCausalModel, site: str, record: Sequence[str]) -> None:
        self._scm = scm
        self._site = scm.site(site)
        self._node = scm.node_of(site)
        program = scm.program
        moved = self._moved = program.descendants(self._node) | {self._node}
        self._mutilated = bool(scm.assignments) or bool(scm.views_of(None))
        self._both: dict[tuple[str, int], Tensor] = {}
        self._holds: dict[str, slice] = {}
        self.wanted = [name for name in record if scm.node_of(name) in moved]
        targets = [scm.node_of(name) for name in self.wanted]
        set_before = {scm.node_of(each.site) for each in scm.assignments}
        routed = {view.route.receiver for view in scm.views_of(None)}
        readers = compiler.LinearReaders(program, self._node, self._site)
        busy = set_before | routed | {r for v in scm.views_of(None) for r in v.route.senders}
        self._readers = None if busy & {*readers.nodes, self._node} else readers
        fast = set(readers.nodes) if self._readers is not None else set()
        views = [view for view in scm.views_of(None) if view.route.receiver in moved]
        stop = {n for n in program.rows_at if n not in moved} | fast | {self._node}
        self._ends = program.needs(targets, stop.__contains__, [view.route for view in views])
        self._outside = [n for n in self._ends if n not in fast and n != self._node]
        self._fast = [n for n in self._ends if n in fast]
        self._whole = self._node in self._ends  # somebody needs the whole tensor
        scm.record([*self._outside, *readers.nodes, self._node])
        self._blocks = scm.blocks(site)
        self._order = self._site.cut(
            torch.arange(_numel(self._site.shape)).reshape(1, *self._site.shape)
        )[0]
        self._widest = _widest(scm, [self._node], record)

    def block(self, memory: int) -> int:
        """Rows that are run at a time."""
        return max(1, min(_CACHE, memory // 8) // self._widest)

    def run(self, jobs: Sequence[Job], rows: slice, out: Mapping[str, Tensor]) -> None:
        """Run jobs on a block of rows; the results go where ``out`` says."""
        if not self.wanted:
            return
        natural = self._blocks[rows]
        before = [natural[:, each.made[0].index] for each in jobs]
        values = [_on(each.made[0], old, rows) for each, old in zip(jobs, before, strict=True)]
        differs = [(new != old).flatten(1).any(1) for new, old in zip(values, before, strict=True)]
        counts = [int(each.count_nonzero()) for each in differs]
        size = natural.shape[0]
        if sum(counts) > _WORTH_SKIPPING * size * len(jobs):
            picked = [None] * len(jobs)
        else:
            picked = [each.nonzero().flatten() for each in differs]
        if not sum(counts):
            for name in self.wanted:
                out[name][:, rows] = self._natural(name)[rows]
            return
        changes = None
        if natural.is_floating_point():
            changes = [(n - o).flatten(1) for n, o in zip(values, before, strict=True)]
        found = self._replay(jobs, values, changes, picked, rows)
        for name in self.wanted:
            made = self._scm.site(name).rows_first(found[self._scm.node_of(name)])
            start = 0
            for place, index in enumerate(picked):
                stop = start + (size if index is None else len(index))
                self._put(out[name][place, rows], name, rows, index, made[start:stop])
                start = stop

    def _put(
        self, target: Tensor, name: str, rows: slice, index: Tensor | None, made: Tensor
    ) -> None:
        """Write results of some rows, and what the other rows hold by nature."""
        if index is None:
            target.copy_(made)
            return
        size = target.shape[0]
        both = self._both.get((name, size))
        if both is None:
            both = self._both[name, size] = torch.cat([target, target])
        both[:size] = self._natural(name)[rows] if self._holds.get(name) != rows else both[:size]
        self._holds[name] = rows
        both[size : size + len(index)] = made
        places = torch.arange(size, device=index.device)
        places[index] = torch.arange(size, size + len(index), device=index.device)
        if target.is_contiguous():  # one pass, where two copies would be two
            torch.index_select(both, 0, places, out=target)
        else:
            target.copy_(both.index_select(0, places))

    def _natural(self, name: str) -> Tensor:
        return self._scm.site(name).rows_first(self._scm.recorded(self._scm.node_of(name)))

    def _replay(
        self,
        jobs: Sequence[Job],
        values: Sequence[Tensor],
        changes: Sequence[Tensor] | None,
        picked: Sequence[Tensor | None],
        rows: slice,
    ) -> dict[str, Tensor]:
        scm, program = self._scm, self._scm.program
        size = rows.stop - rows.start
        local = None  # no rows are repeated or left out: look, do not copy
        if len(jobs) > 1 or picked[0] is not None:
            every = torch.arange(size, device=self._blocks.device)
            local = torch.cat([every if index is None else index for index in picked])
        updates = self._updates(jobs) if changes is not None else None
        known = {node: _rows(scm, node, rows, local) for node in self._outside}
        owned: set[str] = set()
        if self._whole or updates is None:
            known[self._node] = self._set(jobs, values, picked, rows)
        wanted = [scm.node_of(name) for name in self.wanted]
        if updates is not None and changes is not None:
            for node in self._fast:
                held = _rows(scm, node, rows, local)
                known[node] = _moved(node, updates, changes, picked, held, local is not None)
                owned.add(node)
        patches: dict[str, compiler.Patch] = {}
        views: list[compiler.View] = []
        if self._mutilated:
            numbers = torch.arange(rows.start, rows.stop) if local is None else local + rows.start
            patches = {n: p for n, p in scm.patches_of(numbers).items() if n not in known}
            views = [v for v in scm.views_of(numbers) if v.route.receiver in self._moved]
        return program.run(
            known, wanted, patches, views,
            rows=size if local is None else len(local), owned=frozenset(owned.difference(wanted)),
        )  # fmt: skip

    def _updates(self, jobs: Sequence[Job]) -> list[dict[str, compiler.Update]] | None:
        if self._readers is None or not self._fast:
            return None
        found: list[dict[str, compiler.Update]] = []
        for job in jobs:
            update = self._readers.updates(self._order[job.made[0].index].flatten())
            if update is None:
                return None
            found.append(update)
        return found

    def _set(
        self,
        jobs: Sequence[Job],
        values: Sequence[Tensor],
        picked: Sequence[Tensor | None],
        rows: slice,
    ) -> Tensor:
        """The site itself, with the variables of each job set."""
        like = self._scm.recorded(self._node)
        blocks = self._blocks[rows]
        parts: list[Tensor] = []
        for job, value, index in zip(jobs, values, picked, strict=True):
            part = blocks.clone() if index is None else blocks[index]
            part[:, job.made[0].index] = value if index is None else value[index]
            parts.append(part)
        return self._site.join(torch.cat(parts), like)


def _moved(
    node: str,
    updates: Sequence[Mapping[str, compiler.Update]],
    changes: Sequence[Tensor],
    picked: Sequence[Tensor | None],
    before: Tensor,
    owned: bool,
) -> Tensor:
    """What a linear map gives for all jobs, from what it gave before."""
    moved = [c if index is None else c[index] for c, index in zip(changes, picked, strict=True)]
    if not owned:
        return updates[0][node].apply(before, moved[0], owned)
    per_row = before.shape[0] // sum(map(len, moved))
    start = 0
    for update, change in zip(updates, moved, strict=True):
        stop = start + len(change) * per_row
        update[node].apply(before[start:stop], change, owned)
        start = stop
    return before


def _on(made: Assignment, natural: Tensor, rows: slice) -> Tensor:
    """The value of an assignment on some rows, ``[rows, variable, coordinate]``."""
    value = made.value
    if not isinstance(value, Tensor):  # not reached: such jobs are run one by one
        return value(natural)
    return (value if value.shape[0] == 1 else value[rows]).expand(natural.shape)


def _rows(scm: StructuralCausalModel, node: str, rows: slice, picked: Tensor | None) -> Tensor:
    """Recorded values on some rows of a block; a look when ``picked`` is None, else a copy."""
    place = scm.program.rows[node]
    recorded = scm.recorded(node)
    if place.parts > 1:
        start, stop = rows.start * place.parts, rows.stop * place.parts
        part = recorded.narrow(place.dim, start, stop - start)
        if picked is None:
            return part
        split = part.unflatten(place.dim, (-1, place.parts))
        return split.index_select(place.dim, picked).flatten(place.dim, place.dim + 1)
    part = recorded.narrow(place.dim, rows.start, rows.stop - rows.start)
    return part if picked is None else part.index_select(place.dim, picked)


def _block(
    scm: StructuralCausalModel, starts: Sequence[str], record: Sequence[str], memory: int
) -> int:
    return max(1, min(_CACHE, memory // 8) // _widest(scm, starts, record))


def _widest(scm: StructuralCausalModel, starts: Iterable[str], record: Sequence[str]) -> int:
    """Bytes per row of the largest tensor that a change may touch on its way."""
    program = scm.program
    moved: set[str] = set()
    for start in starts:
        moved |= program.descendants(start)
    behind: set[str] = set()
    stack = [scm.node_of(name) for name in record]
    while stack:
        name = stack.pop()
        if name in moved and name not in behind:
            behind.add(name)
            stack.extend(each.name for each in program.nodes[name].all_input_nodes)
    return max([1, *(program.bytes_per_row(name) for name in behind)])


def _numel(shape: Sequence[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
