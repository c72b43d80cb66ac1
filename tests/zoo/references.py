"""The zoo's networks written down a second time, as plain functions, to be counted by brute force.

Units carry the names that the package gives them, so that figures can be asked for by those names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise, product

import numpy as np
from torch import nn

from causalmod.zoo import Case
from tests.reference.brute_force import Mechanism, Network, Values
from tests.zoo import formula_references as formulas
from tests.zoo import oracle_references as oracles
from tests.zoo.noisy_references import confounded, sprinkler, two_ways

Figures = dict[str, float]
KINDS = ("observational", "interventional", "conditional")


def reader(name: str) -> Mechanism:
    return lambda values: values[name]


def bits(count: int) -> dict[str, Sequence[float]]:
    columns = zip(*product((0.0, 1.0), repeat=count), strict=True)
    return {f"input[{i}]": column for i, column in enumerate(columns)}


def sent(network: Network, sender: str, receiver: str) -> Figures:
    return {f"{k} {sender} -> {receiver}": getattr(network, k)([sender], [receiver]) for k in KINDS}


def exchanged(network: Network, split: Mapping[str, Sequence[str]]) -> Figures:
    return {f"exchange {' | '.join(split)} (exact)": network.exchange(split)}


# --- single units ------------------------------------------------------------------------------


def threshold(fires_on: int) -> Figures:
    network = Network(
        {"input[0]": range(10)},
        {
            "unit[0]": lambda v: (v["input[0]"] >= 10 - fires_on).astype(float),
            "output[0]": reader("unit[0]"),
        },
    )
    split = {"sender": ["unit[0]"], "receiver": ["output[0]"]}
    return sent(network, "unit[0]", "output[0]") | exchanged(network, split)


def fork() -> Figures:
    network = Network(
        {"input[0]": range(8)},
        {"output.b[0]": reader("input[0]"), "output.c[0]": reader("input[0]")},
    )
    return (
        sent(network, "output.b[0]", "output.c[0]")
        | sent(network, "input[0]", "output.b[0]")
        | exchanged(network, {"b": ["output.b[0]"], "c": ["output.c[0]"]})
    )


def copy_bit() -> Figures:
    network = Network(bits(1), {"b[0]": reader("input[0]"), "output[0]": reader("b[0]")})
    split = {"b": ["b[0]"], "c": ["output[0]"]}
    return sent(network, "b[0]", "output[0]") | exchanged(network, split)


def gate(combine: Callable[[np.ndarray, np.ndarray], np.ndarray], correlated: bool) -> Network:
    twins = {"input[0]": [0.0, 1.0], "input[1]": [0.0, 1.0]}
    return Network(
        twins if correlated else bits(2),
        {
            "a[0]": reader("input[0]"),
            "b[0]": reader("input[1]"),
            "output[0]": lambda v: combine(v["a[0]"], v["b[0]"]),
        },
    )


def gate_figures(network: Network) -> Figures:
    a, b, c = "a[0]", "b[0]", "output[0]"
    figures = sent(network, b, c)
    if len(set(network.data[c])) > 1:  # a constant C takes part in no partition
        for split in (
            {"ac": [a, c], "b": [b]},
            {"ab": [a, b], "c": [c]},
            {"a": [a], "b": [b], "c": [c]},
        ):
            figures |= exchanged(network, split)
    return figures


def xor_network(correlated: bool) -> Network:
    return gate(lambda a, b: np.mod(a + b, 2), correlated)


def and_gate_network(correlated: bool) -> Network:
    return gate(np.minimum, correlated)


# --- modules -----------------------------------------------------------------------------------


def silent_only(network: Network, planted: Mapping[str, Sequence[str]]) -> Figures:
    """Score 1 where the planted split alone is silent, and something flows inside each module."""
    silent = [split for split in network.bipartitions() if network.exchange(split) == 0]
    sides = {frozenset(members) for members in planted.values()}
    alone = [{frozenset(m) for m in split.values()} for split in silent] == [sides]
    busy = all(network.internal(members) > 0 for members in planted.values())
    return {
        f"modularity k={len(planted)}": float(alone and busy),
        f"search finds {' | '.join(planted)}": float(alone and busy),
    }


def ducks_and_shadows(rho: float) -> Figures:
    same, other = round(10 * (1 + rho)), round(10 * (1 - rho))
    rows = [(0, 0), (1, 1)] * same + [(0, 1), (1, 0)] * other
    left, right = zip(*rows, strict=True)
    network = Network(
        {"input[0]": left, "input[1]": right},
        {
            "hidden[0]": reader("input[0]"),
            "hidden[1]": reader("input[1]"),
            "output[0]": reader("hidden[0]"),
            "output[1]": reader("hidden[1]"),
        },
    )
    split = {"duck": ["hidden[0]", "output[0]"], "shadow": ["hidden[1]", "output[1]"]}
    return (
        sent(network, "hidden[0]", "output[1]")
        | exchanged(network, split)
        | silent_only(network, split)
    )


def perceptron(model: nn.Sequential, inputs: np.ndarray) -> Network:
    """Tanh or ReLU layers and a linear readout, with the weights of ``model``."""
    relu = any(isinstance(layer, nn.ReLU) for layer in model)

    def unit(site: str, row: np.ndarray, bias: float, hidden: bool) -> Mechanism:
        def mechanism(values: Values) -> np.ndarray:
            total = bias + sum(w * values[f"{site}[{i}]"] for i, w in enumerate(row) if w != 0)
            if not hidden:
                return np.asarray(total)
            return np.maximum(total, 0.0) if relu else np.tanh(total)

        return mechanism

    units: dict[str, Mechanism] = {}
    layers: dict[str, int] = {}
    linears = [layer for layer in model if isinstance(layer, nn.Linear)]
    sites = ["input", *(f"hidden{i}" for i in range(1, len(linears))), "output"]
    for depth, (linear, (before, after)) in enumerate(zip(linears, pairwise(sites), strict=True)):
        weight = linear.weight.detach().double().numpy()
        bias = linear.bias.detach().double().numpy()
        for place, row in enumerate(weight):
            name = f"{after}[{place}]"
            units[name] = unit(before, row, float(bias[place]), after != "output")
            layers[name] = depth
    return Network({f"input[{i}]": column for i, column in enumerate(inputs.T)}, units, layers)


def isolated(case: Case) -> Figures:
    """The case's own weights; its four units of each hidden layer, without any inert ones."""
    assert isinstance(case.model, nn.Sequential)
    assert case.modules is not None
    whole = perceptron(case.model, case.inputs.double().numpy())
    live = {unit for members in case.modules.values() for unit in members}
    appended = [unit for unit in whole.units if unit not in live]
    dead = [unit for unit in appended if np.ptp(whole.data[unit]) == 0]
    readers = {  # what changes when an appended unit is set to something else
        name
        for unit in appended
        if unit not in dead
        for name, value in whole.run(
            np.arange(whole.rows), {unit: np.full(whole.rows, 9.0)}
        ).items()
        if name != unit and not np.array_equal(value, whole.data[name])
    }
    assert not readers & live
    assert len(appended) == 2 * len(dead)
    small = {name: mechanism for name, mechanism in whole.units.items() if name in live}
    held = {name: whole.data[name][0] for name in dead}
    for name, mechanism in small.items():
        small[name] = lambda v, m=mechanism: m(v | {n: np.asarray(c) for n, c in held.items()})
    network = Network(whole.inputs, small, {n: whole.layers[n] for n in small})
    first, last = case.modules["left"][0], case.modules["right"][-1]
    figures = sent(network, first, last)
    del figures[f"observational {first} -> {last}"]
    return figures | exchanged(network, case.modules) | silent_only(network, case.modules)


