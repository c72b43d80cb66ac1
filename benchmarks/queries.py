"""What an interventional query costs, over a forward pass of the part that it affects.

    python benchmarks/queries.py

One thread, medians of interleaved runs, ratios within a run: nothing here depends on how quick the
machine is. The network is a 64-256-256-10 MLP on 10,000 rows; ``do`` sets a unit of a hidden layer,
and the affected part is all that lies after it, up to the outputs. After the last hidden layer that
is one product of 256 by 10, as quick as a copy of what it reads, and an intervention has to copy
it. "By hand" is that copy and the forward pass, written out without any library: the least that an
answer can take that is bit for bit the network's.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

import torch
from torch import nn

import causalmod as cm
from causalmod.queries import CausalDiagram, parse

ROWS = 10_000
ROUNDS = 25
IMPORT_LIMIT = 0.3  # seconds
IDENTIFY_LIMITS = (0.1, 5.0)
GRAPHS = 20


def medians(work: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median seconds of each piece of work, run in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(ROUNDS):
        for name, run in work.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times[3:]) for name, times in seconds.items()}


def queries() -> list[tuple[str, float]]:
    """Return (what, ratio) for queries on the first and second hidden layer."""
    torch.manual_seed(0)
    first, second, last = nn.Linear(64, 256), nn.Linear(256, 256), nn.Linear(256, 10)
    net = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last).eval()
    scm = cm.compile(net, torch.randn(ROWS, 64))
    held = scm.observe()
    found: list[tuple[str, float]] = []
    affected = {
        "1": nn.Sequential(second, nn.ReLU(), last),
        "3": nn.Sequential(last),
        "0": nn.Sequential(nn.ReLU(), second, nn.ReLU(), last),
    }
    for site, part in affected.items():
        expectation = parse(f"E[output | do(`{site}`[3] = 0.5)]")
        conditional = parse(f"P(output[0] > 0 | do(`{site}`[3] = 0.5), output[1] > 0)")
        samples = parse(f"P(output[0] | do(`{site}`[3] = 0.5))")

        def forward(part: nn.Module = part, site: str = site) -> object:
            with torch.no_grad():
                return part(held[site])

        def by_hand(part: nn.Module = part, site: str = site) -> object:
            with torch.no_grad():
                values = held[site].clone()
                values[:, 3] = 0.5
                return part(values)

        work: dict[str, Callable[[], object]] = {"forward": forward, "by hand": by_hand}
        for name, asked in (("E", expectation), ("P", conditional), ("samples", samples)):
            work[name] = lambda asked=asked: cm.query(scm, asked)
        times = medians(work)
        found.append(
            (f"by hand: copy, set unit 3 of `{site}`, run", times["by hand"] / times["forward"])
        )
        for name, asked in (("E", expectation), ("P", conditional), ("samples", samples)):
            found.append((str(asked), times[name] / times["forward"]))
    return found


def identification() -> list[tuple[str, float]]:
    """Return (what, processor seconds): the slowest of random graphs, small and large."""
    cm.identify(CausalDiagram.build([("x", "y")]), "P(y | do(x))")  # loads what it needs
    found: list[tuple[str, float]] = []
    for count in (30, 300):
        slowest = 0.0
        for seed in range(GRAPHS):
            draw = random.Random(seed)
            names = [f"v{place}" for place in range(count)]
            arrows = [
                (names[draw.randrange(max(0, end - 8), end)], names[end])
                for end in range(1, count)
                for _ in range(draw.choice((1, 2, 4)))
            ]
            pairs = draw.choice((count // 4, count, 2 * count))
            hidden = [(a, b) for a, b in (sorted(draw.sample(names, 2)) for _ in range(pairs))]
            diagram = CausalDiagram.build(arrows, hidden)
            start = time.process_time()
            cm.identify(diagram, f"P({names[-1]} | do({names[count // 2]}))", seconds=None)
            slowest = max(slowest, time.process_time() - start)
        found.append((f"identify on {GRAPHS} random graphs of {count} variables, slowest", slowest))
    return found


def import_seconds() -> float:
    """Return the median seconds of ``import causalmod`` in a fresh process."""
    code = "import time; t = time.perf_counter(); import causalmod; print(time.perf_counter() - t)"
    done = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(5)
    ]
    return statistics.median(float(each.stdout) for each in done)


def main() -> None:
    """Print a table of ratios."""
    torch.set_num_threads(1)
    print(f"query / forward pass of the affected part, {ROWS} rows, 64-256-256-10 MLP")
    for what, ratio in queries():
        print(f"  {ratio:5.2f}  {what}")
    for (what, seconds), limit in zip(identification(), IDENTIFY_LIMITS, strict=True):
        print(f"{what}: {seconds:.3f} s (limit {limit} s)")
    print(f"import causalmod: {import_seconds():.3f} s (limit {IMPORT_LIMIT} s)")


if __name__ == "__main__":
    main()
