"""The three forms of exchange as measures are the three forms of exchange."""

from __future__ import annotations

import pytest

from causalmod import InputError, Partition, exchange, zoo
from causalmod.measures import MEASURES
from causalmod.measures.exchanged import ExchangedBits

SPLIT = Partition({"a": ["a"], "b": ["b"], "c": ["output"]})


@pytest.mark.parametrize("kind", ["conditional", "averaged", "strength"])
@pytest.mark.parametrize("case", [zoo.xor(), zoo.and_gate()], ids=lambda case: case.name)
def test_it_is_the_exchange(kind: str, case: zoo.Case) -> None:
    scm = case.compile()
    assert ExchangedBits(kind)(scm, SPLIT) == exchange(scm, SPLIT, kind=kind).bits


def test_three_forms_of_an_exclusive_or_by_hand() -> None:
    # the gate hears two independent fair bits, which are all that it depends on: 1 bit in each form
    scm = zoo.xor().compile()
    names = ("exchange", "exchange_averaged", "exchange_strength")
    assert [MEASURES.get(name)(scm, SPLIT) for name in names] == pytest.approx([1.0, 1.0, 1.0])


def test_groups_that_no_bound_from_below_resolves_are_ranked() -> None:
    scm = zoo.planted().compile()
    planted = zoo.planted().partition
    assert planted is not None
    units = scm.units.names
    mixed = Partition({"a": units[::2], "b": units[1::2]})
    measure = MEASURES.get("exchange_averaged")
    assert measure(scm, planted) == 0.0
    assert measure(scm, mixed) > 1.0


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'averaged'"):
        ExchangedBits("avraged")
