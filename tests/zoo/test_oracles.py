"""Every case of the zoo, three ways: closed form, brute force that shares no code, the package."""

from __future__ import annotations

from functools import cache

import pytest

from causalmod import StructuralCausalModel, zoo
from causalmod.zoo import Case, Fact
from tests.zoo.references import REFERENCES, TOO_LARGE, Figures

NAMES = [name for name in zoo.names() if name not in TOO_LARGE]


@cache
def case_of(name: str) -> Case:
    return zoo.get(name)


@cache
def model_of(name: str) -> StructuralCausalModel:
    return case_of(name).compile()


@cache
def reference_of(name: str) -> Figures:
    return REFERENCES[name](case_of(name))


FACTS = [pytest.param(n, f, id=f"{n}: {f.name}") for n in NAMES for f in case_of(n).facts]


def test_every_case_has_a_reference() -> None:
    missing = set(zoo.names()) - set(REFERENCES) - TOO_LARGE
    assert not missing, "write the case down a second time in tests/zoo/references.py"
    assert set(REFERENCES) | TOO_LARGE == set(zoo.names())


@pytest.mark.parametrize("name", NAMES)
def test_every_fact_has_a_reference(name: str) -> None:
    names = [fact.name for fact in case_of(name).facts]
    assert len(set(names)) == len(names)
    assert set(reference_of(name)) == set(names)


@pytest.mark.parametrize(("name", "fact"), FACTS)
def test_brute_force_agrees_with_the_closed_form(name: str, fact: Fact) -> None:
    digits = 5e-7 if fact.tolerance == 5e-7 else 1e-9  # published figures have six decimals
    assert reference_of(name)[fact.name] == pytest.approx(fact.expected, abs=digits)


@pytest.mark.parametrize(("name", "fact"), FACTS)
def test_the_package_agrees_with_the_closed_form(name: str, fact: Fact) -> None:
    got = fact.compute(model_of(name))
    assert got == pytest.approx(fact.expected, abs=fact.tolerance, rel=0)
