"""How often do 95% intervals hold the value that the same estimator reads with endless samples?

Each simulated data set has rows of its own, drawn from the population. Run it as
``python -m benchmarks.coverage --runs 1000``; what was counted already is kept in ``--store``, and
counting goes on from there, a hundred data sets of each cell at a time.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch

import causalmod as cm
from benchmarks.coverage_cases import CASES, endless
from causalmod.exchange import averaged, figures

ROWS, CONTEXTS = 1024, 256
PAIRED = ("copula", "ksg", "ksg-ranks")
NAMES = ("binned", "copula", "ksg", "ksg-ranks", "gaussian", "pairwise", "auto")
FORMS = ("observational", "interventional", "conditional", "exchange")
ROUND = 100
Cell = dict[str, Any]


def cells() -> Iterator[tuple[str, str, str, float]]:
    """Case, form, estimator and share of the default sample, of every cell of the table."""
    for case in CASES:
        for form in FORMS:
            for name in NAMES:
                if suited(case, form, name):
                    yield from ((case, form, name, share) for share in (1.0, 0.25))


def suited(case: str, form: str, name: str) -> bool:
    """Copula and neighbours read pairs of continuous values; modules are groups."""
    if name in PAIRED and (case == "discrete" or form in {"conditional", "exchange"}):
        return False
    return form != "exchange" or (case.startswith("leak") and name in {"gaussian", "pairwise"})


@cache
def population(case: str) -> tuple[cm.StructuralCausalModel, torch.Tensor]:
    """The model, compiled once, and rows of a thousand data sets."""
    made = CASES[case]
    rows = made.rows(ROWS * 1000, torch.Generator().manual_seed(7))
    return cm.compile(made.model.eval(), rows), rows


def read(case: str, form: str, name: str, seed: int, share: float) -> cm.Estimate:
    """One estimate from rows of its own."""
    count = int(ROWS * share)
    scm = population(case)[0].with_rows(torch.arange(count) + ROWS * (seed % 1000))
    settings: dict[str, Any] = {"estimator": name, "contexts": int(CONTEXTS * share), "seed": seed}
    if form == "exchange":
        left, right = (["tanh[0:4]", "output[0:4]"], ["tanh[4:8]", "output[4:8]"])
        return cm.exchange(scm, cm.Partition({"left": left, "right": right}), **settings).estimate
    return cm.information(scm, CASES[case].source, CASES[case].target, form, **settings)


def count(cell: Cell, case: str, form: str, name: str, share: float, runs: int) -> None:
    """Go on counting until so many data sets were seen."""
    for seed in range(cell["runs"], runs):
        found = read(case, form, name, seed, share)
        cell["runs"] += 1
        cell["sum"] += found.bits
        cell["estimators"] = sorted({*cell["estimators"], found.estimator})
        if found.low is None or found.high is None:
            cell["saturated"] += 1
            continue
        cell["inside"] += int(found.low <= _value(cell, found.estimator, 0) <= found.high)
        cell["width"] += found.high - found.low
        if found.upper_low is not None and found.upper_high is not None:
            top = _value(cell, found.estimator, 1)
            cell["inside_upper"] += int(found.upper_low <= top <= found.upper_high)
            cell["uppers"] += 1


def _value(cell: Cell, estimator: str, which: int) -> float:
    """The value with endless samples; information is never below 0, nor are its bounds."""
    return max(0.0, cell["values"][estimator][which])


def values(case: str, form: str, name: str) -> dict[str, tuple[float, float | None]]:
    """Estimator → what it reads with endless samples. ``auto`` may take several."""
    names = ("binned",) if name == "auto" else (name,)
    found: dict[str, Any] = {}
    for each in names:
        low, high = endless(case, form, each)
        found[each] = (float(low), None if high is None else float(high))
    if name == "auto" and case == "discrete":  # counted: exact over the data, itself a sample
        found["exact"] = found["binned"]
    return found


def table(store: dict[str, Cell]) -> str:
    """Markdown: a row for each case, form and sample, a column for each estimator."""
    lines = ["| case | form | sample | " + " | ".join(NAMES) + " |"]
    lines.append("|---" * (3 + len(NAMES)) + "|")
    for case in CASES:
        for form in FORMS:
            for share in (1.0, 0.25):
                found = [store.get(f"{case}/{form}/{name}/{share}") for name in NAMES]
                if any(found):
                    size = "default" if share == 1 else "quarter"
                    shown = " | ".join(_shown(cell) for cell in found)
                    lines.append(f"| {case} | {form} | {size} | {shown} |")
    return "\n".join(lines)


def _shown(cell: Cell | None) -> str:
    if cell is None:
        return ""
    told = cell["runs"] - cell["saturated"]
    if told < cell["runs"] / 2:
        return "saturates"
    if cell["estimators"] == ["exact"]:
        return "exact"
    text = f"{100 * cell['inside'] / told:.1f}"
    return text + (f" / {100 * cell['inside_upper'] / told:.1f}" if cell["uppers"] else "")


def main() -> None:
    """Count what is not in the store yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--only", nargs="*", default=[""], help="cells with any of these in them")
    parser.add_argument("--store", type=Path, default=Path("build/coverage.json"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", cm.CausalmodWarning)
    for module in (figures, averaged):  # null floors take most of the time, and play no part here
        for name in ("_PERMUTATIONS", "_FEW_PERMUTATIONS"):
            if hasattr(module, name):
                setattr(module, name, 1)
    store: dict[str, Cell] = json.loads(asked.store.read_text()) if asked.store.exists() else {}
    asked.store.parent.mkdir(exist_ok=True, parents=True)
    for runs in range(ROUND, asked.runs + ROUND, ROUND):
        for case, form, name, share in cells():
            key = f"{case}/{form}/{name}/{share}"
            if not any(part in key for part in asked.only):
                continue
            zeros = dict.fromkeys(
                ("runs", "saturated", "inside", "inside_upper", "uppers", "width", "sum"), 0
            )
            cell = store.setdefault(key, {**zeros, "estimators": []})
            if "values" not in cell:
                cell["values"] = values(case, form, name)
            if cell["runs"] < min(runs, asked.runs):
                count(cell, case, form, name, share, min(runs, asked.runs))
                asked.store.write_text(json.dumps(store, indent=1))
    for key, cell in store.items():
        told = max(1, cell["runs"] - cell["saturated"])
        mean, width = cell["sum"] / cell["runs"], cell["width"] / told
        shown = {e: [None if v is None else round(v, 4) for v in vs] for e, vs in
                 cell["values"].items()}  # fmt: skip
        print(f"{key}: {shown}, mean {mean:.4f}, width {width:.4f}, {_shown(cell)}")
    print(table(store))


if __name__ == "__main__":
    main()
