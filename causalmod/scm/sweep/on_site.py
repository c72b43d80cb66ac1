"""Interventions on the variables of one site, many in turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from causalmod import compiler
from causalmod.interventions import Assignment
from causalmod.scm.sweep.jobs import Job, Ready
from causalmod.scm.sweep.work import between, block, products, widest

if TYPE_CHECKING:
    from causalmod.scm.model import StructuralCausalModel


class SiteEngine:
    """Runs interventions on the variables of one site."""

    def __init__(self, scm: StructuralCausalModel, site: str, record: Sequence[str]) -> None:
        self._scm = scm
        self._site = scm.site(site)
        self._node = scm.node_of(site)
        self._mutilated = bool(scm.assignments) or bool(scm.views_of(None))
        program, inside = scm.program.fused
        if self._mutilated or self._node in inside:
            program = scm.program
        self._program = program
        moved = self._moved_by = program.descendants(self._node) | {self._node}
        self._homes: list[tuple[str, str, list[int]]] | None = None
        self._scratch: dict[str, Tensor] = {}
        self._natural_then: dict[str, tuple[slice, Tensor]] = {}
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
        numbers = torch.arange(1, prod(self._site.shape) + 1).reshape(1, *self._site.shape)
        self._order = self._site.cut(numbers)[0] - 1  # -1 behind blocks smaller than others
        self._natural_of: dict[str, Tensor] = {}
        self._between = between(scm, [self._node], record)
        self._widest = widest(scm, self._between)
        self._skipping = self._worth_skipping()

    def block(self, memory: int) -> int:
        """Rows that are run at a time."""
        return block(self._widest, memory)

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
            changes = [
                change if bool(own.all()) else change[:, own]
                for change, own in zip(by_job, self._order[index].reshape(parts) >= 0, strict=True)
            ]
        values = new.unflatten(1, parts).unbind(1)
        moves = [self._moves(*each) for each in zip(jobs, changes, strict=True)]
        every = zip(jobs, values, changes, differs, counts, moves, strict=True)
        return [Ready(*each) for each in every]

    def _moves(self, job: Job, change: Tensor | None) -> Mapping[str, compiler.Update] | None:
        """How the linear maps that read the site move, if they all do so simply."""
        if self._readers is None or not self._fast or change is None:
            return None
        order = self._order[job.made[0].index].flatten()
        return self._readers.updates(order[order >= 0])

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
            picked = None
        else:
            picked = [each.differs[rows].nonzero().flatten() for each in jobs]
        if picked is None:
            self._replay(jobs, None, rows, {name: out[name][:, rows] for name in self.wanted})
            return
        both = {name: self._with_room(name, rows, size * len(jobs)) for name in self.wanted}
        made = {name: values[size : size + sum(counts)] for name, values in both.items()}
        self._replay(jobs, picked, rows, made)
        every = torch.arange(size * (1 + len(jobs)), device=self._blocks.device)
        start = size
        for place, index in enumerate(picked):
            # one pass over the rows as they are, and those that changed behind them
            places = every[:size].scatter(0, index, every[start : start + index.shape[0]])
            start += index.shape[0]
            for name, values in both.items():
                target = out[name][place, rows]
                if target.is_contiguous():
                    torch.index_select(values, 0, places, out=target)
                else:
                    target.copy_(values.index_select(0, places))

    def _with_room(self, name: str, rows: slice, more: int) -> Tensor:
        """What a site holds by nature on some rows, with room for more rows behind them."""
        size = rows.stop - rows.start
        found, both = self._natural_then.get(name, (None, None))
        if both is None or len(both) < size + more:
            natural = self._natural(name)
            both = natural.new_empty(size + more, *natural.shape[1:])
            found = None
        if found != rows:
            both[:size] = self._natural(name)[rows]
            self._natural_then[name] = (rows, both)
        return both

    def _natural(self, name: str) -> Tensor:
        if name not in self._natural_of:
            site, node = self._scm.site(name), self._scm.node_of(name)
            self._natural_of[name] = site.rows_first(self._scm.recorded(node))
        return self._natural_of[name]

    def _replay(
        self,
        jobs: Sequence[Ready],
        picked: Sequence[Tensor] | None,
        rows: slice,
        out: Mapping[str, Tensor],
    ) -> None:
        """Run jobs on some rows of a block.

        Args:
            jobs: the jobs.
            picked: the rows of the block for each job; None for all.
            rows: the block.
            out: recorded site → memory for its values, of all jobs one after the other.
        """
        scm, program = self._scm, self._program
        size = rows.stop - rows.start
        local = None  # no rows are repeated or left out: look, do not copy
        if picked is not None:
            local = torch.cat(list(picked))
        elif len(jobs) > 1:
            local = torch.arange(size, device=self._blocks.device).repeat(len(jobs))
        count = size if local is None else len(local)
        moves = [each.moves for each in jobs if each.moves is not None]
        simple = len(moves) == len(jobs)
        known = {node: _rows(scm, node, rows, local) for node in self._outside}
        if self._whole or not simple:
            known[self._node] = self._set(jobs, picked, rows)
        wanted = [scm.node_of(name) for name in self.wanted]
        owned = frozenset(self._fast if simple else ())
        into: dict[str, Tensor] = {}
        if not self._mutilated:
            into = self._room(known, wanted, owned, out)
        changes = [each.change[rows] for each in jobs if each.change is not None]
        for node in owned:
            own = [each[node] for each in moves]
            held, room = _rows(scm, node, rows, None), into.pop(node, None)
            if room is None:
                room = self._memory_for(node, held.shape[0] * len(jobs), held)
            if picked is None:
                known[node] = self._moved_all(own, changes, held, room)
            else:
                known[node] = self._moved_some(own, changes, held, room, picked)
        patches: dict[str, compiler.Patch] = {}
        views: list[compiler.View] = []
        if self._mutilated:
            numbers = torch.arange(rows.start, rows.stop) if local is None else local + rows.start
            patches = {n: p for n, p in scm.patches_of(numbers).items() if n not in known}
            views = [v for v in scm.views_of(numbers) if v.route.receiver in self._moved_by]
        found = program.run(known, wanted, patches, views, rows=count, owned=owned, into=into)
        for name, target in out.items():
            values = scm.site(name).rows_first(found[scm.node_of(name)])
            if values.data_ptr() != target.data_ptr():  # else it was made there
                target.copy_(values.reshape(target.shape))

    def _moved_all(
        self,
        moves: Sequence[compiler.Update],
        changes: Sequence[Tensor],
        held: Tensor,
        room: Tensor,
    ) -> Tensor:
        """What a linear map gives for all jobs on all rows, one job after the other."""
        parts = room.chunk(len(moves))
        for move, change, part in zip(moves, changes, parts, strict=True):
            move.apply(held, change, part)
        return room

    def _moved_some(
        self,
        moves: Sequence[compiler.Update],
        changes: Sequence[Tensor],
        held: Tensor,
        room: Tensor,
        picked: Sequence[Tensor],
    ) -> Tensor:
        """The same on some rows for each job."""
        each = held.shape[0] // changes[0].shape[0]  # positions of a row, which may be merged
        before = held.unflatten(0, (-1, each))
        start = 0
        for move, change, index in zip(moves, changes, picked, strict=True):
            part = room[start : start + index.shape[0] * each]
            torch.index_select(before, 0, index, out=part.unflatten(0, (-1, each)))
            move.apply(part, change[index], part)
            start += part.shape[0]
        return room[:start]

    def _room(
        self,
        known: Mapping[str, Tensor],
        wanted: Sequence[str],
        owned: frozenset[str],
        out: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """Where results can be made in place: step → part of ``out``, in the step's own shape."""
        if self._homes is None:
            self._homes = self._find_homes(known, wanted, owned)
        return {
            home: out[name].view(shape)
            for name, home, shape in self._homes
            if out[name].is_contiguous()
        }

    def _find_homes(
        self, known: Iterable[str], wanted: Sequence[str], owned: frozenset[str]
    ) -> list[tuple[str, str, list[int]]]:
        """Recorded site, the step that can write into its memory, and the shape of that step."""
        program = self._program
        homes = program.homes({*known, *owned}, wanted, owned)
        found: dict[str, tuple[str, str, list[int]]] = {}
        for name, node in zip(self.wanted, wanted, strict=True):
            home, place = homes.get(node), program.rows[node]
            read_as_is = self._scm.site(name).basis is None
            if home is None or home in found or place.dim or place.parts > 1 or not read_as_is:
                continue
            sizes = program.nodes[home].meta["val"].shape
            shape = [-1 if isinstance(each, torch.SymInt) else int(each) for each in sizes]
            if shape.count(-1) == 1:
                found[home] = (name, home, shape)
        return list(found.values())

    def _memory_for(self, node: str, size: int, like: Tensor) -> Tensor:
        """Memory that is used again and again, for what is gone after each run."""
        held = self._scratch.get(node)
        if held is None or len(held) < size:
            held = self._scratch[node] = like.new_empty(size, *like.shape[1:])
        return held[:size]

    def _set(self, jobs: Sequence[Ready], picked: Sequence[Tensor] | None, rows: slice) -> Tensor:
        """The site itself, with the variables of each job set."""
        like = self._scm.recorded(self._node)
        blocks = self._blocks[rows]
        if self._site.basis is not None:
            return self._set_in_basis(jobs, picked, rows)
        parts: list[Tensor] = []
        for each, index in zip(jobs, picked or [None] * len(jobs), strict=True):
            value = each.value[rows]
            if index is None and torch.equal(each.job.made[0].index, self._all):
                parts.append(value)
                continue
            part = blocks.clone() if index is None else blocks[index]
            part[:, each.job.made[0].index] = value if index is None else value[index]
            parts.append(part)
        return self._site.join(parts[0] if len(parts) == 1 else torch.cat(parts), like)

    def _set_in_basis(
        self, jobs: Sequence[Ready], picked: Sequence[Tensor] | None, rows: slice
    ) -> Tensor:
        """The same for a site in a basis, which moves by what its coordinates do and no more."""
        parts: list[Tensor] = []
        for each, which in zip(jobs, picked or [None] * len(jobs), strict=True):
            own, value = each.job.made[0].index, each.value[rows]
            value = value if which is None else value[which]
            tensor = _rows(self._scm, self._node, rows, which)
            parts.append(self._site.changed(tensor, lambda b, i=own, v=value: _replaced(b, i, v)))
        return torch.cat(parts, dim=self._scm.program.rows[self._node].dim)


def _replaced(blocks: Tensor, index: Tensor, value: Tensor) -> Tensor:
    changed = blocks.clone()
    changed[:, index] = value
    return changed


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
