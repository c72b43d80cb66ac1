"""Cases whose exchange is known: gates over bits, majorities, copies, bridges."""

from __future__ import annotations

from math import log2

import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod import Partition, exchange, information, zoo
from causalmod.zoo.blocks import Step, all_bits, bit_reader


class Gates(nn.Module):
    """Units that repeat input bits, and one output unit that combines them."""

    def __init__(self, bits: int, combine: nn.Module) -> None:
        super().__init__()
        self.bits = nn.ModuleList(bit_reader(place, bits) for place in range(bits))
        self.combine = combine

    def forward(self, x: Tensor) -> Tensor:
        return self.combine(torch.cat([bit(x) for bit in self.bits], dim=1))


class Parity(nn.Module):
    def forward(self, bits: Tensor) -> Tensor:
        return torch.remainder(bits.sum(1, keepdim=True), 2)


def gates(rows: Tensor, combine: nn.Module) -> cm.StructuralCausalModel:
    count = rows.shape[1]
    sites = [*(f"bits.{i}" for i in range(count)), "combine"]
    return cm.compile(Gates(count, combine).eval(), rows, sites=sites)


def units(model: cm.StructuralCausalModel) -> tuple[str, ...]:
    return model.units.names


def test_three_modules_with_equal_bits_cannot_hide_a_parity() -> None:
    """Oracle 16: p = q in the data, i = p xor q xor s. Joint donors would read 0."""
    rows = torch.tensor([[p, p, s] for p in (0.0, 1.0) for s in (0.0, 1.0)])
    model = gates(rows, Parity())
    p, q, s, i = units(model)
    found = exchange(model, Partition({"p": [p], "q": [q], "i": [i, s]}))
    assert found.estimate.estimator == "exact"
    assert found.bits == pytest.approx(1.0, abs=1e-12)
    assert found.into["i"].bits == pytest.approx(1.0, abs=1e-12)
    merged = exchange(model, Partition({"pq": [p, q], "i": [i, s]}))
    assert merged.bits == 0.0  # one donor for both is what the data hold: always equal


def test_majority_of_three_equal_senders() -> None:
    """Oracle 17: no sender alone moves the majority, so direct pairs read 0; all three do."""
    rows = torch.tensor([[0.0] * 3, [1.0] * 3])
    model = gates(rows, Step([[1.0, 1.0, 1.0]], [-1.5]))
    a, b, c, out = units(model)
    found = exchange(model, Partition({"a": [a], "b": [b], "c": [c], "out": [out]}))
    assert set(found.matrix) == {(s, r) for s in "abc" for r in "abc" if s != r} | {
        pair for s in "abc" for pair in ((s, "out"), ("out", s))
    }
    assert all(estimate.bits == 0.0 for estimate in found.matrix.values())
    assert found.into["out"].bits == pytest.approx(1.0, abs=1e-12)
    assert found.bits == pytest.approx(1.0, abs=1e-12)
    alone = exchange(model, Partition({"a": [a], "rest": [b, c, out]}))
    assert alone.bits == 0.0


@pytest.mark.parametrize(("modules", "expected"), [(1, 1.0), (4, 4.0)])
@pytest.mark.parametrize("estimator", ["exact", "pairwise", "auto"])
def test_a_bit_to_many_counts_once_for_each_module(
    modules: int, expected: float, estimator: str
) -> None:
    """Oracle 13; pairwise with 64 draws of a fair bit for each of 64 contexts."""
    case = zoo.broadcast(receivers=100, modules=modules)
    assert case.partition is not None
    found = exchange(case.compile(), case.partition, estimator=estimator, resolution=0.1)
    exact = estimator != "pairwise"
    assert found.bits == pytest.approx(expected, abs=1e-12 if exact else 0.005 * modules)
    assert found.into["sender"].bits == 0.0
    assert not found.estimate.saturated


def test_bridge_of_two_bits() -> None:
    """Oracle 18: one unit is the exclusive or of a bit from each side."""
    model = gates(all_bits(2), Parity())
    a, b, out = units(model)
    split = Partition({"left": [a, out], "right": [b]})
    assert exchange(model, split).bits == pytest.approx(1.0, abs=1e-12)
    assert information(model, b, out, "interventional").bits == pytest.approx(0.0, abs=1e-12)
    assert information(model, b, out, "conditional").bits == pytest.approx(1.0, abs=1e-12)
    assert information(model, b, out, "observational").bits == pytest.approx(0.0, abs=1e-12)


class Sum(nn.Module):
    """``C = A + B`` with ``B = A // 3``, or ``A / 3``."""

    def __init__(self, floor: bool) -> None:
        super().__init__()
        self.floor = floor
        self.hook = nn.Identity()

    def forward(self, a: Tensor) -> Tensor:
        third = self.hook(torch.floor((a + 0.5) / 3) if self.floor else a / 3)
        return a + third


@pytest.mark.parametrize(("floor", "values", "averaged"), [(True, 10, 0.2362), (False, 30, 1.8212)])
def test_sum_with_a_third(floor: bool, values: int, averaged: float) -> None:
    """Oracle 3. Rounding of a / 3 would read 2.3128 for 1.8212 if values were not merged.

    C tells B, whether one watches or knows A: all of B's values are shared and received.
    """
    model = cm.compile(Sum(floor).eval(), torch.arange(30.0)[:, None], sites=["hook", "output"])
    third, total = units(model)
    got = {
        kind: information(model, third, total, kind).bits
        for kind in ("observational", "interventional", "conditional")
    }
    assert got["observational"] == pytest.approx(log2(values), abs=1e-9)
    assert got["conditional"] == pytest.approx(log2(values), abs=1e-9)
    assert got["interventional"] == pytest.approx(averaged, abs=5e-5)


def test_a_ring_of_counters() -> None:
    """Oracle 14: pairs of counters mod 4 that carry into each other; 4 h(1/4) when all apart."""

    class Counters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            a = self.a(x * 1.0)
            full = (a == 3).float()
            carry = torch.stack([full[:, 1], full[:, 0], full[:, 3], full[:, 2]], dim=1)
            return torch.remainder(a + carry, 4)

    rows = torch.cartesian_prod(*[torch.arange(4.0)] * 4)
    model = cm.compile(Counters().eval(), rows, sites=["a", "output"])
    assert len(model.units) == 8
    pairs = {"01": ["a[0:2]", "output[0:2]"], "23": ["a[2:4]", "output[2:4]"]}
    assert exchange(model, Partition(pairs)).bits == 0.0
    each = {str(i): [f"a[{i}]", f"output[{i}]"] for i in range(4)}
    carried = -(log2(1 / 4) / 4 + 3 * log2(3 / 4) / 4)
    found = exchange(model, Partition(each))
    assert found.bits == pytest.approx(4 * carried, abs=1e-9)
    assert found.bits == pytest.approx(3.2451, abs=5e-5)
    assert found.matrix["0", "1"].bits == pytest.approx(carried, abs=1e-9)
    assert found.matrix["0", "2"].bits == 0.0
