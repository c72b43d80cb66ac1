"""Formulas and parities of tasks written down a second time, without their hidden units.

A group of hidden units that encodes one number is that number here.
"""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
from torch import nn

from causalmod.zoo import Case
from tests.reference.brute_force import Mechanism, Network
from tests.zoo.oracle_references import Figures, columns, copied, exchanged


def connected_pieces(case: Case) -> Figures:
    """Merge the units at the ends of each weight that is not 0, until nothing merges any more."""
    assert isinstance(case.model, nn.Sequential)
    weights = [m.weight.numpy() for m in case.model if isinstance(m, nn.Linear)]
    names = [[(depth, i) for i in range(len(weight))] for depth, weight in enumerate(weights)]
    label = {unit: number for number, unit in enumerate(u for layer in names for u in layer)}
    edges = [
        (below[i], above[j])
        for (below, above), weight in zip(pairwise(names), weights[1:], strict=True)
        for j, i in np.argwhere(weight != 0)
    ]
    for _ in label:
        for one, other in edges:
            label[one] = label[other] = min(label[one], label[other])
    return {"connected pieces of the units": float(len(set(label.values())))}


def independent(case: Case) -> Figures:
    grid = [-1.0, -1 / 3, 1 / 3, 1.0]
    network = Network(
        columns(grid, grid, grid, grid),
        {
            "sum": lambda v: v["input[0]"] + v["input[2]"],
            "first": lambda v: v["sum"] ** 3,
            "x2": copied("input[1]"),
            "x4": copied("input[3]"),
            "second": lambda v: v["x2"] ** 2 + np.sin(np.pi * v["x4"]),
        },
    )
    split = {"cube": ["sum", "first"], "square and sine": ["x2", "x4", "second"]}
    return exchanged(network, split) | connected_pieces(case)


def tree(case: Case) -> Figures:
    network = Network(
        columns(*[range(4)] * 4),
        {
            "left": lambda v: v["input[0]"] - v["input[1]"],
            "right": lambda v: v["input[2]"] - v["input[3]"],
            "root": lambda v: np.hypot(v["left"], v["right"]),
        },
    )
    apart = {"left square": ["left"], "right square": ["right"], "root": ["root"]}
    joined = {"left square and root": ["left", "root"], "right square": ["right"]}
    return exchanged(network, apart) | exchanged(network, joined) | connected_pieces(case)


def shared(case: Case) -> Figures:
    units: dict[str, Mechanism] = {f"x{i}": copied(f"input[{i}]") for i in range(3)}
    units |= {
        "y0": lambda v: v["x0"] ** 2,
        "y1": lambda v: v["x0"] ** 2 + v["x1"] ** 2,
        "y2": lambda v: v["x0"] ** 2 + v["x1"] ** 2 + v["x2"] ** 2,
    }
    network = Network(columns(*[range(4)] * 3), units)
    split = {name: [f"x{i}", f"y{i}"] for i, name in enumerate(("first", "second", "third"))}
    return exchanged(network, split) | connected_pieces(case)


def sparse_parity(case: Case) -> Figures:
    """Each task's gate by the definition; subsets are found by what flips the network's output."""
    inputs = case.inputs.numpy()
    answers = case.model(case.inputs).numpy()[:, 0]
    value = {tuple(row): answer for row, answer in zip(inputs, answers, strict=True)}
    subsets: list[list[int]] = []
    for task in range(3):
        rows = [row for row in value if row[task]]
        flips = [
            place
            for place in range(3, 8)
            if all(
                value[row] != value[(*row[:place], 1 - row[place], *row[place + 1 :])]
                for row in rows
            )
        ]
        subsets.append(flips)
    assert all(len(subset) == 2 for subset in subsets)
    assert len({tuple(subset) for subset in subsets}) == 3
    rows = [
        (*(float(task == on) for on in range(3)), *bits)
        for task, bits in product(range(3), product((0.0, 1.0), repeat=5))
    ]
    columns_of = {f"input[{i}]": column for i, column in enumerate(zip(*rows, strict=True))}

    def gate(task: int, subset: list[int]) -> Mechanism:
        return lambda v: v[f"input[{task}]"] * (sum(v[f"input[{i}]"] for i in subset) % 2)

    units: dict[str, Mechanism] = {
        f"gate {task}": gate(task, subset) for task, subset in enumerate(subsets)
    }
    gates = list(units)
    units["sum"] = lambda v: np.sum(np.broadcast_arrays(*(v[gate] for gate in gates)), axis=0)
    network = Network(columns_of, units)
    assert np.array_equal(network.data["sum"], answers)
    split = {f"task {task}": [f"gate {task}"] for task in range(3)} | {"readout": ["sum"]}
    title = " | ".join(split)
    return exchanged(network, split) | {
        f"in(readout) of {title}": network.received(split, "readout"),
        f"in(task 0) of {title}": network.received(split, "task 0"),
    }
