"""How often is something called significant at 5% where nothing is sent, or shared?

Fresh rows each time. Observational: the target reads an input that the source does not. Averaged:
the target moves with the source, ``a + b modulo 1``, but is uniform whatever the source is set to.
Run it as ``python -m benchmarks.false_positives --runs 2000``.
"""

from __future__ import annotations

import argparse
import warnings

import torch
from torch import Tensor, nn

import causalmod as cm

LOW, HIGH = 0.035, 0.065
NAMES = ("binned", "copula", "ksg", "ksg-ranks", "gaussian", "pairwise")


class Around(nn.Module):
    """The sum of two inputs, on a circle."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the output."""
        return torch.remainder(x[:, :1] + x[:, 1:2], 1.0)


class Apart(nn.Module):
    """A sum that leaves the first input out."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the output."""
        return x[:, 1:2] + 0.3 * x[:, 2:]


MODELS = {"observational": Apart(), "interventional": Around()}


def positives(kind: str, name: str, rows: int, runs: int) -> tuple[float, float]:
    """Shares of data sets with p at most 0.05, and with a figure above the null floor."""
    data = torch.rand(rows * runs, 3, generator=torch.Generator().manual_seed(11))
    every = cm.compile(MODELS[kind].eval(), data.double())
    significant = above = 0
    for run in range(runs):
        scm = every.with_rows(torch.arange(rows) + rows * run)
        found = cm.information(scm, "input[0]", "output", kind, estimator=name, seed=run)
        significant += found.p is not None and found.p <= 0.05
        above += found.bits > found.null
    return significant / runs, above / runs


def main() -> None:
    """Print the shares, and fail where one of p-values is outside 3.5% to 6.5%."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--only", nargs="*", default=list(NAMES))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", cm.CausalmodWarning)
    missed = False
    for kind in MODELS:
        for name in asked.only:
            share, above = positives(kind, name, asked.rows, asked.runs)
            missed |= not LOW <= share <= HIGH
            print(f"{kind} {name}: p <= .05 {share:.2%}, above floor {above:.2%}", flush=True)
    raise SystemExit(missed)


if __name__ == "__main__":
    main()
