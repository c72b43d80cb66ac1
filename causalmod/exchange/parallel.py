"""Run independent pieces of work side by side, on as many threads as torch may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """Yield ``work(item)`` in the order of ``items``.

    Many small tensors gain little from threads inside an operation, so each worker gets one and
    ``torch.get_num_threads()`` items run at a time. Results do not depend on the number of workers.
    An interruption waits for the items in flight and drops the rest.
    """
    workers = min(torch.get_num_threads(), len(items))
    if workers <= 1:
        yield from map(work, items)
        return
    with (
        _single_threaded_operations(),
        ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


@contextmanager
def _single_threaded_operations() -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
