"""Planted families: the blocks are there, nothing else is, and added units change nothing."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from itertools import product

import pytest
import torch
from torch import nn

import causalmod as cm
from causalmod import InputError, zoo
from causalmod.zoo import Case
from causalmod.zoo.nested_blocks import level
from causalmod.zoo.retina_task import objects

SILENT: dict[str, Callable[[], Case]] = {
    "tanh": zoo.planted,
    "gelu, three blocks": lambda: zoo.planted(3, 24, activation="gelu"),
    "relu, 10:1, everything added": lambda: zoo.planted(
        sizes=(20, 2), activation="relu", rescaled=True, dead=2, unread=2, duplicated=1
    ),
    "tanh, everything added": lambda: zoo.planted(
        2, 20, dead=2, saturated=2, unread=2, duplicated=3
    ),
    "twins": zoo.planted_twins,
    "streams": zoo.planted_streams,
    "convolution": zoo.planted_convolution,
    "three groups of channels": lambda: zoo.planted_convolution(3, 2, activation="tanh"),
    "heads": lambda: zoo.planted_heads(depth=1),
    "nested": zoo.planted_nested,
    "retina": lambda: zoo.retina(steps=50),
}


@pytest.mark.filterwarnings("ignore:the chosen variables carry")  # the blocks' norms are none
@pytest.mark.parametrize("make", SILENT.values(), ids=SILENT)
def test_planted_blocks_exchange_exactly_nothing(make: Callable[[], Case]) -> None:
    case = make()
    scm = case.compile()
    assert [row.got for row in case.check(scm)] == [0.0]
    assert case.modules is not None
    members = [unit for module in case.modules.values() for unit in module]
    assert sorted(members) == sorted(scm.units.names), "the modules hold all live units"


@pytest.mark.parametrize("make", SILENT.values(), ids=SILENT)
def test_nothing_reaches_another_block(make: Callable[[], Case]) -> None:
    """The same by derivatives: none of a module's units moves with an input of another's."""
    case = make()
    inputs = case.inputs[:3].double().requires_grad_()
    modules = case.modules if case.name != "planted_nested" else level(case.modules or {}, 1)
    assert modules is not None
    outputs = deepcopy(case.model).double()(inputs)
    of = {
        unit: name for name, units in modules.items() for unit in units if unit.startswith("output")
    }
    reads: dict[str, set[int]] = {name: set() for name in modules}
    for unit, name in of.items():
        index = int(unit[7:-1])
        moved = torch.autograd.grad(outputs[:, index].sum(), inputs, retain_graph=True)[0]
        axis = -1 if case.name == "planted_heads" else 1
        size = moved.abs().movedim(axis, 0).flatten(1).amax(1)
        reads[name] |= set((size > 1e-9 * size.max()).nonzero().flatten().tolist())
    assert all(reads.values())
    assert sum(map(len, reads.values())) == len(set.union(*reads.values()))


@pytest.mark.filterwarnings("ignore:the chosen variables carry")  # the blocks' norms are none
@pytest.mark.parametrize(
    "make",
    [
        lambda leak: zoo.planted(2, 8, leak=leak),
        lambda leak: zoo.planted_streams(leak=leak),
        lambda leak: zoo.planted_convolution(leak=leak),
        lambda leak: zoo.planted_heads(depth=1, leak=leak),
        lambda leak: zoo.planted_twins(leak=leak),
    ],
)
def test_blocks_that_leak_exchange_more_the_more_they_do(make: Callable[[float], Case]) -> None:
    bits = [
        cm.exchange(case.compile(), case.partition, estimator="gaussian").bits  # type: ignore[arg-type]
        for case in (make(0.1), make(0.6))
    ]
    assert 0 < bits[0] < bits[1]


@pytest.mark.parametrize(
    ("activation", "added"),
    [("relu", {"dead": 2, "unread": 3}), ("gelu", {"dead": 2}), ("tanh", {"saturated": 2}),
     ("tanh", {"dead": 1, "saturated": 1, "unread": 2}), ("tanh", {"duplicated": 2}),
     ("relu", {"rescaled": True})],
)  # fmt: skip
def test_added_units_leave_what_the_network_computes(
    activation: str, added: dict[str, int]
) -> None:
    """The readouts are the same up to their order and the shuffle's draws, which come after."""
    plain = zoo.planted(2, 8, activation=activation, shuffled=False)
    more = zoo.planted(2, 8, activation=activation, shuffled=False, **added)  # type: ignore[arg-type]
    with torch.no_grad():
        before, after = plain.model(plain.inputs), more.model(plain.inputs)
    torch.testing.assert_close(after, before, rtol=1e-3, atol=2e-4)
    found = [set(case.compile().units.inert) for case in (plain, more)]
    count = sum(value for name, value in added.items() if name in {"dead", "saturated", "unread"})
    assert len(found[1]) == len(found[0]) + 2 * count


def test_neurons_are_shuffled() -> None:
    case, plain = zoo.planted(2, 20), zoo.planted(2, 20, shuffled=False)
    assert case.modules is not None
    assert plain.modules is not None
    assert plain.modules["A"][:5] == [f"hidden1[{unit}]" for unit in range(5)]
    assert case.modules["A"] != plain.modules["A"]


