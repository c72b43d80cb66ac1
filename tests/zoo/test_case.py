"""Cases, facts, and how they are found."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from causalmod import CompileError, InputError, zoo
from causalmod.zoo import Case, Fact
from causalmod.zoo.case import ZOO


def test_a_wrong_fact_is_reported() -> None:
    case = zoo.fork()
    wrong = Fact("wrong", 2.0, lambda scm: 1.0, "nowhere", tolerance=0.5)
    missing = Fact("not a number", 0.0, lambda scm: float("nan"), "nowhere", tolerance=1e9)
    close = Fact("close", 2.0, lambda scm: 1.6, "nowhere", tolerance=0.5)
    made = Case("made", case.model, case.inputs, None, (wrong, missing, close))
    assert [row.ok for row in made.check()] == [False, False, True]
    assert made.check()[0] == ("wrong", 1.0, 2.0, False)


def test_a_case_without_modules_has_no_partition() -> None:
    assert zoo.xor().partition is None
    assert zoo.fork().partition is not None


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'xor'"):
        zoo.get("xorr")
    with pytest.raises(AttributeError, match="xorr"):
        getattr(zoo, "xorr")  # noqa: B009


def test_every_listed_name_makes_the_case_of_that_name() -> None:
    for name in zoo.names():
        if not name.startswith("two_digits"):  # trained; see test_two_digits.py
            assert zoo.get(name).name == name


def test_a_new_file_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_newcomer.py").write_text(
        "from dataclasses import replace\n"
        "from causalmod.zoo.case import Case, register\n"
        "from causalmod.zoo.common_cause import fork\n"
        "@register('newcomer')\n"
        "def newcomer() -> Case:\n"
        "    return replace(fork(), name='newcomer')\n"
    )
    monkeypatch.setattr(zoo, "__path__", [*zoo.__path__, str(tmp_path)])
    monkeypatch.setattr(ZOO, "_loaded", False)
    monkeypatch.setattr(ZOO, "_entries", dict(ZOO._entries))
    assert "newcomer" in zoo.names()
    assert zoo.get("newcomer").name == "newcomer"
    assert zoo.newcomer().name == "newcomer"
    monkeypatch.delitem(sys.modules, "causalmod.zoo.a_newcomer")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: zoo.threshold(fires_on=0), "fires_on must be from 1 to 9; given 0"),
        (lambda: zoo.threshold(fires_on=10), "fires_on"),
        (lambda: zoo.ducks_and_shadows(rho=0.55), "multiple of 0.1"),
        (lambda: zoo.ducks_and_shadows(rho=1.0), "multiple of 0.1"),
        (lambda: zoo.broadcast(receivers=10, modules=3), "multiple of modules"),
        (lambda: zoo.mean_field(width=1), "width"),
        (lambda: zoo.sum_of_parts(divisor=1), "divisor"),
        (lambda: zoo.lookup(largest=2), "largest"),
        (lambda: zoo.majority(senders=4), "odd"),
        (lambda: zoo.nested_counters(base=3), "base"),
    ],
)
def test_impossible_options_are_refused(make: Callable[[], Case], says: str) -> None:
    with pytest.raises(InputError, match=says):
        make()


def test_the_global_generators_are_left_alone() -> None:
    importlib.import_module("sklearn.datasets")  # draws from ``random`` when first imported

    def states() -> str:
        legacy = np.random.get_state()  # noqa: NPY002 - what is looked at is the global generator
        return repr((torch.get_rng_state().tolist(), str(legacy), random.getstate()))

    before = states()
    for name in zoo.names():
        if not name.startswith("two_digits"):
            zoo.get(name)
    zoo.two_digits(steps=1, hidden=4)
    assert states() == before
    torch.rand(1)  # the look would notice
    assert states() != before


def test_weights_are_fixed() -> None:
    for name in ("isolated", "xor", "mean_field"):
        first, second = zoo.get(name).model.state_dict(), zoo.get(name).model.state_dict()
        assert all(torch.equal(first[key], second[key]) for key in first)
        assert not any(p.requires_grad for p in zoo.get(name).model.parameters())


def test_compile_uses_the_sites_of_the_case() -> None:
    base = zoo.isolated()
    case = Case("fewer", base.model, base.inputs, None, (), sites=("hidden2",))
    assert "hidden1" not in case.compile().sites
    bad = Case("bad", base.model, base.inputs, None, (), sites=("nowhere",))
    with pytest.raises((CompileError, ValueError), match="nowhere"):
        bad.compile()
