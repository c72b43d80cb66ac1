"""One command from the check of its output path to the last line that it prints."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from causalmod import __version__
from causalmod.cli.terminal import console, print_results, progress_bars, remark
from causalmod.errors import CausalmodWarning, Interrupted, OutputError
from causalmod.report import ReportSection, check_writable, write_report

if TYPE_CHECKING:
    from causalmod.partition import Partition
    from causalmod.scm import StructuralCausalModel

INTERRUPTED = 130


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Options that every search of a command shares."""

    seed: int = 0
    budget: int | None = None
    nulls: int = 19
    k: int = 2
    estimator: str = "auto"
    resolution: float = 1.0


class Job:
    """Runs the work of a command and writes what came of it, also when it is interrupted.

    Attributes:
        sections: the networks studied so far, for the work to add to.
        exit_code: 0, or 130 after an interruption; known when the block has ended.
    """

    def __init__(
        self, command: str, out: Path, title: str, settings: Settings, as_json: bool, force: bool
    ) -> None:
        self.settings = settings
        self.sections: list[ReportSection] = []
        self.exit_code = 0
        self._command, self._title = command, title
        self._as_json, self._force = as_json, force
        self._out = check_writable(out, force)  # before the work, not after
        self._notes: list[str] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Job:
        if self._as_json:  # a user's own print() must not end up in the JSON
            self._stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        self._stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("always", category=CausalmodWarning)
        self._show_other = warnings.showwarning
        warnings.showwarning = self._warned
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._stack.close()
        if error is not None and not isinstance(error, KeyboardInterrupt):
            return False
        if error is not None:
            self.exit_code = INTERRUPTED
        self._finish()
        return True

    def say(self, note: str) -> None:
        """Print a note on stderr; it is repeated in the report."""
        if note not in self._notes:
            self._notes.append(note)
            remark(note)

    def study(
        self,
        name: str,
        description: str,
        scm: StructuralCausalModel,
        *,
        truth: str = "",
        planted: Partition | None = None,
    ) -> ReportSection:
        """Search a network for its modules and measure them; the section joins :attr:`sections`."""
        import causalmod as cm
        from causalmod.cli.baselines import measure_baselines, rand_index
        from causalmod.provenance import Stopwatch

        watch = Stopwatch()
        made = self.settings

        def section(result: cm.Modularity | None, **more: Any) -> ReportSection:
            recovered = None
            if result is not None and planted is not None:
                recovered = rand_index(planted, result.partition)
            return ReportSection(
                name=name, description=description, result=result, scm=scm, truth=truth,
                recovered=recovered, seconds=watch.seconds, **more,
            )  # fmt: skip

        try:
            with progress_bars(name) as tell:
                result = cm.modularity(
                    scm,
                    made.k,
                    budget=cm.SearchBudget(evaluations=made.budget),
                    nulls=made.nulls,
                    estimator=made.estimator,
                    resolution=made.resolution,
                    seed=made.seed,
                    progress=tell,
                )
        except Interrupted as stop:
            self.sections.append(section(stop.partial))
            raise
        try:
            baselines = measure_baselines(scm, result.partition, made.seed)
        except KeyboardInterrupt:
            self.sections.append(section(result))
            raise
        self.sections.append(section(result, baselines=baselines))
        return self.sections[-1]

    def _warned(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, CausalmodWarning):
            self.say(str(message))
        else:
            self._show_other(message, category, filename, lineno, file, line)

    def _finish(self) -> None:
        interrupted = self.exit_code == INTERRUPTED
        found = any(section.result is not None for section in self.sections)
        path: Path | None = None
        failed: OutputError | None = None
        if found:
            notice = "The work was interrupted: this is what was found so far."
            try:
                path = write_report(
                    self._out,
                    self.sections,
                    title=self._title,
                    force=self._force,
                    notice=notice if interrupted else "",
                    notes=self._notes,
                )
            except OutputError as reason:  # a full disk must not take the figures with it
                failed = reason
        if self._as_json:
            sys.stdout.write(self._json(path, interrupted) + "\n")
        elif found:
            print_results(self.sections)
            if path is not None:
                console(stderr=False).print(f"\nReport: {path}")
        if failed is not None:
            raise failed
        if interrupted:
            kept = f"what was found so far is in {path}" if path else "nothing was found yet"
            remark(f"interrupted; {kept}")

    def _json(self, path: Path | None, interrupted: bool) -> str:
        content = {
            "causalmod": __version__, "command": self._command, "interrupted": interrupted,
            "report": None if path is None else str(path), "notes": self._notes,
            "networks": [section.to_dict() for section in self.sections],
        }  # fmt: skip
        return json.dumps(_finite(content), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    """Infinity and NaN are no JSON: written as text."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
