"""Information as a query is the function of that name, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import causalmod as cm
from causalmod.errors import InputError, PartitionError, QueryError, SelectorError

CASE = cm.zoo.get("isolated")
SCM = cm.compile(CASE.model, CASE.inputs)
assert CASE.modules is not None
MODULES = CASE.modules
NAMED = SCM.with_partition(cm.Partition(MODULES))
LEFT, RIGHT = MODULES


def alike(one: cm.Estimate, other: cm.Estimate) -> bool:
    """Are they equal in all but the seconds that they took?"""
    return replace(one, provenance=None) == replace(other, provenance=None)


# the modules share nothing, so a sampled observational figure is inside its floor, and is to say so
@pytest.mark.filterwarnings("ignore:.* inside the null floor")
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"I({LEFT} ; {RIGHT})", "observational"),
        (f"I({LEFT} ; {RIGHT} | do({LEFT}))", "interventional"),
        (f"I({LEFT} ; {RIGHT} | do({LEFT}), U)", "conditional"),
        (f"I({LEFT} ; {RIGHT} | do({LEFT}), input)", "conditional"),
    ],
)
@pytest.mark.parametrize("settings", [{}, {"estimator": "gaussian", "resolution": 0.5, "seed": 3}])
def test_information_is_that_of_the_function(
    text: str, kind: str, settings: dict[str, Any]
) -> None:
    expected = cm.information(SCM, MODULES[LEFT], MODULES[RIGHT], kind, **settings)
    found = cm.query(NAMED, text, **settings)
    assert isinstance(found, cm.Estimate)
    assert alike(found, expected)


def test_units_in_place_of_modules_and_bins() -> None:
    source, target = MODULES[LEFT][0], MODULES[LEFT][-1]
    settings: dict[str, Any] = {"estimator": "binned", "bins": 3}
    expected = cm.information(SCM, source, target, "observational", **settings)
    assert alike(cm.query(SCM, f"I({source} ; {target})", **settings), expected)


@pytest.mark.parametrize("settings", [{}, {"estimator": "pairwise", "seed": 1, "draws": 16}])
def test_exchange_is_that_of_the_function(settings: dict[str, Any]) -> None:
    expected = cm.exchange(SCM, cm.Partition(MODULES), **settings)
    found = cm.query(NAMED, f"Exchange({LEFT} ; {RIGHT})", **settings)
    assert isinstance(found, cm.Exchange)
    assert alike(found.estimate, expected.estimate)
    assert set(found.into) == set(expected.into)
    assert all(alike(found.into[m], expected.into[m]) for m in expected.into)
    assert found.partition == expected.partition


def test_the_letter_of_the_formula_asks_for_the_observational_reference() -> None:
    text = f"I({LEFT} ; {RIGHT} | do({LEFT}) ; reference = observational)"
    expected = cm.information(
        SCM, MODULES[LEFT], MODULES[RIGHT], "interventional", reference="observational"
    )
    found = cm.query(NAMED, text)
    assert found.reference == "observational"
    assert alike(found, expected)
    assert not alike(found, cm.query(NAMED, f"I({LEFT} ; {RIGHT} | do({LEFT}))"))


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        (f"I({LEFT} ; {RIGHT} | U)", QueryError, "the information is 0"),
        (f"I({LEFT} ; {RIGHT} | do({LEFT}), output[0])", QueryError, "on all inputs"),
        (f"I({LEFT} ; rihgt)", SelectorError, "rihgt"),
        (f"Exchange({LEFT} ; output[0])", PartitionError, "in no module"),
    ],
)
def test_what_is_not_defined_says_why(text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        cm.query(NAMED, text)


def test_rows_are_not_drawn_twice() -> None:
    with pytest.raises(InputError, match="draws its own rows"):
        cm.query(NAMED, f"I({LEFT} ; {RIGHT})", samples=10)
