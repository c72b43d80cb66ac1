"""The brute force itself, held to closed forms and to values derived by hand."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import inf, log2

import numpy as np
import pytest

from tests.reference.brute_force import Mechanism, Network, entropy

FAIR = {"a": [0.0, 0.0, 1.0, 1.0], "b": [0.0, 1.0, 0.0, 1.0]}
TWINS = {"a": [0.0, 1.0], "b": [0.0, 1.0]}


def h(p: float) -> float:
    return -p * log2(p) - (1 - p) * log2(1 - p)


def bits(count: int) -> dict[str, list[float]]:
    columns = zip(*product((0, 1), repeat=count), strict=True)
    return {f"x{i}": list(column) for i, column in enumerate(columns)}


def copies(**more: Mechanism) -> dict[str, Mechanism]:
    return {"A": lambda v: v["a"], "B": lambda v: v["b"], **more}


XOR = copies(C=lambda v: np.mod(v["A"] + v["B"], 2))
AND = copies(C=lambda v: v["A"] * v["B"])


AVERAGED = h(1 / 4) - 1 / 2  # of AND
FIGURES = ("observational", "interventional", "conditional", "literal", "strength")


@pytest.mark.parametrize(
    ("units", "rows", "expected"),
    [
        pytest.param(XOR, FAIR, (0, 0, 1, 0, 1), id="xor"),
        pytest.param(XOR, TWINS, (0, 0, 1, inf, 1), id="xor, B = A in the data"),
        pytest.param(AND, FAIR, (AVERAGED, AVERAGED, 0.5, AVERAGED, 0.5), id="and"),
        pytest.param(AND, TWINS, (1, AVERAGED, 0.5, 0.5, 0.5), id="and, B = A in the data"),
        pytest.param(copies(C=lambda v: v["B"]), FAIR, (1, 1, 1, 1, 1), id="copy"),
    ],
)
def test_gates(
    units: dict[str, Mechanism], rows: dict[str, list[float]], expected: tuple[float, ...]
) -> None:
    network = Network(rows, units)
    found = [getattr(network, figure)(["B"], ["C"]) for figure in FIGURES]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("divide", "shared", "averaged"),
    [(lambda a: a // 3, log2(10), 0.2362), (lambda a: a / 3, log2(30), 1.8212)],
    ids=["A // 3", "A / 3"],
)
def test_sum_with_a_third(
    divide: Callable[[np.ndarray], np.ndarray], shared: float, averaged: float
) -> None:
    network = Network(
        {"a": list(range(30))},
        {"A": lambda v: v["a"], "B": lambda v: divide(v["A"]), "C": lambda v: v["A"] + v["B"]},
    )
    assert network.observational(["B"], ["C"]) == pytest.approx(shared)
    assert network.conditional(["B"], ["C"]) == pytest.approx(shared)
    assert network.strength(["B"], ["C"]) == pytest.approx(shared)
    assert network.interventional(["B"], ["C"]) == pytest.approx(averaged, abs=5e-5)
    assert network.literal(["B"], ["C"]) == inf


def test_smallest_prime_factor() -> None:
    factor = np.array(
        [0, 0] + [next(p for p in range(2, n + 1) if n % p == 0) for n in range(2, 34)]
    )
    network = Network(
        {"a": list(range(2, 34))},
        {"B": lambda v: factor[v["a"].astype(int)], "C": lambda v: v["B"]},
    )
    for figure in (
        network.observational,
        network.interventional,
        network.literal,
        network.conditional,
    ):
        assert figure(["B"], ["C"]) == pytest.approx(2.4528, abs=5e-5)


@pytest.mark.parametrize(("rho", "shared"), [(0, 0), (0.5, 0.1887), (0.9, 0.7136)])
def test_separate_tracks_with_correlated_inputs(rho: float, shared: float) -> None:
    same, other = round(10 * (1 + rho)), round(10 * (1 - rho))
    rows = [(0, 0)] * same + [(1, 1)] * same + [(0, 1)] * other + [(1, 0)] * other
    left, right = zip(*rows, strict=True)
    network = Network(
        {"a": left, "b": right},
        copies(C=lambda v: v["A"], D=lambda v: v["B"]),
    )
    assert network.observational(["A", "C"], ["B", "D"]) == pytest.approx(shared, abs=5e-5)
    assert network.exchange({"left": ["A", "C"], "right": ["B", "D"]}) == 0
    assert network.exchange({"left": ["A", "D"], "right": ["B", "C"]}) == pytest.approx(2)


def nested(width: int) -> Network:
    """``a_i = x_i`` and ``b_i = a_i + [partner's a = 3]`` modulo 4."""
    columns = list(zip(*product(range(4), repeat=width), strict=True))
    units = {f"a{i}": (lambda v, i=i: v[f"x{i}"]) for i in range(width)}
    units |= {
        f"b{i}": (lambda v, i=i: np.mod(v[f"a{i}"] + (v[f"a{i ^ 1}"] == 3), 4))
        for i in range(width)
    }
    return Network({f"x{i}": column for i, column in enumerate(columns)}, units)


def test_nested_modules() -> None:
    four, two = nested(4), nested(2)
    pairs = {"01": ["a0", "b0", "a1", "b1"], "23": ["a2", "b2", "a3", "b3"]}
    assert four.exchange(pairs) == 0
    assert four.exchange({str(i): [f"a{i}", f"b{i}"] for i in range(4)}) == pytest.approx(
        4 * h(1 / 4)
    )
    inside = {frozenset(s["a"]): two.exchange(s) for s in two.bipartitions()}
    planted = inside.pop(frozenset({"a0", "b0"}))
    assert planted == pytest.approx(2 * h(1 / 4))
    assert min(inside.values()) >= 2.0


def test_independent_donors_see_what_joint_donors_hide() -> None:
    rows = bits(2)  # p = q = x0, s = x1
    network = Network(
        rows,
        {
            "p": lambda v: v["x0"],
            "q": lambda v: v["x0"],
            "i": lambda v: np.mod(v["p"] + v["q"] + v["x1"], 2),
        },
    )
    apart = {"p": ["p"], "q": ["q"], "i": ["i"]}
    assert network.exchange(apart) == pytest.approx(1)
    assert network.joint_exchange(apart) == 0


def test_majority_of_equal_senders() -> None:
    network = Network(
        {"x": [0, 1]},
        {
            **{f"s{i}": (lambda v: v["x"]) for i in range(3)},
            "r": lambda v: (v["s0"] + v["s1"] + v["s2"] > 1.5).astype(float),
        },
        {"s0": 0, "s1": 0, "s2": 0, "r": 1},
    )
    for sender in ("s0", "s1", "s2"):
        assert network.conditional([sender], ["r"]) == 0
    senders = {"senders": ["s0", "s1", "s2"], "receiver": ["r"]}
    assert network.received(senders, "receiver") == pytest.approx(1)
    assert network.exchange({"one": ["s0"], "rest": ["s1", "s2", "r"]}) == 0
    assert network.cost({"one": ["s0"], "rest": ["s1", "s2", "r"]}) == 1  # int of one unit is 0


def test_xor_bridge() -> None:
    network = Network(
        bits(2),
        {
            "left": lambda v: v["x0"],
            "right": lambda v: v["x1"],
            "bridge": lambda v: np.mod(v["left"] + v["right"], 2),
        },
    )
    assert network.interventional(["right"], ["bridge"]) == pytest.approx(0)
    assert network.conditional(["right"], ["bridge"]) == pytest.approx(1)
    assert network.exchange({"l": ["left", "bridge"], "r": ["right"]}) == pytest.approx(1)


def test_internal_flow_and_cost_by_hand() -> None:
    # two copies of x0 and one of x1; a chain inside {A, C}: one bit flows A -> C
    network = Network(
        bits(2), {"A": lambda v: v["x0"], "B": lambda v: v["x1"], "C": lambda v: v["A"] + v["B"]}
    )
    assert network.internal(["A", "C"]) == pytest.approx(1)
    assert network.internal(["A", "B", "C"]) == pytest.approx(
        1.5
    )  # A + B of one donor row: 0, 1, 1, 2
    assert network.exchange({"m": ["A", "C"], "rest": ["B"]}) == pytest.approx(1)
    assert network.cost({"m": ["A", "C"], "rest": ["B"]}) == 1  # B alone has no inside
    assert network.cost({"m": ["A", "B"], "rest": ["C"]}) == 1


def test_entropy_of_counts() -> None:
    assert float(entropy(np.array([2.0, 1.0, 1.0, 0.0]))) == pytest.approx(1.5)
    assert entropy(np.array([[1.0, 1.0], [1.0, 0.0]])).tolist() == [1.0, 0.0]
