"""What the exchange of a partition costs, in hybrid passes, and what a move of one unit does.

A hybrid pass runs the whole network on contexts × donors, some units held and the rest responding,
and reads nothing. One exchange of k modules may take 1.3 × k of them, estimator included; a move of
one unit a fifth of that. An MLP with four layers of 256 units, 256 contexts × 64 donors; everything
is timed in turn and medians are compared. Run it as ``python -m benchmarks.exchange``.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod.exchange import RESPOND, HybridRuns, Sample, draw_sample
from causalmod.exchange.moves import Moves

PASSES, MOVE = 1.3, 0.2
ROWS, CONTEXTS, DONORS, WIDTH, AT_ONCE = 1024, 256, 64, 256, 8


def network() -> cm.StructuralCausalModel:
    """The network with random weights, on Gaussian data."""
    generator = torch.Generator().manual_seed(0)
    sizes = (64, WIDTH, WIDTH, WIDTH, WIDTH, 10)
    model = nn.Sequential()
    for depth, (before, after) in enumerate(pairwise(sizes), start=1):
        layer = nn.Linear(before, after).requires_grad_(False)
        layer.weight.copy_(torch.randn(after, before, generator=generator) * (2 / before) ** 0.5)
        layer.bias.zero_()
        model.add_module(f"linear{depth}", layer)
        if depth < len(sizes) - 1:
            model.add_module(f"hidden{depth}", nn.GELU())
    return cm.compile(model.eval(), torch.randn(ROWS, 64, generator=generator))


def hybrid_pass(scm: cm.StructuralCausalModel, labels: Tensor, sample: Sample) -> None:
    """One pass, in runs that fit the processor's cache."""
    states = torch.where(labels == 0, RESPOND, (labels - 1).clamp_min(0))[None]
    for start in range(0, CONTEXTS, AT_ONCE):
        runs = HybridRuns(scm, sample.some(slice(start, start + AT_ONCE)))
        runs.run(states)


def median(repeats: int, *works: Callable[[], object]) -> list[float]:
    """Median seconds of each, all timed in turn; the first round only warms up."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(repeats + 1):
        for place, work in enumerate(works):
            start = time.perf_counter()
            work()
            seconds[place].append(time.perf_counter() - start)
    return [statistics.median(each[1:]) for each in seconds]


def main() -> int:
    """Time and print; 1 when a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", cm.CausalmodWarning)
    scm = network()
    cases = [(k, name) for k in (2, 4) for name in ("pairwise", "gaussian")]
    missed = [compare(scm, *case, repeats) for case in cases]
    return int(any(missed))


def compare(scm: cm.StructuralCausalModel, modules: int, name: str, repeats: int) -> bool:
    """Time one estimator on one number of modules; True when a limit is missed."""
    generator = torch.Generator().manual_seed(modules)
    labels = torch.randint(modules, (len(scm.units),), generator=generator)
    partition = cm.Partition.from_labels(dict(zip(scm.units.names, labels.tolist(), strict=True)))
    sample = draw_sample(torch.arange(ROWS), CONTEXTS, DONORS, modules - 1, seed=0)
    # units of every layer, from the first to the outputs
    units = [int(place * (len(labels) - 1) / 9) for place in range(10)]
    moves = Moves(scm, labels, sample, estimator=name, unbiased=True)

    def move() -> None:
        for unit in units:
            moves.after(unit, int(labels[unit] + 1) % modules)

    one, whole, ten = median(
        repeats,
        lambda: hybrid_pass(scm, labels, sample),
        lambda: cm.exchange(scm, partition, estimator=name, draws=DONORS),
        move,
    )
    each = ten / len(units)
    passes, share = whole / one / modules, each / (PASSES * modules * one)
    print(
        f"k = {modules}, {name}: an exchange takes {whole / one:.2f} hybrid passes of "
        f"{one * 1e3:.0f} ms, {passes:.2f} × k (at most {PASSES}); a move {each * 1e3:.0f} ms, "
        f"{share:.2f} of {PASSES} × k passes (at most {MOVE}), {each / whole:.2f} of the exchange"
    )
    return passes > PASSES or share > MOVE


if __name__ == "__main__":
    raise SystemExit(main())
