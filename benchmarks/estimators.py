"""What reading information costs: all pairs of units, and the responses of a module.

All pairs of 512 × 512 units, 1,024 rows, 10 bins, over one float32 product of matrices of the same
size (53.7 GFLOP), and over a loop of scikit-learn's or dit's plug-in. The Gaussian channel and the
pairwise bounds of a module in a split of 64 + 64 units, 64 contexts × 64 donors, over the hybrid
forward pass that feeds them. What is compared is timed in turn, and the least of each is taken,
since other work on the machine only ever adds. Run it as ``python -m benchmarks.estimators``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter
from typing import Any

import torch
from torch import nn

import causalmod as cm
from benchmarks.flow import least
from causalmod.exchange.coordinates import Coordinates
from causalmod.exchange.hybrid import HybridRuns, draw_sample
from causalmod.exchange.receivers import from_all
from causalmod.information import ESTIMATORS
from causalmod.information.all_pairs import binned_pairs, pair_bits, pair_codes

UNITS, ROWS, BINS = 512, 1024, 10
PAIRS_LIMIT, LOOP_LIMIT, MODULE_LIMIT = 0.5, 300, 2.0
SAMPLED = 40  # pairs that the loops go through
WIDTH, CONTEXTS, DRAWS = 128, 64, 64


def units() -> tuple[torch.Tensor, torch.Tensor]:
    """Activations of both sides, some of which agree."""
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(2, ROWS, UNITS, generator=generator)
    return left, right + 0.3 * left


def all_pairs(repeats: int) -> list[tuple[str, float, str]]:
    """Ratios for all pairs at once."""
    left, right = units()
    first, second = torch.randn(2, UNITS * BINS, ROWS)

    def bits() -> torch.Tensor:
        return pair_bits(pair_codes(left, right, BINS))

    def figures() -> object:
        return binned_pairs(left, right, BINS)

    bits()
    product, plain, whole = least([lambda: first @ second.T, bits, figures], repeats)
    rows = [
        (f"all pairs, bits only (product: {product:.2f} s)", plain / product, f"<= {PAIRS_LIMIT}"),
        ("all pairs, with intervals, floors and p", whole / product, ""),
    ]
    for name, seconds in loops().items():
        rows.append((f"loop of {name} over all pairs", seconds / plain, f">= {LOOP_LIMIT}"))
    return rows


def loops() -> dict[str, float]:
    """Seconds of looping over all pairs, from a sample of them, on values binned already."""
    left, right = units()
    codes = pair_codes(left, right, BINS)
    pairs = [(a.numpy(), b.numpy()) for a, b in zip(codes.left, codes.right, strict=True)][:SAMPLED]
    found: dict[str, float] = {}
    try:
        from sklearn.metrics import mutual_info_score

        start = time.process_time()
        for a, b in pairs:
            mutual_info_score(a, b)
        found["scikit-learn"] = (time.process_time() - start) / SAMPLED * UNITS**2
    except ImportError:
        pass
    try:
        import dit
        from dit.shannon import mutual_information

        start = time.process_time()
        for a, b in pairs:
            counts = Counter(zip(a.tolist(), b.tolist(), strict=True))
            shares = [count / ROWS for count in counts.values()]
            mutual_information(dit.Distribution(list(counts), shares), [0], [1])
        found["dit"] = (time.process_time() - start) / SAMPLED * UNITS**2
    except ImportError:
        pass
    return found


def module(repeats: int) -> list[tuple[str, float, str]]:
    """Ratios for a module that takes in what another sends."""
    generator = torch.Generator().manual_seed(0)
    layers = [nn.Linear(32, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 8)]
    model = nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])
    model.requires_grad_(False)
    for layer in layers:
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))
        layer.weight.div_(layer.weight.shape[1] ** 0.5)
    scm = cm.compile(model.eval(), torch.randn(ROWS, 32, generator=generator), sites=["3", "1"])
    labels = (torch.arange(len(scm.units)) % WIDTH >= WIDTH // 2).long()
    sample = draw_sample(torch.arange(ROWS), CONTEXTS, DRAWS, 1, 0)
    question, runs = from_all(labels, 1), HybridRuns(scm, sample)
    observed = Coordinates(scm).observed()

    def whole() -> object:
        return runs.run(question.states[None])

    def looked_at() -> list[tuple[torch.Tensor, torch.Tensor]]:
        return list(runs.answers(question.states, question.members))

    found = []
    for name in ("gaussian", "pairwise"):
        fitted = ESTIMATORS.get(name).fit(None, observed, 1.0)
        parts = [(fitted.some(which), some.double()) for some, which in looked_at()]

        def read(parts: list[Any] = parts) -> object:
            return [estimator.unbiased(responses) for estimator, responses in parts]

        passed, staged, took = least([whole, looked_at, read], repeats)
        found.append((f"{name} bits of 64 + 64 units", took / passed, f"<= {MODULE_LIMIT}"))
        found.append((f"{name}, over the pass of what is looked at alone", took / staged, ""))
    return found


def peak(memory: int) -> float:
    """Most megabytes, beyond what was there before, that all pairs took in a fresh process."""
    out = subprocess.run(
        [sys.executable, "-c", _PEAK, str(memory)], capture_output=True, text=True, check=True
    )
    return float(out.stdout)


_PEAK = """
import resource, sys, threading, time, torch
from causalmod.information.all_pairs import binned_pairs
torch.set_num_threads(1)
def now():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20
x = torch.randn(256, 2000)
binned_pairs(x[:, :20], x[:, :20])
before, most, done = now(), [0.0], threading.Event()
def watch():
    while not done.wait(0.005):
        most[0] = max(most[0], now())
thread = threading.Thread(target=watch)
thread.start()
binned_pairs(x, x, memory=int(sys.argv[1]))
done.set()
thread.join()
print(most[0] - before)
"""


def main() -> None:
    """Print ratios beside their limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for what, ratio, limit in all_pairs(options.repeats) + module(options.repeats):
        print(f"{what}: {ratio:.2f} {limit}", flush=True)
    tables = 5 * 8 * 2000**2 / 2**20  # the figures themselves, which are handed out
    for memory in (2 * 10**7, 10**8, 10**9):
        print(f"2000 × 2000 units, memory={memory / 1e6:.0f} MB: {peak(memory):.0f} MB, "
              f"{tables:.0f} of them figures", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
