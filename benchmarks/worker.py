"""One peer in a process of its own: libraries that patch torch do not slow each other down."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module, metadata, util
from typing import Any

THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1",
           "TOKENIZERS_PARALLELISM": "false"}  # fmt: skip


@dataclass(frozen=True)
class Ready:
    """A peer that gives the right values, or why it is not timed.

    Attributes:
        version: version of the package.
        error: largest difference from naive hooks.
        problem: why it is not timed, if it is not.
    """

    version: str = ""
    error: float = 0.0
    problem: str = ""


class Worker:
    """A process that holds one peer's run of one task and times it when told to.

    Not one of multiprocessing: TorchLens refuses to trace in those.
    """

    def __init__(self, task: str, peer: str, keep: bool) -> None:
        self.peer = peer
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "benchmarks.worker", task, peer, str(int(keep))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, **THREADS},
        )  # fmt: skip
        self.ready = Ready(**self._receive())

    def _receive(self) -> Any:
        line = self._process.stdout.readline() if self._process.stdout else ""
        return json.loads(line or '{"problem": "its process ended"}')

    def _send(self, word: str) -> None:
        if self._process.stdin:
            self._process.stdin.write(word + "\n")
            self._process.stdin.flush()

    def time(self) -> tuple[float, float]:
        """Return processor seconds of the products, and of the peer right after."""
        self._send("time")
        products, seconds = self._receive()
        return products, seconds

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.communicate("end\n", timeout=60)


def serve(task_name: str, peer_name: str, keep: bool) -> None:
    """Answer on what was the standard output; whatever the libraries print goes elsewhere."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)

        def answer(what: object) -> None:
            answers.write(json.dumps(what) + "\n")
            answers.flush()

        try:
            ready, products, run = _prepare(task_name, peer_name, keep)
        except Exception as error:  # noqa: BLE001 - whatever a peer raises is shown
            problem = " ".join(f"{type(error).__name__}: {error}".split())
            answer(asdict(Ready(problem=problem[:300])))
            return
        answer(asdict(ready))
        while sys.stdin.readline() == "time\n":
            gc.collect()
            answer((_seconds(products), _seconds(run)))


def _prepare(
    task_name: str, peer_name: str, keep: bool
) -> tuple[Ready, Callable[[], object], Callable[[], object]]:
    import torch

    from benchmarks.peers import hooks
    from benchmarks.tasks import TASKS

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    task = TASKS[task_name]()
    expected: dict[tuple[int, str], torch.Tensor] = {}

    def remember(number: int, recorded: dict[str, torch.Tensor]) -> None:
        expected.update({(number, name): value.clone() for name, value in recorded.items()})

    hooks.prepare(task, keep=False)(remember)
    peer: Any = import_module(f"benchmarks.peers.{peer_name}")
    run = peer.prepare(task, keep)
    errors: list[float] = []

    def compare(number: int, recorded: dict[str, torch.Tensor]) -> None:
        for name, value in recorded.items():
            errors.append(float((value - expected.pop((number, name))).abs().max()))

    run(compare)
    if expected:
        raise ValueError(f"{len(expected)} values are missing")
    if not max(errors) <= task.error:
        raise ValueError(f"differs from naive hooks by {max(errors):.2g}")
    ready = Ready(metadata.version(peer.PACKAGE), max(errors))

    def timed() -> list[dict[str, torch.Tensor]]:
        kept: list[dict[str, torch.Tensor]] = []
        run((lambda _, recorded: kept.append(recorded)) if keep else (lambda *_: None))
        return kept

    return ready, task.products, timed


def _seconds(call: Callable[[], object]) -> float:
    """Processor time, which other processes on the machine hardly move; there is one thread."""
    start = time.process_time()
    kept = call()
    end = time.process_time()
    del kept
    return end - start


def installed(peer: str) -> bool:
    """Is the library of a peer there?"""
    name = import_module(f"benchmarks.peers.{peer}").PACKAGE.replace("-", "_")
    return util.find_spec(name) is not None


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], bool(int(sys.argv[3])))
