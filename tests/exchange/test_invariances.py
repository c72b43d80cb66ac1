"""Changes of a network that change nothing it computes must change no figure."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import causalmod as cm
from causalmod import Partition, exchange, information, zoo
from causalmod.information import ESTIMATORS
from tests.exchange.networks import perceptron

pytestmark = pytest.mark.filterwarnings("ignore::causalmod.errors.CausalmodWarning")

SAMPLED = [name for name, kind in ESTIMATORS if not kind.exact]
KINDS = ("observational", "interventional", "conditional")


def kinds_of(name: str) -> tuple[str, ...]:
    """What an estimator can answer."""
    return KINDS if ESTIMATORS.get(name).contextual else KINDS[:2]


FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WIDTHS = (4, 6, 5, 3)
BASE, DATA = perceptron(WIDTHS, rows=60, activation=nn.ReLU)


@cache
def model() -> cm.StructuralCausalModel:
    return cm.compile(BASE.double(), DATA.double())


def changed(**parameters: Tensor) -> cm.StructuralCausalModel:
    """The same network with other parameters, named with ``_`` for ``.``."""
    nodes = {
        name.replace(".", "_"): node for node, name in model().program.trace.parameters.items()
    }
    return model().with_parameters({nodes[name]: value for name, value in parameters.items()})


def parameters() -> dict[str, Tensor]:
    return {name.replace(".", "_"): value.clone() for name, value in BASE.named_parameters()}


def figures(
    scm: cm.StructuralCausalModel, source: list[str], target: list[str], split: Partition
) -> dict[str, float]:
    """Every kind by every estimator, with few draws: equal draws give equal figures."""
    found: dict[str, float] = {}
    for name in SAMPLED:
        groups = ESTIMATORS.get(name).groups
        some: dict[str, Any] = {"estimator": name, "resolution": 2.0, "contexts": 12, "draws": 16}
        for kind in kinds_of(name):
            pair = (source, target) if groups else (source[0], target[0])
            found[f"{kind} {name}"] = information(scm, *pair, kind, **some).bits
        if groups and ESTIMATORS.get(name).contextual:
            found[f"exchange {name}"] = exchange(scm, split, **some).bits
    return found


def units(site: str, places: list[int]) -> list[str]:
    return [f"{site}[{place}]" for place in places]


def modules(hidden: list[int]) -> Partition:
    """A split that follows hidden units wherever they have gone."""
    left = [*units("hidden1", hidden[:3]), "hidden2[0:2]", "output[0]"]
    right = [*units("hidden1", hidden[3:]), "hidden2[2:5]", "output[1:3]"]
    return Partition({"left": left, "right": right})


@cache
def plain() -> dict[str, float]:
    return figures(model(), units("hidden1", [0, 1]), units("output", [0, 1]), modules([*range(6)]))


def test_the_figures_say_something() -> None:
    assert sum(bits > 0.01 for bits in plain().values()) >= 6


@given(st.permutations(range(WIDTHS[1])))
@FEW
def test_the_order_of_units_does_not_matter(order: list[int]) -> None:
    old = parameters()
    moved = changed(
        linear1_weight=old["linear1_weight"][order],
        linear1_bias=old["linear1_bias"][order],
        linear2_weight=old["linear2_weight"][:, order],
    )
    now = [order.index(unit) for unit in range(WIDTHS[1])]  # where each unit went
    found = figures(moved, units("hidden1", now[:2]), units("output", [0, 1]), modules(now))
    assert found == pytest.approx(plain(), abs=1e-9)


@given(st.lists(st.floats(-2, 2), min_size=6, max_size=6))
@FEW
def test_rescaling_of_relu_units_does_not_matter(powers: list[float]) -> None:
    """``w_in c`` and ``w_out / c``, for c from 0.01 to 100."""
    old, factor = parameters(), 10 ** torch.tensor(powers, dtype=torch.float64)
    scaled = changed(
        linear1_weight=old["linear1_weight"] * factor[:, None],
        linear1_bias=old["linear1_bias"] * factor,
        linear2_weight=old["linear2_weight"] / factor,
    )
    found = figures(scaled, units("hidden1", [0, 1]), units("output", [0, 1]), modules([*range(6)]))
    for name, bits in found.items():
        exactly = name.endswith("binned")
        assert bits == pytest.approx(plain()[name], rel=0 if exactly else 1e-9, abs=1e-12)


@pytest.mark.parametrize("name", SAMPLED)
@pytest.mark.parametrize("copies", [1, 3])
def test_appended_inert_units_do_not_matter(name: str, copies: int) -> None:
    case = zoo.isolated()
    wider = zoo.with_inert_units(case, dead=copies, unread=copies)
    assert case.partition is not None
    small, more = case.compile(), wider.compile()
    assert len(more.units.inert) == 4 * copies
    some: dict[str, Any] = {"estimator": name, "contexts": 12, "draws": 32, "resolution": 2.0}
    groups = ESTIMATORS.get(name).groups
    for kind in kinds_of(name):
        pair = ("hidden1[0:4]", "output") if groups else ("hidden1[0]", "output[0]")
        read = [information(scm, *pair, kind, **some).bits for scm in (small, more)]
        assert read[0] == pytest.approx(read[1], abs=1e-5)  # single precision
    if groups and ESTIMATORS.get(name).contextual:
        left = [*case.partition.modules["left"][:3], *case.partition.modules["right"][3:]]
        split = Partition({"a": left, "b": [u for u in small.units.names if u not in left]})
        read = [exchange(scm, split, **some).bits for scm in (small, more)]
        assert read[0] > 0
        assert read[0] == pytest.approx(read[1], abs=1e-5)


def test_a_dead_unit_with_huge_weights_sends_nothing() -> None:
    """Oracle 9: it never fires, neither on the data nor in any hybrid run."""
    old = parameters()
    old["linear1_bias"][0] = -1e6
    old["linear2_weight"][:, 0] = 1e6
    dead = changed(**old)
    assert dead.units.inert == {"hidden1[0]": "constant on the data"}
    for kind in ("interventional", "conditional"):
        assert information(dead, "hidden1[0]", "output", kind, estimator="gaussian").bits == 0.0
    gone = parameters()
    gone["linear2_weight"][:, 0] = 0.0
    without = changed(**gone)
    names = [unit for unit in without.units.names if unit != "hidden1[0]"]
    split = Partition({"even": names[::2], "odd": names[1::2]})
    assert exchange(dead, split, resolution=2.0, draws=64).bits == pytest.approx(
        exchange(without, split, resolution=2.0, draws=64).bits, abs=1e-9
    )


def test_names_of_modules_do_not_matter() -> None:
    split = modules([*range(6)])
    swapped = Partition({"b": split.modules["right"], "a": split.modules["left"]})
    first = exchange(model(), split, resolution=2.0, draws=64)
    second = exchange(model(), swapped, resolution=2.0, draws=64)
    assert first.into["left"].bits == pytest.approx(second.into["a"].bits, abs=1e-12)
    assert first.matrix["left", "right"].bits == pytest.approx(second.matrix["a", "b"].bits)


def test_finer_resolution_reads_more() -> None:
    split = modules([*range(6)])
    for name in ("pairwise", "gaussian"):
        bits = [
            exchange(model(), split, estimator=name, resolution=r, draws=64).bits
            for r in (0.3, 1.0, 3.0)
        ]
        assert bits[0] > bits[1] > bits[2] > 0


class Rising(nn.Module):
    """``C = tanh(A + .7 X)``, with a strictly rising map of each of A and C, undone by readers."""

    def __init__(self, power: float, gain: float) -> None:
        super().__init__()
        self.power, self.gain, self.a = power, gain, nn.Identity()

    def rise(self, x: Tensor) -> Tensor:
        return self.gain * x.sign() * x.abs() ** self.power + 3.0

    def undo(self, y: Tensor) -> Tensor:
        scaled = (y - 3.0) / self.gain
        return scaled.sign() * scaled.abs() ** (1 / self.power)

    def forward(self, x: Tensor) -> Tensor:
        sent = self.undo(self.a(self.rise(x[:, :1])))
        return self.rise(torch.tanh(sent + 0.7 * x[:, 1:]))


@given(st.sampled_from([0.5, 1.5, 3.0]), st.sampled_from([0.2, 5.0]))
@FEW
def test_rising_maps_do_not_matter(power: float, gain: float) -> None:
    """To ranks: equal-frequency bins, the copula, and KSG on ranks."""
    data = torch.randn(300, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def read(power: float, gain: float) -> dict[str, float]:
        scm = cm.compile(Rising(power, gain).eval(), data, sites=["a", "output"])
        return {
            f"{kind} {name}": information(
                scm, "a", "output", kind, estimator=name, contexts=40, draws=16
            ).bits
            for name in ("binned", "copula", "ksg-ranks")
            for kind in kinds_of(name)
        }

    assert read(power, gain) == pytest.approx(read(1.0, 1.0), abs=1e-6)
