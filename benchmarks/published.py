"""Published figures of the normalised cut, computed again.

Filan et al. (2021), arXiv:2103.03386: 12-way n-cuts of fully connected networks, inputs and outputs
among the nodes. Run it as ``python -m benchmarks.published``; what was found is written to
``--out``.

- ``random``: networks of 784-256-256-256-256-10 units as they are initialised, 10.23 to 10.37.
- ``poly``: two Gaussian inputs x and y, 512 outputs, the sums of any of the nine x^a y^b with a and
  b at most 2: 9.81 ± .03 after training, 10.19 with the weights shuffled.
- ``retina``: the two-object task of Kashtan and Alon (2005) with and without an L1 penalty: under
  the penalty shuffled twins read more modular than the trained network.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from causalmod import zoo
from causalmod.measures import ShuffledCut, n_cut, shuffled_cut, spectral_clusters

CLUSTERS = 12
DIGITS = (784, 256, 256, 256, 256, 10)
POLY = (2, 256, 256, 256, 256, 512)
ROWS, BATCH, EPOCHS, RATE = 60_000, 128, 20, 1e-3


def graph(weights: Sequence[np.ndarray]) -> tuple[np.ndarray, list[int]]:
    """Absolute weights ``[sender, receiver]`` of a chain of layers, and the layer of each node.

    Args:
        weights: ``[input, output]`` of each layer.
    """
    widths = [len(weights[0]), *(weight.shape[1] for weight in weights)]
    ends = np.cumsum([0, *widths])
    found = np.zeros((ends[-1], ends[-1]))
    for place, weight in enumerate(weights):
        found[ends[place] : ends[place + 1], ends[place + 1] : ends[place + 2]] = np.abs(weight)
    return found, [layer for layer, width in enumerate(widths) for _ in range(width)]


def initialised(widths: Sequence[int], seed: int, law: str = "glorot") -> list[np.ndarray]:
    """Weights as networks start from.

    Args:
        widths: units of each layer.
        seed: seed of the draw.
        law: uniform within ``sqrt(6 / (in + out))`` (``"glorot"``) or ``1 / sqrt(in)``
            (``"torch"``).
    """
    generator = np.random.default_rng(seed)
    found = []
    for before, after in pairwise(widths):
        most = np.sqrt(6 / (before + after)) if law == "glorot" else before**-0.5
        found.append(generator.uniform(-most, most, (before, after)))
    return found


def random_networks(seeds: int) -> list[dict[str, Any]]:
    """12-way n-cuts of networks as they are initialised."""
    rows = []
    for law, seed in product(("glorot", "torch"), range(seeds)):
        one_way, _ = graph(initialised(DIGITS, seed, law))
        both = one_way + one_way.T
        cut = n_cut(both, spectral_clusters(both, CLUSTERS, seed))
        rows.append({"law": law, "seed": seed, "n_cut": cut})
    return rows


def polynomials(data: Tensor) -> Tensor:
    """All sums of the monomials x^a y^b with a and b at most 2: ``[row, 512]``."""
    powers = [data[:, 0] ** a * data[:, 1] ** b for a, b in product(range(3), repeat=2)]
    chosen = torch.tensor(list(product([0.0, 1.0], repeat=len(powers))))
    return torch.stack(powers, dim=1) @ chosen.T


def train_polynomials(seed: int, epochs: int = EPOCHS) -> tuple[list[np.ndarray], float]:
    """Train a network on the sums of monomials: its weights, and the share of variance left.

    60,000 rows, mean squared error, Adam at 1e-3 in batches of 128, 20 epochs, ReLU, weights
    uniform as Glorot has them, biases 0.
    """
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = []
    for weight in initialised(POLY, seed):
        layer = nn.Linear(*weight.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight.T))
            layer.bias.zero_()
        layers += [layer, nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    data = torch.randn(ROWS, 2, generator=generator)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    for _ in range(epochs):
        for some in torch.randperm(ROWS, generator=generator).split(BATCH):
            loss = (model(data[some]) - polynomials(data[some])).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    fresh = torch.randn(10_000, 2, generator=generator)
    with torch.no_grad():
        wanted = polynomials(fresh)
        left = (model(fresh) - wanted).square().mean() / wanted.var(0).mean()
    weights = [m.weight.detach().double().numpy().T for m in model if isinstance(m, nn.Linear)]
    return weights, float(left)


def retina_networks(penalties: Sequence[float], seeds: int, k: int = 2) -> list[dict[str, Any]]:
    """n-cuts of networks trained on the retina task, and of shuffled ones."""
    rows = []
    for penalty, seed in product(penalties, range(seeds)):
        case = zoo.retina(goals="heads", wired_apart=False, penalty=penalty, seed=seed)
        layers = [m.weight for m in case.model.modules() if isinstance(m, nn.Linear)]
        weights, places = graph([layer.detach().double().numpy().T for layer in layers])
        found = shuffled_cut(weights, places, k, shuffles=50, seed=seed)
        accuracy = case.numbers["accuracy"]
        rows.append({"penalty": penalty, "seed": seed, "accuracy": accuracy, **_row(found)})
    return rows


def _row(found: ShuffledCut) -> dict[str, Any]:
    return {
        "n_cut": found.value,
        "shuffled": float(np.mean(found.shuffled)),
        "spread": float(np.std(found.shuffled)),
        "z": found.z,
        "percentile": found.percentile,
    }


def main() -> None:
    """Compute what was asked for, print it and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=["random", "poly", "retina"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/published.json"))
    asked = parser.parse_args()
    known = json.loads(asked.out.read_text(encoding="utf-8")) if asked.out.exists() else {}
    for what in asked.what:
        if what == "random":
            known[what] = random_networks(asked.seeds)
        elif what == "retina":
            known[what] = retina_networks((0.0, 0.01, 0.03), asked.seeds)
        else:
            known[what] = []
            for seed in range(asked.seeds):
                weights, left = train_polynomials(seed)
                found = shuffled_cut(*graph(weights), CLUSTERS, shuffles=10, seed=seed)
                known[what].append({"seed": seed, "variance_left": left, **_row(found)})
        for row in known[what]:
            print(what, row)
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