def mean_field(width: int = 3) -> Figures:
    def total(values: Values) -> np.ndarray:
        return np.sum([values[f"senders[{i}]"] for i in range(width)], axis=0)

    units: dict[str, Mechanism] = {f"senders[{i}]": reader(f"input[{i}]") for i in range(width)}
    units |= {f"output[{i}]": total for i in range(width)}
    layers = {name: int(name.startswith("output")) for name in units}
    network = Network(bits(width), units, layers)
    figures: Figures = {}
    for p, q in ((1, 1), (1, 0), (0, 1), (width, 0), (1, width - 1)):
        inside = [f"senders[{i}]" for i in range(p)] + [f"output[{i}]" for i in range(q)]
        rest = [name for name in units if name not in inside]
        figures |= exchanged(network, {f"{p} + {q}": inside, f"{width - p} + {width - q}": rest})
    classes: dict[frozenset[tuple[int, ...]], list[float]] = {}
    for split in network.bipartitions():
        classes.setdefault(network.size_class(split), []).append(network.exchange(split))
    figures["spread of exchange in a size class"] = max(max(c) - min(c) for c in classes.values())
    least = min(score for _, score in network.scores())
    figures["modularity k=2"] = (
        1 - least / 1.0
    )  # permuting equal weights leaves every null as it is
    return figures


