"""Noisy mechanisms as Bayesian networks of probabilities; no noise is drawn, sums do all.

A network is a chance of 1 for each binary variable, given its parents. The joint law is their
product, an intervention replaces a factor, and the cut of an arrow feeds its receiver a copy of the
sender with the sender's own law.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from math import log2

Chance = Callable[..., float]
Nodes = Mapping[str, tuple[Sequence[str], Chance]]  # in order of causes
Law = dict[tuple[int, ...], float]


def joint(nodes: Nodes, do: Mapping[str, int] | None = None) -> Law:
    names, law = list(nodes), {}
    for values in product((0, 1), repeat=len(names)):
        v, mass = dict(zip(names, values, strict=True)), 1.0
        for name, (parents, chance) in nodes.items():
            one = chance(*(v[p] for p in parents))
            if do and name in do:
                one = float(do[name])
            mass *= one if v[name] else 1 - one
        law[values] = mass
    return law


def marginal(nodes: Nodes, names: Sequence[str], do: Mapping[str, int] | None = None) -> Law:
    places, law = [list(nodes).index(name) for name in names], {}
    for values, mass in joint(nodes, do).items():
        key = tuple(values[p] for p in places)
        law[key] = law.get(key, 0.0) + mass
    return law


def divergence(p: Law, q: Law) -> float:
    return sum(mass * log2(mass / q[key]) for key, mass in p.items() if mass > 0)


def averaged(
    nodes: Nodes, x: str, y: str, *, literal: bool = False, do: Mapping[str, int] | None = None
) -> float:
    weights = {value[0]: mass for value, mass in marginal(nodes, [x]).items()}
    laws = {value: marginal(nodes, [y], {x: value} | dict(do or {})) for value in weights}
    mixture = {k: sum(weights[v] * laws[v][k] for v in laws) for k in laws[0]}
    target = marginal(nodes, [y]) if literal else mixture
    return sum(weights[v] * divergence(laws[v], target) for v in laws)


def averaged_given(nodes: Nodes, x: str, y: str, known: str) -> float:
    weights = marginal(nodes, [known])
    return sum(m * averaged(nodes, x, y, do={known: v[0]}) for v, m in weights.items())


def observational(nodes: Nodes, x: str, y: str) -> float:
    both, left, right = (marginal(nodes, names) for names in ([x, y], [x], [y]))
    apart = {key: left[key[:1]] * right[key[1:]] for key in both}
    return divergence(both, apart)


def strength(nodes: Nodes, senders: Sequence[str], y: str) -> float:
    """``KL(P || P_cut)``, all arrows from the senders to ``y`` cut."""
    parents, chance = nodes[y]
    laws = {s: marginal(nodes, [s]) for s in senders}

    def cut(*values: int) -> float:
        fed = [
            laws[p] if p in senders else {(v,): 1.0} for p, v in zip(parents, values, strict=True)
        ]
        total = 0.0
        for copies in product((0, 1), repeat=len(parents)):
            mass = 1.0
            for law, copy in zip(fed, copies, strict=True):
                mass *= law.get((copy,), 0.0)
            total += mass * chance(*copies)
        return total

    return divergence(joint(nodes), joint({**nodes, y: (parents, cut)}))


def confounded() -> dict[str, float]:
    nodes: Nodes = {
        "u": ((), lambda: 0.5),
        "x": (("u",), lambda u: (0.3, 0.8)[u]),
        "y": (("u", "x"), lambda u, x: 0.1 + 0.8 * u * x),
    }
    return {
        "x -> output ()": averaged(nodes, "x", "y"),
        "x -> output (reference=observational)": averaged(nodes, "x", "y", literal=True),
        "x -> output (kind=observational)": observational(nodes, "x", "y"),
        "x -> output (kind=strength, noise=input[2])": strength(nodes, ["x"], "y"),
    }


def sprinkler() -> dict[str, float]:
    nodes: Nodes = {
        "c": ((), lambda: 0.5),
        "s": (("c",), lambda c: (0.5, 0.1)[c]),
        "r": (("c",), lambda c: (0.2, 0.8)[c]),
        "w": (("s", "r"), lambda s, r: (0.0, 0.9, 0.99)[s + r]),
    }
    cut = "(kind=strength, noise=input[3])"
    return {
        "sprinkler -> output ()": averaged(nodes, "s", "w"),
        "sprinkler -> output (reference=observational)": averaged(nodes, "s", "w", literal=True),
        "sprinkler -> output (given_do=rain)": averaged_given(nodes, "s", "w", "r"),
        f"sprinkler -> output {cut}": strength(nodes, ["s"], "w"),
        f"rain -> output {cut}": strength(nodes, ["r"], "w"),
        f"sprinkler + rain -> output {cut}": strength(nodes, ["s", "r"], "w"),
    }


def two_ways(combine: str) -> dict[str, float]:
    chances: dict[str, Chance] = {
        "xor": lambda x, y: float(x != y),
        "copy": lambda x, y: float(x),
        "coin": lambda x, y: 0.5 * (x != y),
    }
    nodes: Nodes = {
        "w": ((), lambda: 0.5),
        "x": (("w",), float),
        "y": (("w",), float),
        "z": (("x", "y"), chances[combine]),
    }
    found = {
        "x -> output ()": averaged(nodes, "x", "z"),
        "x -> output (given_do=y)": averaged_given(nodes, "x", "z", "y"),
        "input[0] -> output (given_do=y)": averaged_given(nodes, "w", "z", "y"),
    }
    if combine == "coin":
        found["x -> output (kind=strength, noise=input[1])"] = strength(nodes, ["x"], "z")
    return found
