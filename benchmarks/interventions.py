"""Interventions against what cannot be avoided, the matrix products, and against the peers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from benchmarks import peers
from benchmarks.worker import Worker, installed

OURS = "causalmod_"


@dataclass(frozen=True)
class Timing:
    """One peer on one task.

    Attributes:
        task: name of the task.
        peer: name of the peer.
        version: version of its package.
        kept: were the results of all interventions kept, or each dropped after it was handed over?
        error: largest difference from naive hooks.
        seconds: median processor seconds.
        products: median processor seconds of the matrix products, timed right before each.
        ratio: median over repeats of seconds / products.
        low: least ratio.
        high: greatest ratio.
        problem: why there are no figures, if so.
    """

    task: str
    peer: str
    version: str
    kept: bool
    error: float = 0.0
    seconds: float = 0.0
    products: float = 0.0
    ratio: float = 0.0
    low: float = 0.0
    high: float = 0.0
    problem: str = ""


def names() -> list[str]:
    """Names of all peers: the files in ``peers/``."""
    found = [each.name for each in iter_modules(peers.__path__)]
    return [name for name in found if name != "protocol"]


def measure(
    tasks: Sequence[str],
    chosen: Sequence[str],
    repeats: int,
    kept: Sequence[bool] = (False, True),
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[list[Timing]]:
    """Time all chosen peers in turns, so that noise hits all; yield task by task."""
    for task in tasks:
        able = [p for p in chosen if task in import_module(f"benchmarks.peers.{p}").TASKS]
        for keep in kept:
            yield _take_turns(task, able, keep, repeats, say)


def _take_turns(
    task: str, able: Sequence[str], keep: bool, repeats: int, say: Callable[[str], None]
) -> list[Timing]:
    done: list[Timing] = []
    workers: list[Worker] = []
    for peer in able:
        say(f"{task}: {peer}")
        if not installed(peer):
            done.append(Timing(task, peer, "", keep, problem="not installed"))
            continue
        worker = Worker(task, peer, keep)
        if worker.ready.problem:
            done.append(Timing(task, peer, "", keep, problem=worker.ready.problem))
            worker.close()
        else:
            workers.append(worker)
    turns: dict[str, list[tuple[float, float]]] = {worker.peer: [] for worker in workers}
    for turn in range(repeats):
        say(f"{task}: repeat {turn + 1} of {repeats}")
        for worker in workers:
            turns[worker.peer].append(worker.time())
    for worker in workers:
        worker.close()
        done.append(_timing(task, worker, keep, turns[worker.peer]))
    return done


def _timing(task: str, worker: Worker, keep: bool, turns: list[tuple[float, float]]) -> Timing:
    ratios = [seconds / products for products, seconds in turns]
    return Timing(
        task, worker.peer, worker.ready.version, keep, worker.ready.error,
        seconds=statistics.median(seconds for _, seconds in turns),
        products=statistics.median(products for products, _ in turns),
        ratio=statistics.median(ratios), low=min(ratios), high=max(ratios),
    )  # fmt: skip


def targets(task: str) -> tuple[float, dict[str, float]]:
    """Return the limit of a task, and peer → factor by which we must be faster."""
    return {
        "mlp": (0.55, {"nnsight": 3.0, "pyvene": 3.0, "torchlens": 9.0}),
        "gpt2": (1.5, {"nnsight": 1.7, "pyvene": 1.7, "transformer_lens": 1.7}),
    }[task]


def best_of_ours(timings: Sequence[Timing], task: str, kept: bool) -> Timing | None:
    """Return our quickest way."""
    ours = [
        each for each in timings
        if each.task == task and each.kept == kept and each.peer.startswith(OURS)
        and not each.problem
    ]  # fmt: skip
    return min(ours, key=lambda each: each.ratio, default=None)


def to_rows(timings: Sequence[Timing]) -> list[dict[str, Any]]:
    """Return the timings as rows, with how much faster we are and whether that is enough."""
    rows: list[dict[str, Any]] = []
    for each in timings:
        limit, faster = targets(each.task)
        ours = best_of_ours(timings, each.task, each.kept)
        factor = each.ratio / ours.ratio if ours and not each.problem else None
        asked = limit if each is ours else faster.get(each.peer)
        met = None
        if not each.kept and not each.problem and asked is not None:
            met = each.ratio <= asked if each is ours else (factor or 0.0) >= asked
        rows.append({**asdict(each), "ours_faster": factor, "target": asked, "met": met})
    return rows
