"""How often do 95% intervals hold the value that the same estimator reads with endless samples?

Each simulated data set has rows of its own, drawn from the population. The value with endless
samples comes from a data set of many rows, with many contexts and donors. Run it as
``python benchmarks/coverage.py --runs 1000``; what was counted already is kept in ``--store``.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod.exchange import averaged, figures

ROWS, CONTEXTS, DRAWS = 1024, 256, 64
MANY = 8192  # rows that stand for endless ones
OBSERVATIONAL = ("binned", "copula", "ksg", "ksg-ranks", "gaussian", "pairwise")
CONDITIONAL = ("binned", "gaussian", "pairwise")


class Sum(nn.Module):
    """``.8 a + .6 b``; of discrete inputs ``[a + b >= 3]`` and a share of noise."""

    def __init__(self, discrete: bool) -> None:
        super().__init__()
        self.discrete = discrete

    def forward(self, x: Tensor) -> Tensor:
        """Return the output."""
        if self.discrete:
            return torch.relu(x[:, :1] + x[:, 1:] - 2)
        return 0.8 * x[:, :1] + 0.6 * x[:, 1:]


class Tracks(nn.Module):
    """Two tracks of tanh units, with a leak from the left one into the right one."""

    def __init__(self, leak: float, width: int = 4) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.first, self.second = nn.Linear(4, 2 * width), nn.Linear(2 * width, 2 * width)
        with torch.no_grad():
            for layer in (self.first, self.second):
                reads = layer.weight.shape[1]
                layer.weight.copy_(torch.randn(2 * width, reads, generator=generator))
                layer.weight.div_((reads / 2) ** 0.5)
                layer.bias.copy_(0.3 * torch.randn(2 * width, generator=generator))
                layer.weight[:width, reads // 2 :] = 0
                layer.weight[width:, : reads // 2] *= leak if layer is self.second else 0.0

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations of the second layer."""
        return torch.tanh(self.second(torch.tanh(self.first(x))))


class Case(NamedTuple):
    """A network, and where its inputs come from."""

    model: nn.Module
    rows: Callable[[int, torch.Generator], Tensor]
    source: str
    target: str


def normal(width: int) -> Callable[[int, torch.Generator], Tensor]:
    """Return what draws rows of standard normal values."""
    return lambda rows, generator: torch.randn(rows, width, generator=generator)


def whole(rows: int, generator: torch.Generator) -> Tensor:
    """Return rows of numbers 0 to 3, all alike likely."""
    return torch.randint(4, (rows, 2), generator=generator).float()


CASES = {
    "discrete": Case(Sum(True), whole, "input[0]", "output[0]"),
    "Gaussian": Case(Sum(False), normal(2), "input[0]", "output[0]"),
} | {
    f"leak {leak}": Case(Tracks(leak), normal(4), "tanh[0]", "output[4]")
    for leak in (0.03, 0.1, 0.3)
}


def cells() -> Iterator[tuple[str, str, str]]:
    """Case, form and estimator of every cell of the table."""
    for case in CASES:
        for form, names in (
            ("observational", OBSERVATIONAL),
            ("interventional", OBSERVATIONAL),
            ("conditional", CONDITIONAL),
        ):
            yield from ((case, form, name) for name in names if suited(case, name))
        if case.startswith("leak"):
            yield from ((case, "exchange", name) for name in ("gaussian", "pairwise"))


def suited(case: str, name: str) -> bool:
    """Copula and neighbours are for continuous values."""
    return case != "discrete" or name in CONDITIONAL


def read(case: str, form: str, name: str, seed: int, share: float, endless: bool = False) -> Any:
    """One estimate from rows of its own."""
    made = CASES[case]
    rows = MANY if endless else int(ROWS * share)
    contexts = 4096 if endless else int(CONTEXTS * share)
    generator = torch.Generator().manual_seed(seed)
    scm = cm.compile(made.model.eval(), made.rows(rows, generator))
    settings: dict[str, Any] = {"estimator": name, "contexts": contexts, "seed": seed}
    settings["draws"] = 256 if endless and form != "interventional" else DRAWS
    if form == "exchange":
        left, right = (["tanh[0:4]", "output[0:4]"], ["tanh[4:8]", "output[4:8]"])
        split = cm.Partition({"left": left, "right": right})
        return cm.exchange(scm, split, **settings).estimate
    return cm.information(scm, made.source, made.target, form, **settings)


def truth(case: str, form: str, name: str) -> float:
    """The same estimator with endless samples, near enough; closed forms where there are some."""
    found = [read(case, form, name, 10**6 + seed, 1.0, endless=True).bits for seed in range(4)]
    return sum(found) / len(found)


def coverage(case: str, form: str, name: str, share: float, runs: int) -> dict[str, float]:
    """Share of intervals that hold the value; share without one."""
    value = truth(case, form, name)
    inside = saturated = 0
    widths: list[float] = []
    for seed in range(runs):
        found = read(case, form, name, seed, share)
        if found.low is None:
            saturated += 1
            continue
        inside += found.low <= value <= found.high
        widths.append(found.high - found.low)
    told = max(runs - saturated, 1)
    return {
        "value": value,
        "coverage": inside / told,
        "saturated": saturated / runs,
        "width": sum(widths) / told,
        "runs": runs,
    }


def table(store: dict[str, dict[str, float]]) -> str:
    """Markdown: a row for each case and form, a column for each estimator."""
    lines = ["| case | form | sample | " + " | ".join(OBSERVATIONAL) + " |"]
    lines.append("|---" * (3 + len(OBSERVATIONAL)) + "|")
    for case in CASES:
        for form in ("observational", "interventional", "conditional", "exchange"):
            for share in (1.0, 0.25):
                found = [store.get(f"{case}/{form}/{name}/{share}") for name in OBSERVATIONAL]
                if any(found):
                    shown = [_shown(cell) for cell in found]
                    size = "default" if share == 1 else "quarter"
                    lines.append(f"| {case} | {form} | {size} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def _shown(cell: dict[str, float] | None) -> str:
    if cell is None:
        return ""
    if cell["saturated"] > 0.5:
        return "saturates"
    return f"{100 * cell['coverage']:.1f}%"


def main() -> None:
    """Count what is not in the store yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--only", default="", help="cells whose name has this in it")
    parser.add_argument("--store", type=Path, default=Path("build/coverage.json"))
    asked = parser.parse_args()
    warnings.simplefilter("ignore", cm.CausalmodWarning)
    for module in (figures, averaged):  # null floors take most of the time, and play no part here
        for name in ("_PERMUTATIONS", "_FEW_PERMUTATIONS"):
            if hasattr(module, name):
                setattr(module, name, 1)
    store: dict[str, Any] = json.loads(asked.store.read_text()) if asked.store.exists() else {}
    for case, form, name in cells():
        for share in (1.0, 0.25):
            cell = f"{case}/{form}/{name}/{share}"
            if asked.only in cell and store.get(cell, {}).get("runs", 0) < asked.runs:
                store[cell] = coverage(case, form, name, share, asked.runs)
                print(cell, store[cell], flush=True)
                asked.store.parent.mkdir(exist_ok=True)
                asked.store.write_text(json.dumps(store, indent=1))
    print(table(store))


if __name__ == "__main__":
    main()
