"""What every measure must do, whichever it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from causalmod import InputError, Partition, PartitionError, zoo
from causalmod.measures import MEASURES, Measure, MutualInformation
from causalmod.measures.effective_information import EffectiveInformation
from causalmod.measures.exchanged import ExchangedBits
from causalmod.measures.own_score import ModularityScore
from causalmod.measures.post_formula import PostFormula

NAMES = MEASURES.names()
WEIGHTS = {"newman_q", "normalised_cut", "total_weight"}
SEARCHING = [name for name in NAMES if hasattr(MEASURES.get(name), "search")]
ESTIMATING = [name for name in NAMES if hasattr(MEASURES.get(name), "estimate")]


@pytest.fixture(scope="module")
def case() -> zoo.Case:
    return zoo.isolated()


@pytest.fixture(params=NAMES)
def measure(request: pytest.FixtureRequest) -> Measure:
    return MEASURES.get(request.param)


def test_there_are_measures() -> None:
    assert set(NAMES) >= {
        "conditional_mutual_information", "correlation_clustering", "effective_information",
        "exchange", "exchange_averaged", "exchange_strength", "interaction_graph",
        "interface_dimension", "local_specialisation", "modularity", "mutual_information",
        "newman_q", "normalised_cut", "post_formula", "subtracted_information", "total_weight",
        "unit_flow",
    }  # fmt: skip


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


@pytest.mark.parametrize(
    "kind", [EffectiveInformation, ExchangedBits, ModularityScore, MutualInformation, PostFormula]
)
@pytest.mark.parametrize("resolution", [0.0, -1.0, float("nan"), float("inf")])
def test_a_resolution_that_cannot_be_is_refused_at_once(
    kind: Callable[..., Measure], resolution: float
) -> None:
    with pytest.raises(InputError, match="resolution"):
        kind(resolution=resolution)


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


def test_inert_units_that_the_partition_names_are_no_error(
    measure: Measure, case: zoo.Case
) -> None:
    # measures of activity leave them out; weights do not tell that they are inert
    assert case.modules is not None
    wider = zoo.with_inert_units(case).compile()
    named = {name: list(members) for name, members in case.modules.items()}
    for number, unit in enumerate(wider.units.inert):
        named["left" if number % 2 else "right"].append(unit)
    found, expected = measure(wider, Partition(named)), measure(wider, Partition(case.modules))
    if measure.name in WEIGHTS:
        assert found != pytest.approx(expected, abs=1e-3)
    else:
        assert found == expected


def test_a_partition_that_does_not_fit_is_refused(measure: Measure, case: zoo.Case) -> None:
    with pytest.raises(PartitionError, match="in no module"):
        measure(case.compile(), Partition({"a": ["hidden1[0]"], "b": ["output[0]"]}))


def test_what_is_no_partition_is_refused(measure: Measure, case: zoo.Case) -> None:
    with pytest.raises(PartitionError, match="expected a partition"):
        measure(case.compile(), {"a": ["hidden1"]})  # type: ignore[arg-type]


def test_the_model_is_left_as_it_was(measure: Measure, case: zoo.Case) -> None:
    assert case.partition is not None
    scm = case.compile()
    before = {name: value.clone() for name, value in scm.parameters.items()}
    recorded = scm.observe()
    measure(scm, case.partition)
    assert all(torch.equal(value, before[name]) for name, value in scm.parameters.items())
    assert all(torch.equal(value, recorded[name]) for name, value in scm.observe().items())


def test_rows_can_be_chosen(measure: Measure, case: zoo.Case) -> None:
    assert case.partition is not None
    scm = case.compile()
    everything = measure(scm, case.partition, rows=torch.arange(scm.rows), seed=1)
    assert everything == pytest.approx(measure(scm, case.partition, seed=1), abs=1e-9)
    assert isinstance(measure(scm, case.partition, rows=torch.arange(16), seed=1), float)


@pytest.mark.parametrize("name", SEARCHING)
def test_a_search_gives_as_many_modules_as_asked_and_the_same_again(
    name: str, case: zoo.Case
) -> None:
    search = MEASURES.get(name).search  # type: ignore[attr-defined]
    scm = case.compile()
    for k in (2, 3):
        found = search(scm, k, seed=2)
        assert isinstance(found, Partition)
        assert len(found) == k
        assert set(found.labels) == set(scm.units.names)
        assert search(scm, k, seed=2) == found
    for impossible in (1, 11):
        with pytest.raises(InputError):
            search(scm, impossible)


@pytest.mark.parametrize("name", ESTIMATING)
def test_an_estimate_agrees_with_the_number(name: str, case: zoo.Case) -> None:
    assert case.partition is not None
    measure = MEASURES.get(name)
    scm = case.compile()
    found = measure.estimate(scm, case.partition, seed=1)  # type: ignore[attr-defined]
    assert found.bits == measure(scm, case.partition, seed=1)
    assert found.provenance is not None
    assert found.seed == 1


def test_the_global_generator_is_left_alone(measure: Measure, case: zoo.Case) -> None:
    assert case.partition is not None
    before = torch.get_rng_state()
    measure(case.compile(), case.partition)
    assert torch.equal(torch.get_rng_state(), before)
