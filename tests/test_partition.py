"""Partitions are plain, canonical, immutable data; whatever is malformed is refused."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalmod import Partition, Variable
from causalmod.errors import PartitionError, SelectorError
from tests.strategies import MANY

LABELS = st.dictionaries(
    st.builds(lambda s, i: f"{s}[{i}]", st.sampled_from(["a", "b.c", "d@2"]), st.integers(0, 20)),
    st.integers(0, 3),
    min_size=2,
).filter(lambda labels: len(set(labels.values())) > 1)


@MANY
@given(LABELS)
def test_labels_make_a_partition_and_come_back(labels: dict[str, int]) -> None:
    made = Partition.from_labels(labels)
    assert dict(made.labels) == {variable: str(label) for variable, label in labels.items()}
    assert sum(map(len, made.modules.values())) == len(labels)
    assert Partition(made.to_dict()) == made
    assert json.loads(json.dumps(made.to_dict())) == made.to_dict()


@MANY
@given(LABELS, st.randoms())
def test_the_order_in_which_members_are_given_does_not_matter(labels: Any, random: Any) -> None:
    made = Partition.from_labels(labels)
    shuffled = list(labels.items())
    random.shuffle(shuffled)
    again = Partition.from_labels(dict(shuffled))
    assert again == made
    assert hash(again) == hash(made)


@MANY
@given(LABELS)
def test_copies_are_equal(labels: dict[str, int]) -> None:
    made = Partition.from_labels(labels)
    assert copy.deepcopy(made) == made
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert list(again) == list(made), "modules keep their order"


def test_members_are_sorted_by_site_and_number() -> None:
    made = Partition({"left": ["fc1[10]", "fc1[2]", "act[3]"], "right": "fc1[0:2]"})
    assert made.modules["left"] == ("act[3]", "fc1[2]", "fc1[10]")
    assert made.modules["right"] == ("fc1[0]", "fc1[1]")
    assert list(made) == ["left", "right"]
    assert len(made) == 2
    assert repr(made) == "Partition(left: 3, right: 2)"


def test_members_may_be_given_in_several_ways() -> None:
    made = Partition(
        {
            "a": (each for each in ["fc1[0:6:2]"]),
            "b": Variable("fc1", 1),
            "c": {"out"},
            "d": ["x[1,3]"],
        }
    )
    assert made.to_dict() == {
        "a": ["fc1[0]", "fc1[2]", "fc1[4]"], "b": ["fc1[1]"], "c": ["out"], "d": ["x[1]", "x[3]"]
    }  # fmt: skip


def test_equality_is_of_modules_and_names() -> None:
    one = Partition({"a": ["x[0]"], "b": ["x[1]"]})
    assert one == Partition({"b": ["x[1]"], "a": ["x[0]"]})
    renamed = Partition({"p": ["x[0]"], "q": ["x[1]"]})
    assert one != renamed
    assert one.blocks == renamed.blocks
    assert one != {"a": ["x[0]"], "b": ["x[1]"]}


def test_partitions_cannot_be_changed() -> None:
    made = Partition({"a": ["x[0]"], "b": ["x[1]"]})
    with pytest.raises(TypeError):
        made.modules["c"] = ("x[2]",)  # type: ignore[index]
    with pytest.raises(TypeError):
        made.labels["x[2]"] = "a"  # type: ignore[index]
    with pytest.raises(AttributeError):
        made.modules = {}  # type: ignore[misc]


@pytest.mark.parametrize(
    ("modules", "parts"),
    [
        ({}, ["at least two modules", "given 0"]),
        ({"all": ["x[0]"]}, ["at least two modules", "given 1: ['all']"]),
        ({"a": ["x[0]"], "b": []}, ["module 'b' is empty", "at least one variable"]),
        ({"a": ["x[0]"], "b": ["x[0]"]}, ["'x[0]' is given twice", "'a'", "'b'", "overlap"]),
        ({"a": ["x[0:3]"], "b": ["x[2:4]"]}, ["'x[2]' is given twice"]),
        ({"a": ["x[0]", "x[0]"], "b": ["x[1]"]}, ["'x[0]' is given twice", "repeat"]),
        ({"a": ["x"], "b": ["x[1]"]}, ["'x[1]' (it overlaps 'x')", "module 'a'", "module 'b'"]),
        ({"a": ["x[1]"], "b": ["x"]}, ["'x' (it overlaps 'x[1]')"]),
        ({"a": ["x[0:]"], "b": ["y[0]"]}, ["has no end", "'x[0:4]'"]),
        ({"a": ["x[3:2]"], "b": ["y[0]"]}, ["'x[3:2]' selects nothing"]),
        ({"": ["x[0]"], "b": ["y[0]"]}, ["module names are non-empty text", "''"]),
        ({1: ["x[0]"], "b": ["y[0]"]}, ["module names are non-empty text", "1"]),
        ({"a": 3, "b": ["y[0]"]}, ["module 'a'", "list of selectors", "int"]),
        ([["x[0]"], ["x[1]"]], ["mapping from module name to members", "list"]),
    ],
)
def test_malformed_partitions(modules: Any, parts: list[str]) -> None:
    with pytest.raises(PartitionError) as error:
        Partition(modules)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize("member", ["x[a]", "", 3])
def test_members_that_cannot_be_read(member: Any) -> None:
    with pytest.raises(SelectorError):
        Partition({"a": [member], "b": ["y[0]"]})


def test_one_label_is_no_partition() -> None:
    with pytest.raises(PartitionError, match="at least two modules"):
        Partition.from_labels({"x[0]": 0, "x[1]": 0})
