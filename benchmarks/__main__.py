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
    with console.status("") as status:
        timings = interventions.measure(
            task or ("mlp", "gpt2"), peer or interventions.names(), repeats,
            (False, True) if kept else (False,), status.update,
        )  # fmt: skip
        rows = interventions.to_rows(timings)
        status.update("GPT-2 small")
        costs = gpt2_small.measure() if large else []
    for name in dict.fromkeys(row["task"] for row in rows):
        for keep in dict.fromkeys(row["kept"] for row in rows):
            console.print(_table(name, keep, rows))
    if costs:
        console.print(_costs(costs))
    out.mkdir(parents=True, exist_ok=True)
    path = out / "interventions.json"
    machine = {"python": platform.python_version(), "machine": platform.machine(), "threads": 1}
    path.write_text(
        json.dumps({"machine": machine, "timings": rows, "gpt2_small": costs}, indent=1) + "\n",
        encoding="utf-8",
    )
    console.print(f"Written to {path}.")


def _table(task: str, keep: bool, rows: list[dict[str, Any]]) -> Table:
    title = {
        "mlp": "512 neurons of a 64-256-256-256-10 network, 1,024 rows",
        "gpt2": "16 heads and 4 MLPs of a 4-layer GPT-2, 64 × 32 tokens",
    }[task]
    how = "every result kept" if keep else "every result handed over and dropped"
    table = Table(title=f"{title}; {how}")
    for heading in ("way", "version", "seconds", "ratio", "range", "ours is faster by", "target"):
        table.add_column(heading, justify="left" if heading in {"way", "version"} else "right")
    here = [row for row in rows if (row["task"], row["kept"]) == (task, keep)]
    failed = [f"{row['peer']} was not timed: {row['problem']}" for row in here if row["problem"]]
    table.caption = "\n".join(["ratio: time over that of the products", *failed])
    for row in sorted((r for r in here if not r["problem"]), key=lambda row: row["ratio"]):
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
