"""How far long work has come."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from causalmod.errors import InputError

#: Called with what is being done, steps done, steps in all.
Progress = Callable[[str, int, int], None]


@contextmanager
def progress_of(progress: Progress | bool | None) -> Iterator[Progress]:
    """Yield what to call after each step.

    Args:
        progress: what to call; True for a bar on stderr; False for nothing; None for a bar where
            stderr is a terminal or a notebook.

    Raises:
        InputError: something else.
    """
    if callable(progress):
        yield progress
        return
    if progress is not None and not isinstance(progress, bool):
        raise InputError(
            "progress is True, False, None, or a function of (stage, steps done, steps in all); "
            f"given {progress!r}"
        )
    seen = sys.stderr.isatty() or "ipykernel" in sys.modules
    if progress is False or (progress is None and not seen):
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    console = Console(stderr=True, markup=False)
    with Bars(console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done)

        yield tell
