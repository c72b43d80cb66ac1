"""The command line: ``python -m benchmarks interventions``."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import gpt2_small, interventions

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
console = Console()
OUT = Path("build/benchmarks")


@app.callback()
def benchmarks() -> None:
    """How fast causalmod is: ratios within one run, one thread, medians of interleaved repeats."""


@app.command("interventions")
def interventions_(
    repeats: Annotated[int, typer.Option(help="Repeats, taken in turns by all.")] = 7,
    task: Annotated[list[str] | None, typer.Option(help="mlp, gpt2; both by default.")] = None,
    peer: Annotated[
        list[str] | None, typer.Option(help="Only these; by default all, and causalmod.")
    ] = None,
    kept: Annotated[bool, typer.Option(help="Also time runs that keep every result.")] = True,
    large: Annotated[bool, typer.Option(help="Also GPT-2 small: compile, plan, sweep.")] = True,
    out: Annotated[Path, typer.Option(help="Folder of the JSON file.")] = OUT,
) -> None:
    """Interventions, against the downstream matrix products, naive hooks and other libraries."""
    chosen = peer or interventions.names()
    ways = (False, True) if kept else (False,)
    rows: list[dict[str, Any]] = []
    costs: list[dict[str, Any]] = []
    path = out / "interventions.json"
    with console.status("") as status:
        for timings in interventions.measure(
            task or ("mlp", "gpt2"), chosen, repeats, ways, status.update
        ):
            new = interventions.to_rows(timings)
            rows += new
            console.print(_table(new))
            _write(path, rows, costs)
        if large:
            status.update("GPT-2 small")
            costs = gpt2_small.measure()
            console.print(_costs(costs))
            _write(path, rows, costs)
    console.print(f"Written to {path}.")


def _write(path: Path, rows: list[dict[str, Any]], costs: list[dict[str, Any]]) -> None:
    machine = {"python": platform.python_version(), "machine": platform.machine(), "threads": 1}
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"machine": machine, "timings": rows, "gpt2_small": costs}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def _table(rows: list[dict[str, Any]]) -> Table:
    title = {
        "mlp": "512 neurons of a 64-256-256-256-10 network, 1,024 rows",
        "gpt2": "16 heads and 4 MLPs of a 4-layer GPT-2, 64 × 32 tokens",
    }[rows[0]["task"]]
    how = "every result kept" if rows[0]["kept"] else "every result handed over and dropped"
    table = Table(title=f"{title}; {how}")
    for heading in ("way", "version", "seconds", "ratio", "range", "ours is faster by", "target"):
        table.add_column(heading, justify="left" if heading in {"way", "version"} else "right")
    failed = [f"{row['peer']} was not timed: {row['problem']}" for row in rows if row["problem"]]
    table.caption = "\n".join(["ratio: time over that of the products", *failed])
    for row in sorted((r for r in rows if not r["problem"]), key=lambda row: row["ratio"]):
        factor = f"{row['ours_faster']:.2f}×" if row["ours_faster"] else ""
        target = "" if row["met"] is None else f"{row['target']:g} {_mark(row['met'])}"
        table.add_row(
            row["peer"], row["version"], f"{row['seconds']:.3f}", f"{row['ratio']:.2f}",
            f"{row['low']:.2f}–{row['high']:.2f}", factor, target,
        )  # fmt: skip
    return table


def _costs(costs: list[dict[str, Any]]) -> Table:
    table = Table(title="GPT-2 small: 12 layers, 768 wide, random weights")
    for heading in ("what", "measured", "target"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for row in costs:
        target = "" if row.get("met") is None else f"{row['target']} {_mark(row['met'])}"
        table.add_row(row["what"], row["measured"], target)
    return table


def _mark(met: bool) -> str:
    return "[green]met[/]" if met else "[red]missed[/]"


if __name__ == "__main__":
    app()
