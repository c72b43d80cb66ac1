"""Names of modules as selectors."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import causalmod as cm
from causalmod.errors import InputError, PartitionError, SelectorError


def model() -> cm.StructuralCausalModel:
    torch_model = nn.Sequential()
    generator = torch.Generator().manual_seed(0)
    for name, layer in (("fc1", nn.Linear(3, 4)), ("act", nn.ReLU()), ("fc2", nn.Linear(4, 2))):
        torch_model.add_module(name, layer)
        for parameter in layer.parameters():
            nn.init.normal_(parameter, generator=generator)
    return cm.compile(torch_model.eval(), torch.randn(10, 3, generator=generator))


SCM = model()
NESTED = {"left": {"a": ["act[0]"], "b": {"c": "act[1]", "d": "output[0]"}}, "right": "act[2:4]"}


def names(scm: cm.StructuralCausalModel, selector: str) -> list[str]:
    return [str(variable) for variable in scm.resolve(selector)]


@pytest.mark.parametrize(
    ("selector", "members"),
    [
        ("left", ["act[0]", "act[1]", "output[0]"]),
        ("left.a", ["act[0]"]),
        ("left.b", ["act[1]", "output[0]"]),
        ("left.b.c", ["act[1]"]),
        ("right", ["act[2]", "act[3]"]),
        ("fc1[0]", ["fc1[0]"]),
    ],
)
def test_modules_resolve_at_any_depth(selector: str, members: list[str]) -> None:
    assert names(SCM.with_partition(NESTED), selector) == members


def test_dots_in_a_partition_are_depth() -> None:
    flat = cm.Partition({"left.a": "act[0]", "left.b": "act[1]", "right": "act[2:4]"})
    scm = SCM.with_partition(flat)
    assert names(scm, "left") == ["act[0]", "act[1]"]
    assert set(scm.modules) == {"left", "left.a", "left.b", "right"}
    inside = SCM.with_partition({"top": flat, "rest": "output"})
    assert names(inside, "top.left.b") == ["act[1]"]


def test_the_model_itself_does_not_change() -> None:
    named = SCM.with_partition(NESTED)
    assert SCM.modules == {}
    with pytest.raises(SelectorError, match="unknown site 'left'"):
        SCM.resolve("left")
    assert named.with_partition({"other": "act"}).modules.keys() == {"other"}
    assert torch.equal(named.observe()["output"], SCM.observe()["output"])


def test_names_stay_with_models_made_from_it() -> None:
    named = SCM.with_partition(NESTED)
    for made in (
        named.do({"fc1[0]": 0.0}),
        named.with_rows(torch.arange(4)),
        named.with_parameters({}),
    ):
        assert names(made, "left.a") == ["act[0]"]


def test_do_sets_a_module_that_spans_sites() -> None:
    named = SCM.with_partition(NESTED)
    expected = SCM.do({"act[0:2]": 0.5, "output[0]": 0.5}).observe()
    found = named.do({"left": 0.5}).observe()
    assert all(torch.equal(found[site], expected[site]) for site in expected)
    values = torch.randn(10, 3, generator=torch.Generator().manual_seed(1))
    each = named.do({"left": values}).observe()
    assert torch.equal(each["act"][:, :2], values[:, :2])
    assert torch.equal(each["output"][:, 0], values[:, 2])
    listed = named.do({"left": torch.tensor([1.0, 2.0, 3.0])}).observe()
    assert listed["act"][0, :2].tolist() == [1.0, 2.0]
    assert listed["output"][0, 0].item() == 3.0
    with pytest.raises(InputError, match="one per variable in the last dimension; given"):
        named.do({"left": torch.zeros(10, 2)})


def test_resampling_a_module_that_spans_sites_keeps_its_joint_distribution() -> None:
    found = SCM.with_partition(NESTED).do({"left": cm.resample(3)}).observe()
    donor = torch.randperm(10, generator=torch.Generator().manual_seed(3))
    observed = SCM.observe()
    assert torch.equal(found["act"][:, 0], observed["act"][donor, 0])
    assert torch.equal(found["output"][:, 0], observed["output"][donor, 0])


def test_information_takes_names_of_modules() -> None:
    named = SCM.with_partition(NESTED)
    one = cm.information(named, "left.a", "output[1]", "conditional")
    assert one.bits == cm.information(SCM, "act[0]", "output[1]", "conditional").bits


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("left", "expected a partition"),
        ({}, "expected a partition"),
        ({"act": "fc1[0]"}, "named like a site"),
        ({"a": "act[0]", "b": ["act[0:2]"]}, r"act\[0\] stands in modules 'a' and 'b'"),
        ({"a": []}, "module 'a' is empty"),
        ({"": "act"}, "non-empty"),
        ({"a..b": "act"}, "non-empty"),
        ({"a": {"b": "act[0]"}, "a.b": "act[1]"}, "given twice"),
    ],
)
def test_a_partition_that_is_none_says_why(given: object, says: str) -> None:
    with pytest.raises(PartitionError, match=says):
        SCM.with_partition(given)  # pyright: ignore[reportArgumentType]


def test_an_unknown_member_or_module_suggests_the_nearest() -> None:
    with pytest.raises(SelectorError, match="did you mean 'act'"):
        SCM.with_partition({"a": "axt[0]"})
    with pytest.raises(SelectorError, match="did you mean 'right'"):
        SCM.with_partition(NESTED).resolve("rihgt")


def test_edges_between_modules_are_the_edges_between_their_sites() -> None:
    parts = {"send": ["act[0]", "fc1[3]"], "read": ["act[3]", "output"], "rest": ["act[1]"]}
    named = SCM.with_partition(parts)
    found = named.do({("send", "read"): 2.0}).observe()
    expected = SCM.do({("act[0]", "output"): 2.0, ("fc1[3]", "act[3]"): 2.0}).observe()
    assert all(torch.equal(found[site], expected[site]) for site in expected)
    assert torch.equal(found["act"][:, 0], SCM.observe()["act"][:, 0])
    with pytest.raises(SelectorError, match="rest"):
        named.do({("read", "rest"): 1.0})
