"""What a map costs over the interventions that it is read off.

All units of one layer of a 64-256-256-256-10 network to all of the next two, conditional kind, with
64 contexts × 64 draws. The limit is 3 times the pure replays: the same interventions, nothing read.
Both are timed in turn, several times, and the least of each is compared, since other work on the
machine only ever adds. Run it as ``python benchmarks/flow.py``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn

import causalmod as cm

LIMIT = 3.0
ROWS, CONTEXTS, DRAWS, WIDTH, AT_ONCE = 1024, 64, 64, 256, 2048


def network() -> cm.StructuralCausalModel:
    """The network with random weights, on Gaussian data."""
    generator = torch.Generator().manual_seed(0)
    sizes = (64, WIDTH, WIDTH, WIDTH, 10)
    model = nn.Sequential()
    for depth, (before, after) in enumerate(pairwise(sizes), start=1):
        layer = nn.Linear(before, after).requires_grad_(False)
        layer.weight.copy_(torch.randn(after, before, generator=generator) * (2 / before) ** 0.5)
        layer.bias.zero_()
        model.add_module(f"linear{depth}", layer)
        if depth < len(sizes) - 1:
            model.add_module(f"hidden{depth}", nn.ReLU())
    return cm.compile(model.eval(), torch.randn(ROWS, 64, generator=generator))


def replays(scm: cm.StructuralCausalModel, sources: int) -> None:
    """The interventions alone: each source set to its value on another row, all else responding."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(ROWS, (CONTEXTS * DRAWS,), generator=generator)
    donors = torch.randint(ROWS, (CONTEXTS * DRAWS,), generator=generator)
    recorded = scm.blocks("hidden1")
    for source in range(sources):
        for start in range(0, len(rows), AT_ONCE):
            some = slice(start, start + AT_ONCE)

            def patch(
                blocks: torch.Tensor, source: int = source, some: slice = some
            ) -> torch.Tensor:
                changed = blocks.clone()
                changed[:, source] = recorded[donors[some], source]
                return changed

            scm.replay(rows[some], {"hidden1": patch}, ["hidden2", "hidden3"])


def least(works: list[Callable[[], object]], repeats: int) -> list[float]:
    """Least processor seconds of each work, taken in turn."""
    found = [float("inf")] * len(works)
    for _ in range(repeats):
        for place, work in enumerate(works):
            start = time.process_time()  # of one thread, so that other work hardly counts
            work()
            found[place] = min(found[place], time.process_time() - start)
    return found


def main() -> None:
    """Print the ratio, and fail above the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, default=WIDTH, help="of 256")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    scm = network()
    names = f"hidden1[0:{options.sources}]"

    def mapped() -> cm.Flow:
        return cm.flow(
            scm, names, ["hidden2", "hidden3"], "conditional",
            contexts=CONTEXTS, draws=DRAWS, progress=False,
        )  # fmt: skip

    mapped()
    pure, whole = least([lambda: replays(scm, options.sources), mapped], options.repeats)
    each = 1e3 / options.sources
    print(f"replays {pure * each:.1f} ms a source, map {whole * each:.1f} ms")
    print(f"ratio {whole / pure:.2f} (limit {LIMIT})")
    raise SystemExit(whole / pure > LIMIT)


if __name__ == "__main__":
    main()
