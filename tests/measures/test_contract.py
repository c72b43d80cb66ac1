"""What every measure must do, whichever it is."""

from __future__ import annotations

import pytest
import torch

from causalmod import Partition, PartitionError, zoo
from causalmod.measures import MEASURES, Measure

NAMES = MEASURES.names()


@pytest.fixture(scope="module")
def case() -> zoo.Case:
    return zoo.isolated()


@pytest.fixture(params=NAMES)
def measure(request: pytest.FixtureRequest) -> Measure:
    return MEASURES.get(request.param)


def test_there_are_measures() -> None:
    assert set(NAMES) >= {"newman_q", "mutual_information"}


def test_it_says_what_it_is(measure: Measure) -> None:
    assert MEASURES.get(measure.name) is measure
    assert measure.paper
    assert isinstance(measure.lower_is_modular, bool)
    assert type(measure).__doc__


def test_it_gives_one_finite_number_and_the_same_again(measure: Measure, case: zoo.Case) -> None:
    assert case.partition is not None
    scm = case.compile()
    first, again = measure(scm, case.partition, seed=3), measure(scm, case.partition, seed=3)
    assert isinstance(first, float)
    assert torch.isfinite(torch.tensor(first))
    assert again == first


def test_names_of_modules_do_not_matter(measure: Measure, case: zoo.Case) -> None:
    assert case.modules is not None
    scm = case.compile()
    left, right = case.modules["left"], case.modules["right"]
    assert measure(scm, Partition({"one": right, "two": left})) == pytest.approx(
        measure(scm, Partition({"a": left, "b": right})), abs=0.05
    )


def test_inert_units_do_not_matter(measure: Measure, case: zoo.Case) -> None:
    assert case.partition is not None
    wider = zoo.with_inert_units(case)
    expected = measure(case.compile(), case.partition)
    assert measure(wider.compile(), case.partition) == pytest.approx(expected, abs=1e-5)


def test_a_partition_that_does_not_fit_is_refused(measure: Measure, case: zoo.Case) -> None:
    with pytest.raises(PartitionError, match="in no module"):
        measure(case.compile(), Partition({"a": ["hidden1[0]"], "b": ["output[0]"]}))


def test_the_global_generator_is_left_alone(measure: Measure, case: zoo.Case) -> None:
    assert case.partition is not None
    before = torch.get_rng_state()
    measure(case.compile(), case.partition)
    assert torch.equal(torch.get_rng_state(), before)