def broadcast(modules: int, receivers: int = 12) -> Figures:
    """Twelve receivers in place of a hundred: the count is of modules."""
    units: dict[str, Mechanism] = {"sender[0]": reader("input[0]")}
    units |= {f"output[{i}]": reader("sender[0]") for i in range(receivers)}
    size = receivers // modules
    split = {"sender": ["sender[0]"]} | {
        f"receiver {m}": [f"output[{i}]" for i in range(m * size, (m + 1) * size)]
        for m in range(modules)
    }
    exact = exchanged(Network(bits(1), units), split)
    return exact | {name.replace("exact", "pairwise"): bits for name, bits in exact.items()}


# What brute force says of each fact of a case, by the fact's name.
REFERENCES: dict[str, Callable[[Case], Figures]] = {
    "and_gate": lambda case: gate_figures(and_gate_network(False)),
    "and_gate_correlated": lambda case: gate_figures(and_gate_network(True)),
    "broadcast": lambda case: broadcast(1),
    "broadcast_4": lambda case: broadcast(4),
    "closed_channel": lambda case: oracles.closed_channel(),
    "confounded": lambda case: confounded(),
    "copy_bit": lambda case: copy_bit(),
    "ducks_and_shadows": lambda case: ducks_and_shadows(0.9),
    "ducks_and_shadows_independent": lambda case: ducks_and_shadows(0.0),
    "equal_bits": lambda case: oracles.equal_bits(),
    "fork": lambda case: fork(),
    "formula_independent": formulas.independent,
    "formula_shared": formulas.shared,
    "formula_tree": formulas.tree,
    "isolated": isolated,
    "isolated_with_inert_units": isolated,
    "lookup": lambda case: oracles.lookup(),
    "majority": lambda case: oracles.majority(),
    "mean_field": lambda case: mean_field(),
    "nested_counters": lambda case: oracles.nested_counters(),
    "rotated_basis": lambda case: oracles.rotated_basis(),
    "sparse_parity": formulas.sparse_parity,
    "sprinkler": lambda case: sprinkler(),
    "sum_of_parts": lambda case: oracles.sum_of_parts(True),
    "sum_of_parts_exact": lambda case: oracles.sum_of_parts(False),
    "superposition_pairs": lambda case: oracles.superposition_pairs(),
    "threshold": lambda case: threshold(5),
    "threshold_9": lambda case: threshold(9),
    "two_ways_coin": lambda case: two_ways("coin"),
    "two_ways_copy": lambda case: two_ways("copy"),
    "two_ways_xor": lambda case: two_ways("xor"),
    "xor": lambda case: gate_figures(xor_network(False)),
    "xor_bridge": lambda case: oracles.xor_bridge(),
    "xor_correlated": lambda case: gate_figures(xor_network(True)),
}

# Trained networks of a hundred units: nothing to enumerate. tests/zoo/test_two_digits.py has them.
TOO_LARGE = {
    "two_digits", "two_digits_dense", "retina", "retina_dense", "random_dense", "planted",
    "planted_convolution", "planted_heads", "planted_nested", "planted_streams", "planted_twins",
    "linear_tracks", "superposition",
}  # see test_two_digits.py, test_planted.py and test_formulas.py  # fmt: skip
