"""Interventions on the variables of one site, many in turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod import compiler
from causalmod.interventions import Assignment
from causalmod.scm.sweep.jobs import Job, Ready
from causalmod.scm.sweep.work import between, block, products

if TYPE_CHECKING:
    from causalmod.scm.model import StructuralCausalModel


class SiteEngine:
    """Runs interventions on the variables of one site."""

    def __init__(self, scm: StructuralCausalModel, site: str, record: Sequence[str]) -> None:
        self._scm = scm
        self._site = scm.site(site)
        self._node = scm.node_of(site)
        program = scm.program
        moved = self._moved_by = program.descendants(self._node) | {self._node}
        self._mutilated = bool(scm.assignments) or bool(scm.views_of(None))
        self._homes: dict[int, list[tuple[str, str, list[int]]]] = {}
        self._scratch: dict[Any, Tensor] = {}
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
        self._all = torch.arange(self._site.count)
        self._order = self._site.cut(
            torch.arange(prod(self._site.shape)).reshape(1, *self._site.shape)
        )[0]
        self._between = between(scm, [self._node], record)
        self._skipping = self._worth_skipping()

    def block(self, memory: int) -> int:
        """Rows that are run at a time."""
        return block(self._scm, self._between, memory)

    def _worth_skipping(self) -> float:
        """The share of changed rows up to which it pays to gather them and leave out the rest."""
        moved = sum(self._scm.program.bytes_per_row(name) for name in self._fast)
        moved += sum(self._scm.program.bytes_per_row(self._scm.node_of(n)) for n in self.wanted)
        rest = products(self._scm, self._between - set(self._fast))
        # A multiplication costs about an eighth of moving a byte there and back.
        return 1 - min(1.0, 4 * moved / max(rest, 1))

    def ready(self, jobs: Sequence[Job]) -> list[Ready]:
        """Compare jobs with what the site holds anyway."""
        alike = {len(each.made[0].index) for each in jobs} == {1}
        if not alike or len(jobs) == 1:
            return [self._compare([each])[0] for each in jobs]
        return self._compare(jobs)

    def _compare(self, jobs: Sequence[Job]) -> list[Ready]:
        """Compare jobs on one variable each, or one job."""
        index = torch.cat([each.made[0].index for each in jobs])
        old = self._blocks[:, index]
        new = torch.cat([_on(each.made[0], old, len(jobs)) for each in jobs], dim=1)
        parts = (len(jobs), -1)
        differs = (new != old).unflatten(1, parts).flatten(2).any(-1).T.contiguous()
        counts = differs.sum(1).tolist()
        changes: list[Tensor | None] = [None] * len(jobs)
        if old.is_floating_point():
            by_job = (new - old).unflatten(1, parts).movedim(1, 0).flatten(2).contiguous()
            changes = list(by_job)
        values = new.unflatten(1, parts).unbind(1)
        return [Ready(*each) for each in zip(jobs, values, changes, differs, counts, strict=True)]

    def run(self, jobs: Sequence[Ready], rows: slice, out: Mapping[str, Tensor]) -> None:
        """Run jobs on a block of rows; the results go where ``out`` says."""
        if not self.wanted:
            return
        size = rows.stop - rows.start
        whole = size == self._scm.rows
        counts = [each.count if whole else int(each.differs[rows].sum()) for each in jobs]
        if not sum(counts):
            for name in self.wanted:
                out[name][:, rows] = self._natural(name)[rows]
            return
        if sum(counts) > self._skipping * size * len(jobs):
            picked = [None] * len(jobs)
        else:
            picked = [each.differs[rows].nonzero().flatten() for each in jobs]
        found = self._replay(jobs, picked, rows, out)
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
            if made.data_ptr() != target.data_ptr():  # else it was made there
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
        jobs: Sequence[Ready],
        picked: Sequence[Tensor | None],
        rows: slice,
        out: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        scm, program = self._scm, self._scm.program
        size = rows.stop - rows.start
        everything = all(index is None for index in picked)
        local = None  # no rows are repeated or left out: look, do not copy
        if len(jobs) > 1 or not everything:
            every = torch.arange(size, device=self._blocks.device)
            local = torch.cat([every if index is None else index for index in picked])
        count = size if local is None else len(local)
        updates = self._updates(jobs)
        known = {node: _rows(scm, node, rows, local) for node in self._outside}
        if self._whole or updates is None:
            known[self._node] = self._set(jobs, picked, rows)
        wanted = [scm.node_of(name) for name in self.wanted]
        owned = frozenset(self._fast if updates is not None else ())
        into: dict[str, Tensor] = {}
        if everything and not self._mutilated:
            into = self._room(known, wanted, owned, rows, out)
        changes = [each.change[rows] for each in jobs if each.change is not None]
        for node in owned:
            moves = [update[node] for update in updates or []]
            if everything:
                held = _rows(scm, node, rows, None)
                known[node] = self._moved(node, moves, changes, held, into.pop(node, None))
            else:
                parts = zip(changes, picked, strict=True)
                some = [c if index is None else c[index] for c, index in parts]
                known[node] = _moved(moves, some, _rows(scm, node, rows, local))
        patches: dict[str, compiler.Patch] = {}
        views: list[compiler.View] = []
        if self._mutilated:
            numbers = torch.arange(rows.start, rows.stop) if local is None else local + rows.start
            patches = {n: p for n, p in scm.patches_of(numbers).items() if n not in known}
            views = [v for v in scm.views_of(numbers) if v.route.receiver in self._moved_by]
        return program.run(known, wanted, patches, views, rows=count, owned=owned, into=into)

    def _moved(
        self,
        node: str,
        moves: Sequence[compiler.Update],
        changes: Sequence[Tensor],
        held: Tensor,
        room: Tensor | None,
    ) -> Tensor:
        """What a linear map gives for all jobs on all rows, one job after the other."""
        dim = self._scm.program.rows[node].dim
        if room is None:
            shape = list(held.shape)
            shape[dim] *= len(moves)
            room = self._memory_for(node, shape, held)
        size = held.shape[0]
        for place, (move, change) in enumerate(zip(moves, changes, strict=True)):
            move.apply(held, change, room[place * size : (place + 1) * size])
        return room

    def _room(
        self,
        known: Mapping[str, Tensor],
        wanted: Sequence[str],
        owned: frozenset[str],
        rows: slice,
        out: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """Where results can be made in place: step → part of ``out``, in the step's own shape."""
        jobs = len(next(iter(out.values())))
        size = (rows.stop - rows.start) * jobs
        if size not in self._homes:
            self._homes[size] = self._find_homes(known, wanted, owned, size)
        found: dict[str, Tensor] = {}
        for name, home, shape in self._homes[size]:
            target = out[name][:, rows]
            if target.is_contiguous():
                found[home] = target.view(shape)
        return found

    def _find_homes(
        self, known: Iterable[str], wanted: Sequence[str], owned: frozenset[str], size: int
    ) -> list[tuple[str, str, list[int]]]:
        """Recorded site, the step that can write into its memory, and the shape of that step."""
        program = self._scm.program
        homes = program.homes({*known, *owned}, wanted, owned)
        found: dict[str, tuple[str, str, list[int]]] = {}
        for name, node in zip(self.wanted, wanted, strict=True):
            home, place = homes.get(node), program.rows[node]
            if home is None or home in found or place.dim or place.parts > 1:
                continue
            shape = [program.size(each, size) for each in program.nodes[home].meta["val"].shape]
            if None not in shape:
                found[home] = (name, home, [each or 0 for each in shape])
        return list(found.values())

    def _memory_for(self, node: str, shape: Sequence[int], like: Tensor) -> Tensor:
        """Memory that is used again and again, for what is gone after each run."""
        key = (node, tuple(shape))
        if key not in self._scratch:
            self._scratch[key] = torch.empty(shape, dtype=like.dtype, device=like.device)
        return self._scratch[key]

    def _updates(self, jobs: Sequence[Ready]) -> list[dict[str, compiler.Update]] | None:
        if self._readers is None or not self._fast or jobs[0].change is None:
            return None
        found: list[dict[str, compiler.Update]] = []
        for job in jobs:
            update = self._readers.updates(self._order[job.job.made[0].index].flatten())
            if update is None:
                return None
            found.append(update)
        return found

    def _set(self, jobs: Sequence[Ready], picked: Sequence[Tensor | None], rows: slice) -> Tensor:
        """The site itself, with the variables of each job set."""
        like = self._scm.recorded(self._node)
        blocks = self._blocks[rows]
        parts: list[Tensor] = []
        for each, index in zip(jobs, picked, strict=True):
            value = each.value[rows]
            if index is None and torch.equal(each.job.made[0].index, self._all):
                parts.append(value)
                continue
            part = blocks.clone() if index is None else blocks[index]
            part[:, each.job.made[0].index] = value if index is None else value[index]
            parts.append(part)
        return self._site.join(parts[0] if len(parts) == 1 else torch.cat(parts), like)


def _moved(moves: Sequence[compiler.Update], changes: Sequence[Tensor], before: Tensor) -> Tensor:
    """What a linear map gives for all jobs; ``before`` is what it gave, and is written over."""
    per_row = before.shape[0] // sum(map(len, changes))
    start = 0
    for move, change in zip(moves, changes, strict=True):
        stop = start + len(change) * per_row
        move.apply(before[start:stop], change, before[start:stop])
        start = stop
    return before


def _on(made: Assignment, natural: Tensor, count: int) -> Tensor:
    """The value of an assignment, ``[rows, variable, coordinate]``."""
    value = made.value
    if not isinstance(value, Tensor):  # not reached: such jobs are run one by one
        return value(natural)
    return value.expand(natural.shape[0], natural.shape[1] // count, natural.shape[2])


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