def test_weights_between_blocks_are_scaled_by_the_leak() -> None:
    full, some = (zoo.planted(2, 12, leak=leak, shuffled=False) for leak in (1.0, 0.25))
    for name in ("linear2", "readout"):
        first, second = (case.model.get_submodule(name).weight for case in (full, some))
        assert isinstance(first, torch.Tensor)
        assert isinstance(second, torch.Tensor)
        ratio = second / first
        half = (ratio.shape[0] // 2, ratio.shape[1] // 2)
        assert torch.allclose(ratio[: half[0], : half[1]], torch.tensor(1.0))
        assert torch.allclose(ratio[: half[0], half[1] :], torch.tensor(0.25))


def test_twins_cancel_though_the_largest_weights_run_between_blocks() -> None:
    case = zoo.planted_twins(seed=3)
    assert case.modules is not None
    linear = case.model.get_submodule("linear2")
    assert isinstance(linear, nn.Linear)
    weight = linear.weight
    owner = {unit: name for name, units in case.modules.items() for unit in units}
    receivers = [owner.get(f"hidden2[{unit}]") for unit in range(weight.shape[0])]
    senders = [owner.get(f"hidden1[{unit}]") for unit in range(weight.shape[1])]
    crossing = torch.tensor(
        [[None not in (r, s) and r != s for s in senders] for r in receivers]
    )  # fmt: skip
    assert weight[crossing].abs().max() > weight[~crossing].abs().max()
    assert bool((torch.where(crossing, weight, 0.0).sum(1) == 0).all())
    one = next(u for u, name in owner.items() if name == "A" and u.startswith("hidden1")
               and bool(weight[:, int(u[8:-1])].abs().max() >= 4))  # fmt: skip
    scm = case.compile()
    other = [unit for unit in case.modules["B"] if unit.startswith("hidden2")]
    assert cm.information(scm, one, other, "conditional").bits > 0.1, "one twin alone is heard"


def test_nested_leaks_grow_inwards() -> None:
    case = zoo.planted_nested((2, 2, 2), 6)
    assert case.modules is not None
    assert list(case.modules)[:3] == ["A.a.a", "A.a.b", "A.b.a"]
    scm = case.compile().with_partition(case.modules)
    near, middle, far = (
        cm.information(scm, "A.a.a", target, "conditional", estimator="gaussian").bits
        for target in ("A.a.b", "A.b.a", "B.a.a")
    )
    assert near > middle > far == 0
    assert all(len(units) >= 8 for units in case.modules.values())


def test_objects_of_the_retina() -> None:
    """The table of Kashtan and Alon, written down a second time: counted by hand, 8 of 16."""
    patterns = torch.tensor(list(product([0.0, 1.0], repeat=4)))
    blank = torch.zeros(16, 4)
    seen = objects(torch.cat([patterns, blank], 1))[:, 0]
    left = {tuple(pattern) for pattern in patterns[seen].int().tolist()}
    assert left == {
        (1, 0, 0, 0), (0, 0, 1, 0), (1, 0, 1, 0),
        (1, 1, 1, 0), (1, 1, 0, 1), (1, 0, 1, 1), (0, 1, 1, 1), (1, 1, 1, 1),
    }  # fmt: skip
    mirrored = patterns[:, [1, 0, 3, 2]]
    right = objects(torch.cat([blank, mirrored], 1))[:, 1].tolist()
    assert right == objects(torch.cat([patterns, blank], 1))[:, 0].tolist()


def test_the_retina_is_learnt() -> None:
    assert zoo.retina(seed=1).numbers["accuracy"] == 1.0
    assert zoo.retina("and", steps=300).numbers["accuracy"] > 0.95


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: zoo.planted(0), "blocks"),
        (lambda: zoo.planted(2, 21), "multiple of blocks"),
        (lambda: zoo.planted(2, sizes=(3,)), "sizes must be 2"),
        (lambda: zoo.planted(activation="tahn"), "did you mean 'tanh'"),
        (lambda: zoo.planted(rescaled=True), "relu"),
        (lambda: zoo.planted(activation="relu", saturated=1), "tanh"),
        (lambda: zoo.planted(leak=-0.1), "leak"),
        (lambda: zoo.planted_twins(pairs=9), "pairs"),
        (lambda: zoo.planted_nested((2,)), "two levels"),
        (lambda: zoo.planted_nested(leaks=(0.2, 0.1)), "leaks"),
        (lambda: zoo.planted_nested(units=0), "units"),
        (lambda: zoo.planted_streams(1), "two blocks"),
        (lambda: zoo.planted_convolution(1), "two blocks"),
        (lambda: zoo.planted_heads(1), "two heads"),
        (lambda: zoo.retina("xor"), "unknown goal"),
        (lambda: zoo.retina(("heads", "and")), "readouts"),
        (lambda: zoo.retina("and", wired_apart=True), "wired apart"),
        (lambda: zoo.retina(hidden=3), "even"),
    ],
)
def test_impossible_options_are_refused(make: Callable[[], Case], says: str) -> None:
    with pytest.raises(InputError, match=says):
        make()
