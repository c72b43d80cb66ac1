"""How well the search finds what was planted, and finds nothing where nothing was.

Each table is filled network by network. What was measured is kept in a file, one JSON object a
line, so that a run goes on where the last one stopped::

    python -m benchmarks.planted recover --seconds 400
    python -m benchmarks.planted recover number dense nested exhaustive --seconds 0  # print only
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

import causalmod as cm
from benchmarks.planted_cases import FAMILIES, NESTED, WITHOUT_LEAK
from causalmod.exchange.hybrid import draw_sample
from causalmod.modularity.pipeline import search, settle
from causalmod.search import ALGORITHMS, Meter, Objective, Problem, SearchBudget
from causalmod.search.problem import canonical

STORE = Path("build/benchmarks/planted.jsonl")
LEAKS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.8)
NULLS = 19
Row = dict[str, Any]
Jobs = Iterator[tuple[str, Callable[[], Row]]]
_CONTEXTS, _DONORS, _DRAWS = 64, 64, 32
_FIRST = 5  # null networks after which a random network is looked at


# --- k given: are the planted modules found? -----------------------------------------------------


def recover_jobs(seeds: int) -> Jobs:
    """Name and yield every search with the planted number of modules."""
    for seed in range(seeds):
        for family in FAMILIES:
            for leak in LEAKS[:1] if family in WITHOUT_LEAK else LEAKS:
                yield f"{family} | {leak} | {seed}", partial(recover, family, leak, seed)


def recover(family: str, leak: float, seed: int) -> Row:
    """Search for the planted number of modules; score what is found, and what was planted."""
    from sklearn.metrics import adjusted_rand_score

    scm, truth = _compiled(FAMILIES[family](leak, seed))
    k = int(truth.max()) + 1
    start = time.process_time()
    found = search(scm, settle(scm, k, "auto", 1.0, SearchBudget(), seed))
    seconds = time.process_time() - start
    ours, planted = closely(scm, [canonical(found.labels), canonical(truth)], seed)
    return {
        "family": family, "leak": leak, "seed": seed, "units": len(scm.units), "k": k,
        "ari": round(float(adjusted_rand_score(truth.tolist(), found.labels.tolist())), 4),
        "S": round(ours, 4), "S planted": round(planted, 4),
        "exchange 0": bool(found.own.silent()[0]), "evaluations": found.evaluations,
        "origin": found.origin, "seconds": round(seconds, 2),
    }  # fmt: skip


def closely(scm: cm.StructuralCausalModel, labels: list[torch.Tensor], seed: int) -> list[float]:
    """``S`` of some partitions at resolution 1, on far more contexts than a search looks at."""
    k = int(labels[0].max()) + 1
    sample = draw_sample(torch.arange(scm.rows), _CONTEXTS, _DONORS, k - 1, seed + 99)
    objective = Objective(
        scm, sample, k, resolution=1.0, seed=seed, draws=_DRAWS, dtype=torch.float32
    )
    return [objective.score(each) for each in labels]


def _compiled(case: cm.zoo.Case) -> tuple[cm.StructuralCausalModel, torch.Tensor]:
    """The model, and the planted module of each live unit."""
    assert case.modules is not None
    scm = case.compile()
    number = {unit: place for place, units in enumerate(case.modules.values()) for unit in units}
    return scm, torch.tensor([number[name] for name in scm.units.names])


# --- the number of modules -----------------------------------------------------------------------


def number_jobs(seeds: int) -> Jobs:
    """Name and yield every choice of the number of modules, at no and at moderate leaks."""
    for seed in range(seeds):
        for family in FAMILIES:
            for leak in LEAKS[:1] if family in WITHOUT_LEAK else LEAKS[:4]:
                yield f"{family} | {leak} | {seed}", partial(number, family, leak, seed)


def number(family: str, leak: float, seed: int) -> Row:
    """Choose the number of modules of a planted network."""
    scm, truth = _compiled(FAMILIES[family](leak, seed))
    start = time.process_time()
    found = cm.modularity(scm, nulls=NULLS, curves=False, seed=seed, progress=False)
    return {
        "family": family, "leak": leak, "seed": seed, "units": len(scm.units),
        "planted": int(truth.max()) + 1, "k": found.k, "score": found.score,
        "scores": found.split_scores, "seconds": round(time.process_time() - start, 1),
    }  # fmt: skip


def dense_jobs(seeds: int) -> Jobs:
    """Name and yield 40 random dense networks a seed."""
    for place in range(40 * seeds):
        yield str(place), partial(dense, place)


def dense(seed: int) -> Row:
    """Choose the number of modules of a random dense network of 30 hidden units, by 39 nulls.

    The first five of them often do as well as the network: then more cannot change the answer, 1.
    """
    scm = cm.zoo.random_dense(
        30, seed=seed, activation=("tanh", "gelu", "relu")[seed % 3]
    ).compile()
    start = time.process_time()
    found = cm.modularity(scm, nulls=_FIRST, curves=False, seed=seed, progress=False)
    decided = found.k == 1 and min(found.null_scores) <= 1 - found.raw
    if not decided:
        found = cm.modularity(scm, nulls=39, curves=False, seed=seed, progress=False)
    return {
        "seed": seed, "units": len(scm.units), "k": found.k, "score": found.score, "p": found.p,
        "nulls": len(found.null_scores), "seconds": round(time.process_time() - start, 1),
    }  # fmt: skip


# --- hierarchy -----------------------------------------------------------------------------------


def nested_jobs(seeds: int) -> Jobs:
    """Name and yield every tree of nested blocks."""
    for seed in range(seeds):
        for family in NESTED:
            yield f"{family} | {seed}", partial(nested, family, seed)


def nested(family: str, seed: int) -> Row:
    """Find the tree, and compare it with the planted one, level by level."""
    case = NESTED[family](seed)
    assert case.modules is not None
    start = time.process_time()
    tree = cm.hierarchy(case.compile(), nulls=NULLS, seed=seed, progress=False)
    planted = [
        frozenset(unit for name in case.modules for unit in case.modules[name] if name[:end] == way)
        for end in range(1, max(map(len, case.modules)) + 1, 2)
        for way in sorted({name[:end] for name in case.modules})
    ]
    found = [frozenset(node.members) for node in tree.nodes.values() if node.name != "all"]
    leaves = {frozenset(units) for units in case.modules.values()}
    inside = [node for node in tree.nodes.values() if frozenset(node.members) in leaves]
    return {
        "family": family, "seed": seed, "exact": set(found) == set(planted),
        "planted": len(set(planted)), "missing": len(set(planted) - set(found)),
        "further": len(set(found) - set(planted)), "leaves found": len(inside),
        "leaves split": sum(bool(node.children) for node in inside),
        "newick": tree.to_newick(), "seconds": round(time.process_time() - start, 1),
    }  # fmt: skip


# --- against exhaustive search -------------------------------------------------------------------


def exhaustive_jobs(seeds: int) -> Jobs:
    """Name and yield 20 networks of up to twelve units a seed."""
    for place in range(20 * seeds):
        yield str(place), partial(exhaustive, place)


def exhaustive(seed: int) -> Row:
    """Search all partitions into two, by ``auto``, and by moves from the spectral clusters."""
    units = 5 + seed % 8
    scm = _small(units, seed).compile()
    found: dict[str, Problem] = {}
    for method in ("exhaustive", "auto", "moves"):
        rows = torch.arange(scm.rows)
        sample = draw_sample(rows, 16, 24, 1, seed)
        objective = Objective(scm, sample, 2, seed=seed, dtype=torch.float32)
        meter = Meter(SearchBudget(evaluations=5000), 5000)
        found[method] = Problem(scm, objective, meter, rows=rows, seed=seed)
        ALGORITHMS.get(method)(found[method])
    every = found["exhaustive"].candidates
    first = {name: each.candidates[0] for name, each in found.items()}
    labels = [each.labels.tolist() for each in every]
    return {
        "seed": seed, "units": len(scm.units), "partitions": len(every),
        "S": round(every[0].score, 4), "S auto": round(first["auto"].score, 4),
        "agree": first["auto"].score == every[0].score,
        "rank by moves": labels.index(first["moves"].labels.tolist()),
    }  # fmt: skip


def _small(units: int, seed: int) -> cm.zoo.Case:
    """A random dense network of so many hidden units and readouts."""
    layers = 1 + (units % 2 == 0 and units > 6)
    hidden = (units - 4) // layers * layers
    return cm.zoo.random_dense(hidden, layers=layers, seed=seed)


JOBS: dict[str, Callable[[int], Jobs]] = {
    "recover": recover_jobs,
    "number": number_jobs,
    "dense": dense_jobs,
    "nested": nested_jobs,
    "exhaustive": exhaustive_jobs,
}


# --- running -------------------------------------------------------------------------------------


def main() -> None:
    """Measure what is missing for as long as asked; print all that was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="+", choices=list(JOBS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=420)
    parser.add_argument("--store", type=Path, default=STORE)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", cm.CausalmodWarning)
    given.store.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + given.seconds
    for table in given.tables:
        known = _known(given.store, table)
        for name, job in JOBS[table](given.seeds):
            if name in known or given.only not in name:
                continue
            if time.monotonic() > end:
                break
            row = job()
            with given.store.open("a") as file:
                file.write(json.dumps({"table": table, "name": name} | row) + "\n")
        for row in _known(given.store, table).values():
            print(json.dumps(row))


def _known(store: Path, table: str) -> dict[str, Row]:
    lines = store.read_text().splitlines() if store.exists() else []
    rows = [json.loads(line) for line in lines]
    return {row["name"]: row for row in rows if row["table"] == table}


if __name__ == "__main__":
    main()
