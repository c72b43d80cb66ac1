"""from_functions: textbook models against published values, oracles and enumeration."""

from __future__ import annotations

from collections.abc import Callable
from math import log2
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

import causalmod as cm
from causalmod.errors import CompileError, InputError

Model = dict[str, Any]
XOR: Model = {
    "u": [0, 1],
    "v": [0, 1],
    "a": lambda u: u,
    "b": lambda v: v,
    "c": lambda a, b: (a + b) % 2,
}


def sprinkler() -> Model:
    """C → S, C → R, (S, R) → W; each noise is uniform, and as fine as its table needs."""

    def wet(s: Tensor, r: Tensor, n: Tensor) -> Tensor:
        return n < torch.where(s + r == 0, 0, torch.where(s * r == 1, 99, 90))

    return {
        "C": [0, 1],
        "n_s": list(range(10)),
        "n_r": list(range(5)),
        "n_w": list(range(100)),
        "S": lambda C, n_s: n_s < torch.where(C == 0, 5, 1),  # noqa: N803
        "R": lambda C, n_r: n_r < torch.where(C == 0, 1, 4),  # noqa: N803
        "W": (wet, ["S", "R", "n_w"]),
    }


def test_the_sprinkler_has_its_published_values() -> None:
    """Russell and Norvig's network; do-queries by hand, as issue and tables give them."""
    scm = cm.from_functions(sprinkler())
    assert cm.query(scm, "P(W = 1 | do(S = 1), R = 1)").mean() == pytest.approx(0.99, abs=1e-12)
    assert cm.query(scm, "P(W = 1 | do(S = 1))").mean() == pytest.approx(0.945, abs=1e-12)
    assert cm.query(scm, "P(W = 1 | do(S = 0))").mean() == pytest.approx(0.45, abs=1e-12)
    assert cm.query(scm, "P(S = 1 | C = 1)").mean() == pytest.approx(0.1, abs=1e-12)
    # seeing is not doing: P(W=1|S=1) = (.5·.5·(.8·.9+.2·.99) + .5·.1·(.2·.9+.8·.99)) / .3
    seen = (0.25 * (0.8 * 0.9 + 0.2 * 0.99) + 0.05 * (0.2 * 0.9 + 0.8 * 0.99)) / 0.3
    assert cm.query(scm, "P(W = 1 | S = 1)").mean() == pytest.approx(seen, abs=1e-12)


def test_the_firing_squad_is_counterfactual() -> None:
    """Pearl, Causality (2009), section 7.1.2: given that the prisoner is dead, had A not fired,

    he would be dead all the same, as the captain's order reached B too.
    """
    scm = cm.from_functions(
        {
            "U": {0: 0.75, 1: 0.25},
            "W": {0: 0.9, 1: 0.1},  # A is nervous
            "C": lambda U: U,  # noqa: N803
            "A": (torch.maximum, ["C", "W"]),
            "B": lambda C: C,  # noqa: N803
            "D": (torch.maximum, ["A", "B"]),
        }
    )
    # P(D_{A=0} = 1 | D = 1) = p / (1 − (1−p)(1−q)) with p = P(U=1), q = P(W=1)
    expected = 0.25 / (1 - 0.75 * 0.9)
    found = cm.query(scm, "P(D_{A = 0} = 1 | D = 1)").mean()
    assert found == pytest.approx(expected, abs=1e-12)
    assert scm.rows == 40


@pytest.mark.parametrize(
    ("variables", "source", "target", "bits"),
    [
        (XOR, "b", "c", {"observational": 0.0, "interventional": 0.0, "conditional": 1.0}),
        (
            {**XOR, "c": lambda a, b: a * b},
            "b",
            "c",
            {"observational": 0.311278, "interventional": 0.311278, "conditional": 0.5},
        ),
        (
            {"u": [0, 1], "b": lambda u: u, "c": lambda b: b},
            "b",
            "c",
            {"observational": 1.0, "interventional": 1.0, "conditional": 1.0},
        ),
        (
            {"u": list(range(8)), "a": lambda u: u, "b": lambda a: a, "c": lambda a: a},
            "b",
            "c",
            {"observational": 3.0, "interventional": 0.0, "conditional": 0.0},
        ),
        (
            {"u": list(range(10)), "b": lambda u: u < 9, "c": lambda b: b},
            "b",
            "c",
            {"interventional": -0.9 * log2(0.9) - 0.1 * log2(0.1)},
        ),
    ],
    ids=["xor", "and", "copy", "fork", "threshold"],
)
def test_information_has_the_values_of_the_oracles(
    variables: Model, source: str, target: str, bits: dict[str, float]
) -> None:
    scm = cm.from_functions(variables)
    for kind, expected in bits.items():
        found = cm.information(scm, source, target, kind, estimator="exact")
        assert found.bits == pytest.approx(expected, abs=1e-6)


