"""The strength of every arrow of a linear-Gaussian model, against dowhy's ``arrow_strength``.

    python benchmarks/arrow_strength.py

A random model of 50 nodes and 144 arrows. Both sides see the same 2,000 rows. The closed form fits
by least squares and takes ½ log2(1 + α² Var X / σ²) at every arrow, fit included; dowhy's model is
fitted before the clock starts. dowhy measures in two ways: by its default, the difference d of the
variances, which for this kind of model is ½ log2(1 + d / σ²) bits, its quickest and best case; by
its Kullback-Leibler divergence, in nats, which it needs where models are not linear. One thread;
errors are against the closed form of the true model.
"""

from __future__ import annotations

import math
import sys
import time
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import torch

from causalmod.bridges.extra import load
from causalmod.information.linear_gaussian import arrow_strengths, exact_arrow_strengths

NODES, ARROWS, ROWS = 50, 144, 2_000
LIMIT = 500


def model(seed: int = 0) -> tuple[nx.DiGraph, torch.Tensor, torch.Tensor, pd.DataFrame]:
    """Return graph, weights, noise variances and data of a random model."""
    draw = np.random.default_rng(seed)
    pairs = [(i, j) for j in range(NODES) for i in range(max(0, j - 10), j)]
    chosen = [pairs[k] for k in draw.choice(len(pairs), ARROWS, replace=False)]
    weights = np.zeros((NODES, NODES))
    for i, j in chosen:
        weights[i, j] = draw.choice([-1, 1]) * draw.uniform(0.3, 1.0)
    noise = draw.uniform(0.5, 1.5, NODES)
    values = np.zeros((ROWS, NODES))
    for j in range(NODES):
        values[:, j] = values @ weights[:, j] + draw.normal(size=ROWS) * math.sqrt(noise[j])
    names = [f"v{i:02d}" for i in range(NODES)]
    graph: nx.DiGraph = nx.DiGraph()
    graph.add_nodes_from(names)
    graph.add_edges_from((names[i], names[j]) for i, j in chosen)
    frame = pd.DataFrame(values, columns=names)
    return graph, torch.tensor(weights), torch.tensor(noise), frame


def fitted_by_dowhy(gcm: Any, graph: nx.DiGraph, data: pd.DataFrame) -> Any:
    """Return dowhy's model of the same data: linear, with empirical noise."""
    held = gcm.ProbabilisticCausalModel(graph)
    for node in graph.nodes:
        parents = list(graph.predecessors(node))
        kind = (
            gcm.AdditiveNoiseModel(gcm.ml.create_linear_regressor())
            if parents
            else gcm.EmpiricalDistribution()
        )
        held.set_causal_mechanism(node, kind)
    gcm.fit(held, data)
    return held


def main() -> int:
    """Print times and errors; 1 where a limit is missed."""
    torch.set_num_threads(1)
    gcm = load("dowhy.gcm")
    gcm.config.disable_progress_bars()
    graph, weights, noise, data = model()
    matrix = exact_arrow_strengths(weights, noise)
    names = list(graph.nodes)
    truth = {(a, b): float(matrix[names.index(a), names.index(b)]) for a, b in graph.edges}

    ours = arrow_strengths(data, graph)
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        arrow_strengths(data, graph)
        seconds.append(time.perf_counter() - start)
    own = float(np.median(seconds))

    fitted = fitted_by_dowhy(gcm, graph, data)
    bits = {
        "variance": lambda value, node: 0.5 * math.log2(1 + max(value, 0) / residual(fitted, node)),
        "divergence": lambda value, node: value / math.log(2),
    }
    kl = load("dowhy.gcm.divergence").auto_estimate_kl_divergence
    missed = False
    print(
        f"{len(truth)} arrows, closed form: {own * 1e3:.2f} ms, error {error(ours, truth):.4f} bits"
    )
    for name, function in (("variance", None), ("divergence", kl)):
        load("dowhy.gcm.util.general").set_random_seed(0)
        theirs: dict[tuple[str, str], float] = {}
        start = time.perf_counter()
        for node in [n for n in graph.nodes if graph.in_degree(n)]:
            found = gcm.arrow_strength(fitted, node, difference_estimation_func=function, n_jobs=1)
            theirs |= {edge: bits[name](value, node) for edge, value in found.items()}
        other = time.perf_counter() - start
        print(
            f"dowhy, {name}: {other:.1f} s, error {error(theirs, truth):.4f} bits; the closed form "
            f"is {other / own:.0f} times as fast (at least {LIMIT})"
        )
        missed |= other / own < LIMIT or error(ours, truth) >= error(theirs, truth)
    return int(missed)


def residual(fitted: Any, node: str) -> float:
    """Return the variance of the noise in dowhy's own fit."""
    return float(np.var(fitted.causal_mechanism(node).noise_model.data))


def error(found: dict[tuple[str, str], float], truth: dict[tuple[str, str], float]) -> float:
    """Return the root mean square error over all arrows, in bits."""
    return float(np.sqrt(np.mean([(found[edge] - truth[edge]) ** 2 for edge in truth])))


if __name__ == "__main__":
    sys.exit(main())
