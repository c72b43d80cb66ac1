"""``causalmod check``: a measure tried on every axiom, as a table and an exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from causalmod.cli.terminal import console, harmless, progress_bars
from causalmod.errors import InputError, OutputError

if TYPE_CHECKING:
    from causalmod.conformance import Conformance

FAILED = 1
_LOOKS = {"holds": "green", "fails": "bold red", "error": "bold magenta"}


def check(
    names: list[str],
    *,
    axioms: list[str] | None,
    quick: bool,
    seed: int,
    save: Path | None,
    as_json: bool,
    force: bool,
) -> int:
    """Try measures, print what came of it, and return 0, or 1 when something failed.

    Args:
        names: registered names, or ``package.module:Measure``.
        axioms: names of axioms; all when None.
        quick: only the cheapest networks of each axiom.
        seed: given to the measures.
        save: a ``.csv`` or ``.json`` file for every claim.
        as_json: print JSON in place of the table.
        force: replace the file if it exists.

    Raises:
        InputError: an unknown name, or something that is no measure.
        OutputError: the file cannot be written, or exists.
    """
    from causalmod.cli.user_code import imported
    from causalmod.conformance import conformance
    from causalmod.measures import MEASURES

    if save is not None:
        _check_path(save, force)
    expected = f"Measure, or one of {', '.join(MEASURES.names())}"
    measures: list[Any] = [
        imported(name, "measure", expected) if ":" in name else name for name in names
    ]
    with progress_bars("check") as tell:
        found = conformance(measures or None, axioms=axioms, quick=quick, seed=seed, progress=tell)
    if save is not None:
        _write(save, found)
    if as_json:
        console(stderr=False).print(json.dumps(found.to_dict(), indent=2))
    else:
        _print(found)
    return 0 if found.ok else FAILED


def _print(found: Conformance) -> None:
    out = console(stderr=False)
    table = Table(show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("axiom")
    for name in found.measures:
        table.add_column(harmless(name))
    for axiom in found.axioms:
        states = [found.status(name, axiom) for name in found.measures]
        table.add_row(axiom, *(Text(state, style=_LOOKS.get(state, "dim")) for state in states))
    out.print(table)
    for verdict in found.verdicts:
        if verdict.failures:
            out.print()
            out.print(Text(harmless(f"{verdict.measure}: {verdict.axiom}"), style="bold"))
            out.print(harmless(verdict.statement))
            for finding in verdict.failures:
                out.print(harmless(f"- {finding}"))


def _check_path(path: Path, force: bool) -> None:
    if path.suffix.lower() not in {".csv", ".json"}:
        raise InputError(f"the table is saved as .csv or .json; given {path}")
    if path.exists() and not force:
        raise OutputError(f"{path} exists; choose another name, or say --force")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"there is no folder {path.absolute().parent}; make it first")


def _write(path: Path, found: Conformance) -> None:
    try:
        if path.suffix.lower() == ".json":
            path.write_text(json.dumps(found.to_dict(), indent=2), encoding="utf-8")
        else:
            found.findings().to_csv(path, index=False)
    except OSError as reason:
        raise OutputError(f"cannot write {path}: {reason.strerror or reason}") from reason