def test_exchange_has_the_values_of_the_oracles() -> None:
    """XOR apart: c receives two bits from a and b, which receive none; COPY: 1 bit."""
    scm = cm.from_functions(XOR)
    found = cm.exchange(scm, cm.Partition({"a": "a", "b": "b", "c": "c"}), estimator="exact")
    assert {name: estimate.bits for name, estimate in found.into.items()} == {
        "a": 0.0,
        "b": 0.0,
        "c": 1.0,
    }
    copy = cm.from_functions({"u": [0, 1], "b": lambda u: u, "c": lambda b: b})
    assert cm.exchange(copy, cm.Partition({"b": "b", "c": "c"}), estimator="exact").bits == 1.0


def test_names_graph_and_units_are_the_users() -> None:
    scm = cm.from_functions(XOR)
    assert list(scm.sites) == ["u", "v", "a", "b", "c"]
    assert scm.inputs == ("u", "v")
    assert set(scm.outputs) == {"a", "b", "c"}
    edges = {("U", "u"), ("U", "v"), ("u", "a"), ("v", "b"), ("a", "c"), ("b", "c")}
    found = {tuple(str(n).removesuffix("[0]") for n in edge) for edge in scm.graph.edges}
    assert found == edges
    assert scm.units.names == ("a[0]", "b[0]", "c[0]")
    assert scm.observe()["c"][:, 0].tolist() == [0.0, 1.0, 1.0, 0.0]
    one = cm.from_functions({"only": [1, 2, 3], "twice": lambda only: 2 * only})
    assert list(one.sites) == ["only", "twice"]


def test_a_copy_can_be_set_without_what_it_copies() -> None:
    scm = cm.from_functions({"u": [0, 1], "b": lambda u: u, "c": lambda b: b})
    found = scm.do({"c": 7.0}).observe()
    assert found["b"][:, 0].tolist() == [0.0, 1.0]
    assert found["u"].tolist() == [0.0, 1.0]
    assert scm.do({"b": 5.0}).observe()["c"][:, 0].tolist() == [5.0, 5.0]


# --- where the rows come from ---------------------------------------------------------------------


def test_rational_probabilities_are_enumerated_exactly() -> None:
    law = {0: 0.1, 1: 0.25, 5: 0.65}
    scm = cm.from_functions({"n": law, "w": [0, 0, 1], "y": lambda n, w: n + 10 * w})
    assert (scm.rows, scm.sampled) == (60, False)
    assert "enumerated exactly, 60" in scm.note
    assert "enumerated exactly" in repr(scm)
    table = cm.query(scm, "P(n, w)").table
    for row in table.itertuples(index=False):
        expected = law[int(row[0])] * (2 / 3 if row[1] == 0 else 1 / 3)
        assert row[2] == pytest.approx(expected, abs=1e-12)


def test_arrays_are_rows_taken_together_and_crossed_with_noise() -> None:
    x = torch.tensor([0.0, 1.0, 2.0])
    z = np.array([5.0, 5.0, 7.0])
    scm = cm.from_functions({"x": x, "n": [0, 1], "z": z, "y": lambda x, z, n: x + z + n})
    assert scm.rows == 6
    pairs = cm.query(scm, "P(x, z)").table
    assert pairs[["x", "z"]].to_numpy().tolist() == [[0, 5], [1, 5], [2, 7]]
    assert cm.query(scm, "P(n = 1 | x = 2)").mean() == 0.5


