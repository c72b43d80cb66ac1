"""What the terminal shows: messages, progress and the table of results."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from causalmod.plotting import number, plain
from causalmod.report import bits_in_words, chance_in_words, score_in_words

if TYPE_CHECKING:
    from causalmod.report import ReportSection

Tell = Callable[[str, int, int], None]


def console(*, stderr: bool) -> Console:
    """Return a console that prints text as it is: no markup, no emoji codes, no guessed colours."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, markup=False, emoji=False, highlight=False, soft_wrap=True)


def harmless(message: str) -> str:
    """Return a message, which may quote other people's names, without control sequences."""
    return "\n".join(plain(line, longest=4000) for line in message.splitlines())


def complain(message: str) -> None:
    """Print an error on stderr."""
    console(stderr=True).print(Text.assemble(("Error: ", "bold red"), harmless(message)))


def remark(message: str) -> None:
    """Print a note on stderr."""
    console(stderr=True).print(Text.assemble(("Note: ", "bold"), harmless(message)))


@contextmanager
def progress_bars(name: str) -> Iterator[Tell]:
    """Show a bar for each stage of the work, on stderr, as long as the work lasts."""
    looks = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    shown = Console(stderr=True, markup=False)
    with Progress(*looks, console=shown, transient=True, disable=not shown.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(f"{plain(name)}: {plain(stage)}", total=None)
            known = total > 1 or done == total  # a single step has no fraction to show: it pulses
            bars.update(tasks[stage], completed=done, total=total if known else None)

        yield tell


def print_results(sections: Sequence[ReportSection]) -> None:
    """Print a table, a column for each network, and what it shows."""
    out = console(stderr=False)
    table = Table(show_edge=False, pad_edge=False, header_style="bold", title_justify="left")
    table.add_column("")
    for section in sections:
        table.add_column(Text(plain(section.name)), overflow="fold")
    for label, cells in _rows(sections):
        heavy = "bold" if label.startswith("Modularity") else ""
        table.add_row(Text(label, style=heavy), *(Text(cell, style=heavy) for cell in cells))
    out.print()
    out.print(table, soft_wrap=False)
    for section in sections:
        for comment in section.comments:
            out.print()
            out.print(Text(f"{plain(section.name)}: {plain(comment, 600)}"), soft_wrap=False)


def _rows(sections: Sequence[ReportSection]) -> Iterator[tuple[str, list[str]]]:
    results = [section.result for section in sections]

    def row(label: str, figure: Callable[[int], str]) -> tuple[str, list[str]]:
        return label, [
            "interrupted" if results[place] is None else figure(place)
            for place in range(len(results))
        ]

    def found(place: int):
        result = results[place]
        assert result is not None
        return result

    yield row("Known answer", lambda p: plain(sections[p].truth, 200) or "not known")
    yield row("Modules (units)", lambda p: _sizes(sections[p]))
    yield row("Modularity, calibrated", lambda p: score_in_words(found(p)))
    yield row("  against chance", lambda p: plain(chance_in_words(found(p)), 200))
    yield row("Exchange (bits)", lambda p: bits_in_words(found(p).exchange.estimate))
    names = dict.fromkeys(b.name for section in sections for b in section.baselines)
    for name in names:
        yield row(name, lambda p, name=name: _baseline(sections[p], name))
    yield row("Raw (diagnostic)", lambda p: number(found(p).raw))
    yield row("Inert units", lambda p: str(len(found(p).inert)))
    yield row("Seconds", lambda p: f"{sections[p].seconds:.1f}")


def _sizes(section: ReportSection) -> str:
    if section.result is None:
        return ""
    modules = section.result.partition.modules.items()
    text = ", ".join(f"{plain(name, 20)} {len(members)}" for name, members in modules)
    if section.recovered is None:
        return text
    return f"{text}; adjusted Rand index {section.recovered:.2f}"


def _baseline(section: ReportSection, name: str) -> str:
    for baseline in section.baselines:
        if baseline.name == name:
            return f"{number(baseline.value)} {baseline.unit}".strip()
    return "–"
