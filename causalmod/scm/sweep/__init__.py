"""Sweeps: thousands of interventions as one job."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod._memory import is_out_of_memory, parse_memory, show_memory
from causalmod.errors import CausalmodWarning, InputError, Interrupted
from causalmod.interventions import Resample, Value
from causalmod.provenance import stopwatch
from causalmod.scm.sweep.asked import Asked, read
from causalmod.scm.sweep.engine import Engine
from causalmod.scm.sweep.jobs import Job, Ready
from causalmod.scm.sweep.result import Chunk, Sweep

if TYPE_CHECKING:
    from causalmod.scm.model import StructuralCausalModel

__all__ = ["Chunk", "Reduce", "Sweep", "stream", "sweep"]

Reduce = Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Any]
_TOGETHER = 64  # at most so many interventions in one chunk


def stream(
    scm: StructuralCausalModel,
    asked: Asked,
    value: Value,
    record: Sequence[str] | str | None,
    memory: str | int,
    progress: bool,
) -> Iterator[Chunk]:
    """Run interventions and yield what follows, a few at a time; see ``scm.stream``."""
    work = _Work(scm, asked, value, record, memory)
    return work.chunks(progress, lambda count, start: work.empty(count))


def sweep(
    scm: StructuralCausalModel,
    asked: Asked,
    value: Value,
    record: Sequence[str] | str | None,
    reduce: Reduce | None,
    memory: str | int,
    *,
    progress: bool,
) -> Sweep:
    """Run interventions and keep what follows, or what ``reduce`` makes of it."""
    work = _Work(scm, asked, value, record, memory)
    kept = _Kept(work, reduce, memory)
    done: list[str] = []
    seed = value.seed if isinstance(value, Resample) else None

    def result(complete: bool) -> Sweep:
        where = scm.provenance(seed, watch.seconds)
        return Sweep(tuple(done), kept.result(len(done)), reduce is not None, complete, where)

    with stopwatch() as watch:
        try:
            for chunk in work.chunks(progress, kept.room):
                kept.add(chunk)
                done += chunk.names
        except KeyboardInterrupt as stop:
            raise Interrupted(result(complete=False)) from stop
        return result(complete=True)


class _Work:
    """Interventions that were asked for, checked, and what is to be recorded."""

    def __init__(
        self,
        scm: StructuralCausalModel,
        asked: Asked,
        value: Value,
        record: Sequence[str] | str | None,
        memory: str | int,
    ) -> None:
        self.names = _recorded(scm, record)
        self.budget = parse_memory(memory)
        self.makes = read(scm, asked, value)
        scm.record([scm.node_of(name) for name in self.names])
        nodes = [scm.node_of(name) for name in self.names]
        #: bytes of what is recorded for one intervention
        self.each = sum(scm.rows * scm.program.bytes_per_row(node) for node in nodes)
        if 2 * self.each > self.budget:
            raise InputError(
                f"memory={memory!r}: what is recorded takes {show_memory(self.each)} for each "
                f"intervention, and about as much again to compute; give at least "
                f"{show_memory(2 * self.each)}, record less, or use fewer rows"
            )
        self._engine = Engine(scm, self.names, self.budget // 2)
        self.natural = {name: self._engine.natural(name) for name in self.names}

    def empty(self, count: int) -> dict[str, Tensor]:
        """Return room for the results of some interventions."""
        return {name: _empty(values, count) for name, values in self.natural.items()}

    def chunks(
        self, progress: bool, room: Callable[[int, int], dict[str, Tensor]]
    ) -> Iterator[Chunk]:
        """Run everything; ``room(count, start)`` says where results are to be written."""
        most = max(1, min(_TOGETHER, self.budget // 4 // max(self.each, 1)))
        start = 0
        with _bar(len(self.makes), progress) as tell:
            for ready, together in self._ready():
                for first in range(0, len(ready), min(most, together)):
                    some = ready[first : first + min(most, together)]
                    out = room(len(some), start)
                    self._run(some, out)
                    names = [name for name, _ in self.makes[start : start + len(some)]]
                    yield Chunk(tuple(names), out)
                    start += len(some)
                    tell(start)

    def _ready(self) -> Iterator[tuple[list[Ready | Job], int]]:
        """Yield interventions made ready, those on one site together, and how many to run so."""
        start = 0
        while start < len(self.makes):
            jobs = [self.makes[start][1]()]
            ahead = min(self._engine.ahead(jobs[0]), len(self.makes) - start)
            while len(jobs) < ahead:
                more = self.makes[start + len(jobs)][1]()
                if more.site is None or more.site != jobs[0].site:
                    break
                jobs.append(more)
            yield self._engine.ready(jobs), self._engine.together(jobs[0])
            start += len(jobs)

    def _run(self, jobs: Sequence[Ready | Job], out: Mapping[str, Tensor]) -> None:
        """Run some jobs, in smaller blocks when the memory gives out."""
        while True:
            try:
                with torch.inference_mode():
                    self._engine.run(jobs, out)
                return
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or not self._engine.shrink():
                    raise
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            warnings.warn(
                "memory gave out in the middle of a sweep; it goes on in blocks of half the size "
                "(give a smaller memory= to begin so)",
                CausalmodWarning,
                stacklevel=4,
            )


class _Kept:
    """What a sweep keeps, chunk by chunk: everything, or what a reduction makes of it."""

    def __init__(self, work: _Work, reduce: Reduce | None, memory: str | int) -> None:
        self._work = work
        self._reduce = reduce
        self._parts: list[dict[str, Tensor]] = []
        self._whole: dict[str, Tensor] = {}
        if reduce is not None and not callable(reduce):
            raise InputError(f"reduce is a function; given {reduce!r}")
        if reduce is not None:
            return
        count = len(work.makes)
        if count * work.each > work.budget:
            raise InputError(
                f"memory={memory!r}: to keep what {count} interventions lead to takes "
                f"{show_memory(count * work.each)}; give more memory, record less, give reduce= (a "
                "function of what each chunk holds), or take the chunks one by one from stream()"
            )
        self._whole = work.empty(count)

    def room(self, count: int, start: int) -> dict[str, Tensor]:
        """Where the results of the next interventions are to be written."""
        if self._reduce is None:
            return {name: values[start : start + count] for name, values in self._whole.items()}
        if not self._whole or len(next(iter(self._whole.values()))) < count:
            self._whole = self._work.empty(count)  # used again for every chunk
        return {name: values[:count] for name, values in self._whole.items()}

    def add(self, chunk: Chunk) -> None:
        """Take in a chunk."""
        if self._reduce is None:
            return
        size = len(chunk.names)
        given = self._call(chunk)
        found = dict(given) if isinstance(given, Mapping) else {"value": given}
        for name, values in found.items():
            if not isinstance(values, Tensor) or values.ndim == 0 or values.shape[0] != size:
                shape = list(values.shape) if isinstance(values, Tensor) else type(values).__name__
                raise InputError(
                    f"reduce: expected a tensor [{size}, ...], one entry for each intervention of "
                    f"the chunk, or a dict of such; {name!r} is {shape}"
                )
        self._parts.append({name: values.clone() for name, values in found.items()})

    def _call(self, chunk: Chunk) -> Any:
        try:
            return self._reduce(chunk.values, self._work.natural)  # type: ignore[misc]
        except Exception as error:
            if is_out_of_memory(error):
                raise
            shapes = {name: list(values.shape) for name, values in chunk.values.items()}
            raise InputError(
                f"reduce: the function takes two dicts, of what a chunk holds ({shapes}) and of "
                f"what is natural; called so it raised {type(error).__name__}: {error}"
            ) from error

    def result(self, done: int) -> dict[str, Tensor]:
        """Return what was kept of the first ``done`` interventions."""
        if self._reduce is None:
            return {name: values[:done] for name, values in self._whole.items()}
        names = self._parts[0] if self._parts else {}
        return {name: torch.cat([part[name] for part in self._parts]) for name in names}


def _recorded(scm: StructuralCausalModel, record: Sequence[str] | str | None) -> tuple[str, ...]:
    if record is None:
        return scm.outputs
    asked = [record] if isinstance(record, str) or not isinstance(record, Iterable) else [*record]
    if not asked:
        raise InputError("record= needs at least one site or output")
    return tuple(dict.fromkeys(scm.receiver(name)[0] for name in asked))


def _empty(like: Tensor, count: int) -> Tensor:
    """Fresh memory for results; from numpy, which asks for large pages."""
    import numpy as np

    shape = (count, *like.shape)
    if like.device.type != "cpu" or like.dtype not in {torch.float32, torch.float64}:
        return torch.empty(shape, dtype=like.dtype, device=like.device)
    kind = np.float32 if like.dtype == torch.float32 else np.float64
    return torch.from_numpy(np.empty(shape, kind))


@contextmanager
def _bar(total: int, shown: bool) -> Iterator[Callable[[int], object]]:
    """Show how far a sweep has come, on stderr, when somebody is there to see it."""
    if not shown or total < 2:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("interventions", total=total)
        yield lambda done: bars.update(task, completed=done)