@pytest.mark.parametrize(
    ("law", "why"),
    [
        (scipy.stats.norm(), "n is continuous"),
        ({0: 2**-0.5, 1: 1 - 2**-0.5}, "no fractions"),
    ],
)
def test_what_cannot_be_enumerated_is_drawn_and_says_so(law: object, why: str) -> None:
    def build(seed: int) -> cm.StructuralCausalModel:
        return cm.from_functions(
            {"n": law, "w": [0, 1], "y": lambda n, w: n + w}, rows=500, seed=seed
        )

    one, same, other = build(0), build(0), build(1)
    assert one.sampled
    assert "sampled, 500 rows, seed 0" in one.note
    assert why in one.note
    assert torch.equal(one.observe()["n"], same.observe()["n"])
    assert not torch.equal(one.observe()["n"], other.observe()["n"])
    found = cm.query(one, "E[y | do(w = 1)]")
    assert not found.exact
    assert found.low < found.mean() < found.high
    truth = 2 - 2**-0.5 if isinstance(law, dict) else 1.0
    assert found.low - 0.1 < truth < found.high + 0.1
    assert one.do({"w": 0.0}).sampled


def test_too_many_combinations_are_drawn() -> None:
    variables: Model = {f"n{i}": list(range(10)) for i in range(4)}
    scm = cm.from_functions({**variables, "y": lambda n0, n1: n0 + n1}, rows=200, most_rows=1000)
    assert scm.rows == 200
    assert "10000 combinations, more than 1000" in scm.note


# --- bad input ------------------------------------------------------------------------------------


def _branches(u: Tensor) -> Tensor:
    return u if u[0] > 0 else -u


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "takes a mapping"),
        ([1], "takes a mapping"),
        ({"y": lambda: 1.0}, "no exogenous variable"),
        ({"u": [0, 1]}, "no endogenous variable"),
        ({"noise": [0, 1], "y": lambda niose: niose}, "did you mean 'noise'"),
        ({"u": [0, 1], "a": lambda b: b, "b": lambda a, u: a}, "form a cycle: a -> b -> a"),
        ({"u": {0: 0.5, 1: 0.6}, "y": lambda u: u}, "add up to 1.1"),
        ({"u": {0: 1.5, 1: -0.5}, "y": lambda u: u}, "at least 0"),
        ({"u": {"a": 1.0}, "y": lambda u: u}, "maps numbers to probabilities"),
        ({"u": [], "y": lambda u: u}, "at least one value"),
        ({"u": "text", "y": lambda u: u}, "given str"),
        ({"u": torch.zeros(3, 2), "y": lambda u: u}, "one-dimensional"),
        ({"u": torch.tensor([0.0, float("nan")]), "y": lambda u: u}, "finite"),
        ({"u": torch.zeros(3), "v": torch.zeros(4), "y": lambda u: u}, "lengths differ"),
        ({"u[0]": [0, 1], "y": lambda u: u}, "named by a word"),
        ({"output": [0, 1], "y": lambda output: output}, "other than 'input'"),
        ({"u": [0, 1], "y": lambda *u: u[0]}, "name each"),
        ({"u": [0, 1], "y": lambda u: u[:, None]}, "one number for each row"),
        ({"u": [0, 1], "y": torch.maximum}, "cannot be read"),
    ],
)
def test_a_model_that_is_none_says_why(variables: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        cm.from_functions(variables)  # pyright: ignore[reportArgumentType]


def test_a_function_that_branches_on_values_is_refused() -> None:
    with pytest.raises(CompileError, match=r"torch\.where"):
        cm.from_functions({"u": [0, 1], "y": _branches})


def test_constants_defaults_and_pairs() -> None:
    def shifted(u: Tensor, by: float = 3.0) -> Tensor:
        return u + by

    function: Callable[..., Tensor] = torch.maximum
    scm = cm.from_functions(
        {"u": [0, 1], "k": lambda: 2, "s": shifted, "m": (function, ["k", "s"])}
    )
    found = scm.observe()
    assert found["k"][:, 0].tolist() == [2.0, 2.0]
    assert found["m"][:, 0].tolist() == [3.0, 4.0]
