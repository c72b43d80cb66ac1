"""The demo's network: accurate, wired apart exactly, confounded on purpose, and repeatable."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from causalmod import InputError, Partition, exchange, zoo
from causalmod.measures import MutualInformation
from causalmod.zoo import Case
from causalmod.zoo.digits import PIXELS, draw_pairs
from causalmod.zoo.masked_linear import MaskedLinear, masked_layers, wiring

LINEARS = ("linear1", "linear2", "readout")


@pytest.fixture(scope="module")
def apart() -> Case:
    return zoo.two_digits(wired_apart=True)


@pytest.fixture(scope="module")
def dense() -> Case:
    return zoo.two_digits(wired_apart=False)


def modules_of(case: Case) -> dict[str, list[str]]:
    assert case.modules is not None
    return dict(case.modules)


def weights_of(case: Case) -> list[Tensor]:
    state = case.model.state_dict()
    return [state[f"{name}.{part}"] for name in LINEARS for part in ("weight", "bias")]


@pytest.mark.parametrize("name", ["apart", "dense"])
def test_it_reads_the_digits(name: str, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue(name)
    assert set(case.numbers) == {"train_left", "train_right", "test_left", "test_right"}
    assert min(case.numbers["train_left"], case.numbers["train_right"]) > 0.98
    assert min(case.numbers["test_left"], case.numbers["test_right"]) > 0.92
    assert max(case.numbers["test_left"], case.numbers["test_right"]) < 1
    assert f"{case.numbers['test_left']:.3f}" in case.doc


def test_rows_are_pairs_of_images(apart: Case) -> None:
    assert apart.inputs.shape == (1200, 2 * PIXELS)
    assert float(apart.inputs.min()) == 0.0
    assert float(apart.inputs.max()) == 1.0
    assert not apart.model.training


def test_rows_are_not_training_rows() -> None:
    train, shown = draw_pairs(torch.Generator().manual_seed(0))

    def images(pairs: Tensor) -> set[bytes]:
        return {image.numpy().tobytes() for image in pairs.reshape(-1, PIXELS)}

    assert len(images(shown.images)) > 300
    assert not images(train.images) & images(shown.images)


def test_digits_agree_more_often_than_chance() -> None:
    train, shown = draw_pairs(torch.Generator().manual_seed(0))
    for pairs in (train, shown):
        same = float((pairs.labels[:, 0] == pairs.labels[:, 1]).double().mean())
        assert same == pytest.approx(0.5 + 0.5 * 0.1, abs=0.05)


def test_stored_weights_between_the_halves_are_exactly_zero(apart: Case) -> None:
    modules = modules_of(apart)
    before = ["left" if i < PIXELS else "right" for i in range(2 * PIXELS)]
    for layer, site in zip(LINEARS, ("hidden1", "hidden2", "output"), strict=True):
        weight = apart.model.get_submodule(layer).weight
        assert isinstance(weight, Tensor)
        owner = {unit: half for half, units in modules.items() for unit in units}
        after = [owner[f"{site}[{i}]"] for i in range(len(weight))]
        across = torch.tensor([[a != b for b in before] for a in after])
        assert int(across.sum()) == across.numel() // 2
        assert not weight[across].any()
        assert float((weight[~across] != 0).float().mean()) > 0.9
        before = after


def test_hidden_neurons_are_shuffled_and_outputs_are_not(apart: Case) -> None:
    left = modules_of(apart)["left"]
    hidden = [int(unit[8:-1]) for unit in left if unit.startswith("hidden1")]
    assert hidden != list(range(24))
    assert hidden != list(range(0, 48, 2))
    assert [unit for unit in left if unit.startswith("output")] == [
        f"output[{i}]" for i in range(10)
    ]


def test_nothing_is_exchanged_where_nothing_is_wired(apart: Case, dense: Case) -> None:
    assert all(row.ok for row in apart.check())
    assert dense.modules is None
    split = Partition(modules_of(apart))  # the same shape, so the names fit
    scm = dense.compile()
    # at resolution 1 the dense halves send more than a thousand draws can tell apart
    assert exchange(scm, split, contexts=32, resolution=2.0).bits > 1.0


def test_the_halves_share_information_all_the_same(apart: Case) -> None:
    scm, split = apart.compile(), Partition(modules_of(apart))
    shared = MutualInformation().estimate(scm, split)
    assert shared.low is not None
    assert shared.low > 0.2


def test_the_same_seed_gives_the_same_weights() -> None:
    first, again, other = (zoo.two_digits(seed=seed, hidden=8, steps=5) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(weights_of(first), weights_of(again), strict=True))
    assert torch.equal(first.inputs, again.inputs)
    assert not torch.equal(first.inputs, other.inputs)
    assert not torch.equal(weights_of(first)[0], weights_of(other)[0])


def test_it_trains_where_gradients_are_switched_off() -> None:
    with torch.no_grad():
        case = zoo.two_digits(hidden=8, steps=5)
    reference = zoo.two_digits(hidden=8, steps=5)
    assert all(
        torch.equal(a, b) for a, b in zip(weights_of(case), weights_of(reference), strict=True)
    )


@pytest.mark.parametrize(
    ("hidden", "steps", "says"), [(7, 250, "even"), (0, 250, "even"), (48, 0, "steps")]
)
def test_impossible_options_are_refused(hidden: int, steps: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        zoo.two_digits(hidden=hidden, steps=steps)


def test_a_masked_layer_ignores_what_is_outside_of_its_mask() -> None:
    mask = torch.tensor([[True, False], [True, True]])
    layer = MaskedLinear(torch.ones(2, 2), torch.zeros(2), mask)
    assert layer.weight.tolist() == [[1.0, 0.0], [1.0, 1.0]]
    with torch.no_grad():
        layer.weight.fill_(5.0)
    assert layer(torch.tensor([[1.0, 10.0]])).tolist() == [[5.0, 55.0]]
    layer(torch.ones(1, 2)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad[0, 1] == 0
    layer.prune()
    assert layer.weight.tolist() == [[5.0, 0.0], [5.0, 5.0]]


def test_first_weights_depend_on_the_connections_there_are() -> None:
    owners = [torch.arange(128) % 2, torch.arange(64) % 2]
    (masked,) = masked_layers(wiring(owners, apart=True), torch.Generator().manual_seed(0))
    (full,) = masked_layers(wiring(owners, apart=False), torch.Generator().manual_seed(0))
    assert masked.weight.abs().max().item() == pytest.approx((6 / 64) ** 0.5, rel=0.01)
    assert full.weight.abs().max().item() == pytest.approx((6 / 128) ** 0.5, rel=0.01)
