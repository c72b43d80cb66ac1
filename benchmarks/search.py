"""What a search costs, from 30 to 10,000 units: evaluations, forward rows, seconds, memory.

Planted blocks in shuffled MLPs with ReLU units. Evaluations and rows do not depend on the machine,
seconds and memory do. For example: ``python benchmarks/search.py --units 1000 --leak 0.3``.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import time
from itertools import pairwise
from typing import Any

import torch
from sklearn.metrics import adjusted_rand_score
from torch import nn

import causalmod as cm
from causalmod.modularity.pipeline import search, settle

UNITS = (30, 130, 300, 1000, 3000, 10000)
DEPTH, ROWS, READ = 4, 600, 16


def planted(
    units: int, modules: int, leak: float, seed: int
) -> tuple[nn.Module, torch.Tensor, dict[str, int]]:
    """Make a network with ``units`` hidden units in all, its data, and the module of each unit."""
    generator = torch.Generator().manual_seed(seed)
    width = max(modules, units // DEPTH)
    sizes = (READ * modules, *[width] * DEPTH, 3 * modules)
    model, truth = nn.Sequential(), {}
    before = torch.arange(sizes[0]) % modules
    for depth, (fan_in, fan_out) in enumerate(pairwise(sizes), start=1):
        after = (torch.arange(fan_out) % modules)[torch.randperm(fan_out, generator=generator)]
        weight = torch.randn(fan_out, fan_in, generator=generator) * 1.5 * (modules / fan_in) ** 0.5
        weight *= torch.where(after[:, None] == before[None], 1.0, leak)
        layer = nn.Linear(fan_in, fan_out)
        with torch.no_grad():
            layer.weight.copy_(weight)
            layer.bias.copy_(0.1 * torch.randn(fan_out, generator=generator))
        last = depth == DEPTH + 1
        model.add_module("readout" if last else f"linear{depth}", layer)
        if not last:
            model.add_module(f"act{depth}", nn.ReLU())
        site = "output" if last else f"act{depth}"
        truth |= {f"{site}[{unit}]": int(block) for unit, block in enumerate(after)}
        before = after
    return model.eval(), torch.randn(ROWS, sizes[0], generator=generator), truth


def measure(units: int, modules: int, leak: float, method: str, seed: int) -> dict[str, Any]:
    """Search one network, from the compiled model to the partition and its score."""
    model, data, truth = planted(units, modules, leak, seed)
    start = time.perf_counter()
    scm = cm.compile(model, data)
    blocks = [truth[name] for name in scm.units.names]
    compiled = time.perf_counter() - start
    start, busy = time.perf_counter(), time.process_time()
    settings = settle(scm, modules, "auto", 1.0, cm.SearchBudget(), seed, method=method)
    found = search(scm, settings)
    return {
        "units": len(blocks), "modules": modules, "leak": leak, "method": method,
        "adjusted Rand index": round(adjusted_rand_score(blocks, found.labels.tolist()), 4),
        "score": round(found.score, 4), "evaluations": found.evaluations,
        "forward rows": found.forward_rows, "compile seconds": round(compiled, 2),
        "seconds": round(time.perf_counter() - start, 2),
        "processor seconds": round(time.process_time() - busy, 2),
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }  # fmt: skip


def exponent(rows: list[dict[str, Any]]) -> float:
    """Slope of log processor seconds against log units (least squares)."""
    x = torch.tensor([math.log(row["units"]) for row in rows])
    y = torch.tensor([math.log(max(row["processor seconds"], 1e-2)) for row in rows])
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


def main() -> None:
    """Print one JSON object for each size, then the exponent of the cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, nargs="+", default=list(UNITS))
    parser.add_argument("--modules", type=int, default=4)
    parser.add_argument("--leak", type=float, nargs="+", default=[0.0, 0.3])
    parser.add_argument("--method", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for leak in given.leak:
        rows = []
        for units in given.units:
            rows.append(measure(units, given.modules, leak, given.method, given.seed))
            print(json.dumps(rows[-1]), flush=True)
        if len(rows) > 1:
            print(f"leak {leak:g}: processor seconds grow as units ** {exponent(rows):.2f}")


if __name__ == "__main__":
    main()
