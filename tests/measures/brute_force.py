"""Figures about modules of tiny models by going through every state; shares no code with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import product
from math import inf, log2

State = tuple[float, ...]
#: Runs the network on one row, with some units set: unit → value; returns all units' values.
Run = Callable[[int, dict[str, float]], dict[str, float]]


def states(run: Run, rows: int, members: Sequence[str]) -> list[State]:
    """What a module is on each row."""
    found = []
    for row in range(rows):
        values = run(row, {})
        found.append(tuple(values[unit] for unit in members))
    return found


def divergence(left: Counter[State], right: Counter[State]) -> float:
    """``KL(left || right)`` in bits, of counts."""
    total = 0.0
    for state, count in left.items():
        if right[state] == 0:
            return inf
        p, q = count / left.total(), right[state] / right.total()
        total += p * log2(p / q)
    return total


def set_to(
    run: Run, rows: int, sender: Sequence[str], b: State, receiver: Sequence[str]
) -> Counter:
    """Counts of a module's states while another one is set."""
    given = dict(zip(sender, b, strict=True))
    return Counter(tuple(run(row, given)[unit] for unit in receiver) for row in range(rows))


def post_formula(run: Run, rows: int, modules: Sequence[Sequence[str]]) -> float:
    """``sum_{B,C} sum_b P(b) KL( P(C|do(b)) || P(C) )``."""
    total = 0.0
    for sender, receiver in product(modules, repeat=2):
        if sender is receiver:
            continue
        seen = Counter(states(run, rows, receiver))
        for b, count in Counter(states(run, rows, sender)).items():
            total += count / rows * divergence(set_to(run, rows, sender, b, receiver), seen)
    return total


def effective(run: Run, rows: int, modules: Sequence[Sequence[str]]) -> float:
    """``sum_{B,C} I(B'; C | do(B'))``, each unit of ``B'`` uniform over the values it takes."""
    total = 0.0
    for sender, receiver in product(modules, repeat=2):
        if sender is receiver:
            continue
        levels = [sorted({values[0] for values in states(run, rows, [unit])}) for unit in sender]
        made = [set_to(run, rows, sender, b, receiver) for b in product(*levels)]
        mixture: Counter[State] = sum(made, Counter())
        total += sum(divergence(each, mixture) for each in made) / len(made)
    return total


def entropy(values: Sequence[object]) -> float:
    """Entropy of what occurs, in bits."""
    counts = Counter(values)
    return -sum(c / len(values) * log2(c / len(values)) for c in counts.values())
