"""identify on information: what logs give of it, against the model and closed forms."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch

import causalmod as cm
from causalmod.errors import QueryError


def test_information_from_logs() -> None:
    case = cm.zoo.xor()
    scm = case.compile()
    found = cm.identify(scm, "I(a[0] ; output[0] | do(a[0]))")
    assert found(scm.observe()).value == pytest.approx(0, abs=1e-12)
    assert str(found).startswith("I(a[0] ; output[0] | do(a[0])) from P(output | do(a)) = ")
    seen = cm.identify(scm, "I(a[0], b[0] ; output[0])")
    assert seen(scm.observe()).value == pytest.approx(1, abs=1e-12)  # two bits decide one
    with pytest.raises(QueryError, match="nothing is left to share"):
        cm.identify(scm, "I(a[0] ; output[0] | U)")
    with pytest.raises(QueryError, match="exchange"):
        cm.identify(scm, "Exchange(a[0], output[0] ; b[0])")


def entropy(*shares: float) -> float:
    return -sum(p * float(np.log2(p)) for p in shares if p)


def test_information_given_the_row_takes_what_screens_the_target_off() -> None:
    """XOR, by hand: given b, the output is a, or not a: 1 bit, though the average reads 0."""
    scm = cm.zoo.xor().compile()
    for known in ("U", "input"):
        found = cm.identify(scm, f"I(a[0] ; output[0] | do(a[0]), {known})")
        assert found.verified
        assert found.formula == "P(output | do(a), b) = P(output | a, b)"
        assert found(scm.observe()).value == pytest.approx(1, abs=1e-12)
        assert found(scm.observe()).missing == 0
    blind = cm.identify(scm, "I(a[0] ; output[0] | do(a[0]), U)", ["a", "output"])
    assert not blind.identifiable
    assert blind.hedge is None
    assert "log what output reads besides a" in str(blind)
    with pytest.raises(QueryError, match="no logged variables stand for the row"):
        blind(scm.observe())
    with pytest.raises(QueryError, match="on all inputs"):
        cm.identify(scm, "I(a[0] ; output[0] | do(a[0]), b[0])")
    with pytest.raises(QueryError, match="a graph alone has none"):
        cm.identify(nx.DiGraph([("a", "c")]), "I(a ; c | do(a), U)")


def test_every_form_of_information_is_that_of_the_model() -> None:
    """Noisy textbook models, whose logs have support; by hand where the closed form is short."""
    scm = cm.from_functions(
        {
            "gene": [0, 1],
            "noise": list(range(4)),
            "coin": {0: 0.25, 1: 0.75},
            "a": lambda gene, noise: torch.where(noise < 1, 1 - gene, gene),
            "c": lambda a, gene, coin: a * 4 + gene * 2 + coin,
            "d": lambda a, coin: a * coin,
        }
    )
    logs = scm.observe()
    texts = [f"I({s} ; {t}{known})" for s, t in (("a", "d"), ("a", "c"), ("a", "c, d"))
             for known in ("", f" | do({s})", f" | do({s}), U",
                           f" | do({s}) ; reference = observational")]  # fmt: skip
    for text in [*texts, "I(a, coin ; d | do(a, coin))", "I(coin, a ; d | do(coin, a))"]:
        found = cm.identify(scm, text)
        assert found.verified, text
        answer = found(logs)
        assert answer.missing == 0, text
        truth = cm.query(scm, text, estimator="exact").bits
        assert answer.value == pytest.approx(truth, abs=1e-9), text
        checked = cm.verify(scm, text, draws=0)
        assert checked.agree, text
        assert checked.intervened == pytest.approx(truth, abs=1e-12)
    # d = min(a, coin), a and coin independent: given coin = 1 it copies a fair a.
    given_row = cm.identify(scm, "I(a ; d | do(a), U)")
    assert given_row(logs).value == pytest.approx(0.75, abs=1e-12)
    averaged = cm.identify(scm, "I(a ; d | do(a))")(logs).value
    assert averaged == pytest.approx(entropy(0.375, 0.625) - 0.5 * entropy(0.25, 0.75), abs=1e-12)


def test_groups_are_weighed_in_the_order_in_which_they_are_named() -> None:
    """A group's values are not equally likely, and each weight belongs to its value."""
    scm = cm.from_functions(
        {
            "u": {0: 0.9, 1: 0.1},
            "v": {0: 0.3, 1: 0.3, 2: 0.4},
            "a": lambda u: u,
            "b": lambda v: v,
            "y": lambda a, b: a * (b > 0),
        }
    )
    # H(y): y = 1 with probability .1 · .7
    for text in ("I(a, b ; y | do(a, b))", "I(b, a ; y | do(b, a))"):
        answer = cm.identify(scm, text)(scm.observe())
        assert answer.value == pytest.approx(entropy(0.07, 0.93), abs=1e-12)


def test_combinations_that_never_come_up_weigh_nothing() -> None:
    """b = a: of the four combinations of the group two are on the data, and count."""
    scm = cm.from_functions(
        {"u": [0, 1], "a": lambda u: u, "b": lambda u: u, "y": lambda a, b: a + b}
    )
    answer = cm.identify(scm, "I(a, b ; y | do(a, b))")(scm.observe())
    assert answer.missing == 0
    assert answer.value == pytest.approx(1, abs=1e-12)


def test_the_letter_of_the_formula_by_hand() -> None:
    """The letter: against what is observed, here of a treatment and an outcome with a cause."""
    scm = cm.from_functions(
        {
            "u": [0, 1],
            "v": [0, 1, 2, 3],
            "a": lambda u: u,
            "b": lambda a, v: torch.where(v < 1, 1 - a, a),
            "y": lambda a, b: a * 2 + b,
        }
    )
    text = "I(b ; y | do(b) ; reference = observational)"
    answer = cm.identify(scm, text)(scm.observe(), draws=20)
    # P(y | do(b)) = 1/2 on each of two values, whose P(y) are 3/8 and 1/8
    expected = 0.5 * float(np.log2(0.5 / 0.375)) + 0.5 * float(np.log2(0.5 / 0.125))
    assert answer.value == pytest.approx(expected, abs=1e-12)
