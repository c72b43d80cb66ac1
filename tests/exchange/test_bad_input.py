"""What cannot be measured is refused, with what was given and what to change."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import causalmod as cm
from causalmod import CausalmodWarning, EstimatorError, InputError, PartitionError, SelectorError
from causalmod.exchange.choice import check_rows, choose, parse_memory
from tests.exchange.networks import halves, perceptron


@pytest.fixture(scope="module")
def model() -> cm.StructuralCausalModel:
    network, data = perceptron((3, 4, 2), rows=40)
    with torch.no_grad():
        hidden = network.get_submodule("linear1")
        assert isinstance(hidden, nn.Linear)
        hidden.weight[3] = 0.0  # the last hidden unit is constant: inert
    return cm.compile(network, data)


@pytest.fixture(scope="module")
def split(model: cm.StructuralCausalModel) -> cm.Partition:
    return halves(model)


def test_the_inert_unit_is_inert(model: cm.StructuralCausalModel) -> None:
    assert model.units.inert == {"hidden1[3]": "constant on the data"}


@pytest.mark.parametrize(
    ("source", "target", "error", "message"),
    [
        ([], "output", InputError, "source is empty"),
        ("hidden1", [], InputError, "target is empty"),
        ("hidden1[0:2]", ["output", "hidden1[1]"], InputError, r"disjoint; both hold hidden1\[1\]"),
        ("hiden1", "output", SelectorError, "did you mean 'hidden1'"),
        ("hidden1[9]", "output", SelectorError, "has 4 variables"),
        (3, "output", InputError, "source is a selector .* given 3"),
        ([3], "output", SelectorError, "a selector is text"),
    ],
)
def test_groups(
    model: cm.StructuralCausalModel, source: Any, target: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        cm.information(model, source, target)


NUMBERS = [
    ({"resolution": 0.0}, "resolution .* above 0; given 0.0"),
    ({"resolution": -1}, "resolution .* given -1"),
    ({"resolution": float("nan")}, "resolution .* given nan"),
    ({"resolution": float("inf")}, "resolution .* given inf"),
    ({"resolution": "fine"}, "resolution .* given 'fine'"),
    ({"resolution": True}, "resolution .* given True"),
    ({"contexts": 1}, "contexts must be a whole number of at least 2; given 1"),
    ({"contexts": 2.5}, "contexts .* given 2.5"),
    ({"draws": 1}, "draws must be a whole number of at least 2; given 1"),
    ({"draws": True}, "draws .* given True"),
    ({"memory": "lots"}, "memory .* given 'lots'"),
    ({"memory": 0}, "memory .* given 0"),
    ({"memory": None}, "memory .* given None"),
    ({"estimator": "pairwize"}, "unknown estimator 'pairwize': did you mean 'pairwise'"),
]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *NUMBERS,
        ({"bins": 1}, "bins must be a whole number of at least 2; given 1"),
        ({"bins": 1.5}, "bins .* given 1.5"),
        ({"kind": "conditionl"}, "unknown kind 'conditionl': did you mean 'conditional'"),
        ({"kind": None}, "unknown kind None: known names are"),
        ({"reference": "dos"}, "unknown reference 'dos': did you mean 'do'"),
        ({"reference": "observational", "kind": "conditional"}, "is a choice of kind='interventi"),
        ({"law": "observd"}, "unknown law 'observd': did you mean 'observed'"),
        (
            {"law": "maxent", "kind": "observational"},
            "sets nothing, so law='maxent' does not apply",
        ),
        ({"law": "observed", "kind": "strength"}, "kind='strength' is defined with law='product'"),
        ({"law": "product", "kind": "effective"}, "kind='effective' is defined with law='maxent'"),
        ({"effect": "indirect"}, "unknown effect 'indirect': did you mean 'direct'"),
        ({"given_do": "output"}, "target and given_do must be disjoint; both hold output"),
        ({"given_do": "hidden1[1]", "kind": "observational"}, "takes no given_do"),
        ({"noise": "input[0]"}, "noise names inputs that kind='strength' averages over"),
        (
            {"noise": "hidden1[1]", "kind": "strength"},
            r"noise enters a network as an input, and hidden1\[1\] is none \(inputs are input\)",
        ),
    ],
)
def test_arguments_of_information(
    model: cm.StructuralCausalModel, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        cm.information(model, "hidden1[0]", "output[0]", **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *NUMBERS,
        ({"rows": [0, 1]}, "rows is a vector of row numbers, a torch.int64 tensor; given list"),
        ({"rows": torch.rand(4)}, "rows is a vector"),
        ({"rows": torch.zeros(2, 2, dtype=torch.long)}, r"rows is a vector .* \(2, 2\)"),
        ({"rows": torch.tensor([3])}, "at least two numbers from 0 to 39; given 1, from 3 to 3"),
        ({"rows": torch.tensor([0, 40])}, "from 0 to 39; given 2, from 0 to 40"),
        ({"rows": torch.tensor([-1, 4])}, "given 2, from -1 to 4"),
        ({"rows": torch.tensor([], dtype=torch.long)}, "given 0"),
    ],
)
def test_arguments_of_exchange(
    model: cm.StructuralCausalModel,
    split: cm.Partition,
    arguments: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(InputError, match=message):
        cm.exchange(model, split, **arguments)


def test_more_bins_than_rows(model: cm.StructuralCausalModel) -> None:
    with pytest.raises(EstimatorError, match="41 bins need at least 41 rows of data; given 40"):
        cm.information(model, "hidden1[0]", "output[0]", estimator="binned", bins=41)
    read = cm.information(model, "hidden1[0]", "output[0]", estimator="binned", bins=5)
    assert read.bins == 5


def test_an_estimator_for_single_units(
    model: cm.StructuralCausalModel, split: cm.Partition
) -> None:
    with pytest.raises(
        EstimatorError, match="the source has 2 coordinates: use estimator='pairwise'"
    ):
        cm.information(model, "hidden1[0:2]", "output[0]", estimator="binned")
    with pytest.raises(EstimatorError, match=r"'binned' is for single units; .* use 'pairwise'"):
        cm.exchange(model, split, estimator="binned")
    with pytest.raises(EstimatorError, match="'ksg' compares pairs of values"):
        cm.exchange(model, split, estimator="ksg")


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        (
            {"a": ["hidden1[0:3]"], "b": ["output[0]"]},
            r"1 live units are in no module: output\[1\]",
        ),
        ({"a": ["hidden1[0]"], "b": ["output"]}, r"2 live units .* hidden1\[1\], hidden1\[2\]"),
        (
            {"a": ["hidden1", "output"], "b": ["linear2"]},
            r"output\[0\] stands in modules 'a' and 'b'; modules must not overlap",
        ),
        (
            {"a": ["hidden1[0:2]", "linear1[2]"], "b": ["output", "hidden1[2]"]},
            r"linear1\[2\] and hidden1\[2\] are tied .* 'a' and 'b'; put both in one",
        ),
        ({"a": ["hidden1", "input[0]"], "b": ["output"]}, r"input\[0\] is an input"),
        ({"a": ["hidden1[0:3]", "output"], "b": ["hidden1[3]"]}, "module 'b' has only inert units"),
    ],
)
def test_partitions(
    model: cm.StructuralCausalModel, modules: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(PartitionError, match=message):
        cm.exchange(model, cm.Partition(modules))


def test_a_partition_with_an_unknown_name(model: cm.StructuralCausalModel) -> None:
    with pytest.raises(SelectorError, match="did you mean 'hidden1'"):
        cm.exchange(model, cm.Partition({"a": ["hidden2"], "b": ["output"]}))


@pytest.mark.parametrize("given", [{"a": ["hidden1"], "b": ["output"]}, None, "hidden1"])
def test_what_is_no_partition(model: cm.StructuralCausalModel, given: Any) -> None:
    with pytest.raises(PartitionError, match=f"given {type(given).__name__}"):
        cm.exchange(model, given)


def test_tied_names_and_inert_units_are_fine(model: cm.StructuralCausalModel) -> None:
    plain = cm.exchange(model, cm.Partition({"a": ["hidden1[0:3]"], "b": ["output"]}))
    named = cm.exchange(model, cm.Partition({"a": ["linear1", "hidden1[0]"], "b": ["output"]}))
    assert named.partition == plain.partition
    assert named.bits == plain.bits


def test_exact_beyond_the_memory(model: cm.StructuralCausalModel, split: cm.Partition) -> None:
    with pytest.raises(EstimatorError, match=r"40 contexts × 40 donor combinations.*more memory"):
        cm.exchange(model, split, estimator="exact", memory="10KB")
    with pytest.raises(EstimatorError, match=r"needs 40 × 40 replays, .* more memory"):
        cm.information(
            model, "hidden1[0]", "output[0]", "conditional", estimator="exact", memory=1000
        )


def test_auto_counts_only_what_fits_the_memory(
    model: cm.StructuralCausalModel, split: cm.Partition
) -> None:
    assert cm.exchange(model, split).estimate.estimator == "exact"
    scarce = cm.exchange(model, split, memory="10KB")
    assert scarce.estimate.estimator == "pairwise"
    assert "not fit the memory" in scarce.estimate.note
    single = cm.information(model, "hidden1[0]", "output[0]", "conditional", memory=1000)
    assert single.estimator == "pairwise"


def test_exact_on_values_that_never_repeat() -> None:
    network, data = perceptron((3, 4, 2), rows=65)
    model = cm.compile(network, data)
    with pytest.warns(CausalmodWarning, match="fractional value of its own on each of the 65 rows"):
        cm.information(model, "hidden1[0]", "output[0]", estimator="exact")
    with pytest.warns(CausalmodWarning, match="counts values"):
        cm.exchange(model, halves(model), estimator="exact")


def test_exact_with_too_many_values() -> None:
    network, data = perceptron((3, 4, 2), rows=300)
    model = cm.compile(network, data)
    with (
        pytest.warns(CausalmodWarning, match="counts values"),
        pytest.raises(EstimatorError, match="takes 300 on the data"),
    ):
        cm.exchange(model, halves(model), estimator="exact")


def test_responses_that_overflow() -> None:
    class Overflow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Identity(), nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.exp(self.a(60 * x) + self.b(-60 * x))

    model = cm.compile(Overflow().eval(), torch.tensor([[-1.0], [1.0]]), sites=["a", "b", "output"])
    with pytest.raises(EstimatorError, match=r"values of the target \(output\[0\], ...\) are NaN"):
        cm.information(model, "a", "output", "conditional")


def test_text_and_numbers_are_memory() -> None:
    assert parse_memory("1.5 kb") == 1500
    assert parse_memory("123") == 123
    assert parse_memory(2e9) == 2 * 10**9  # pyright: ignore[reportArgumentType]


def test_rows_are_all_by_default() -> None:
    assert check_rows(None, 3).tolist() == [0, 1, 2]
    assert check_rows(torch.tensor([2, 1], dtype=torch.int32), 3).tolist() == [2, 1]


def test_what_auto_takes() -> None:
    few, many = torch.randint(3, (100, 1)).float(), torch.rand(100, 1)
    assert choose("auto", [few, few], 10, 10**6, single=True).name == "exact"
    assert choose("auto", [few, few], 10**6, 10**6, single=True).name == "pairwise"
    assert choose("auto", [few, many], 10, 10**6, single=True).name == "binned"
    assert choose("auto", [few, many], 10, 10**6, single=True, bins=101).name == "pairwise"
    assert choose("auto", [few, many], 10, 10**6, single=False).name == "pairwise"
    assert choose("gaussian", [few], 10, 10**6, single=True).reason == "as asked"
