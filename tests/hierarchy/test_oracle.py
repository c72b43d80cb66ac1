"""THEORY oracle 14: blocks inside blocks whose exchange is known in closed form."""

from __future__ import annotations

from itertools import product
from math import log2

import pytest
import torch

import causalmod as cm
from causalmod.search.algorithms.exhaustive import all_partitions
from tests.hierarchy.networks import Around

QUARTER = 0.25 * log2(4) + 0.75 * log2(4 / 3)  # h(1/4): is the partner 3?


@pytest.fixture(scope="module")
def scm() -> cm.StructuralCausalModel:
    rows = torch.tensor(list(product(range(4), repeat=4)), dtype=torch.float64)
    return cm.compile(Around().eval(), rows, sites=["a", "output"])


def pairs(scm: cm.StructuralCausalModel, members: set[int]) -> list[str]:
    return [name for name in scm.units.names if int(name.partition("[")[2][:-1]) in members]


def test_it_has_the_units_of_the_oracle(scm: cm.StructuralCausalModel) -> None:
    assert len(scm.units) == 8
    assert len(scm.units.sites) == 2


def test_the_outer_split_is_the_only_one_without_exchange(scm: cm.StructuralCausalModel) -> None:
    outer = cm.Partition({"left": pairs(scm, {0, 1}), "right": pairs(scm, {2, 3})})
    assert cm.exchange(scm, outer).bits == 0.0
    silent = 0
    for labels in all_partitions(8, 2):
        sides = [
            [u for u, m in zip(scm.units.names, labels, strict=True) if m == n] for n in (0, 1)
        ]
        crossed = cm.exchange(scm, cm.Partition({"0": sides[0], "1": sides[1]})).bits
        silent += crossed == 0.0
    assert silent == 1, "of 127"
    apart = cm.Partition({str(i): pairs(scm, {i}) for i in range(4)})
    assert cm.exchange(scm, apart).bits == pytest.approx(4 * QUARTER, abs=1e-6)
    assert pytest.approx(3.2451, abs=1e-4) == 4 * QUARTER


def test_inside_a_block_the_planted_split_exchanges_least(scm: cm.StructuralCausalModel) -> None:
    inside = scm.submodel(pairs(scm, {0, 1}))
    units = inside.units.names
    assert len(units) == 4
    found: dict[frozenset[str], float] = {}
    for labels in all_partitions(4, 2):
        modules = {
            name: [u for u, label in zip(units, labels, strict=True) if label == n]
            for n, name in enumerate("ab")
        }
        found[frozenset(modules["a"])] = cm.exchange(inside, cm.Partition(modules)).bits
    planted = frozenset(pairs(inside, {0}))
    other = frozenset(pairs(inside, {1}))
    best = found.pop(planted) if planted in found else found.pop(other)
    assert best == pytest.approx(2 * QUARTER, abs=1e-6)
    assert pytest.approx(1.6226, abs=1e-4) == 2 * QUARTER
    assert len(found) == 6
    assert min(found.values()) >= 2.0


def test_what_is_outside_makes_no_difference_inside(scm: cm.StructuralCausalModel) -> None:
    """Nothing crosses the outer split, so the inner exchange is that of the network as a whole."""
    inside = scm.submodel(pairs(scm, {0, 1}))
    inner = {"0": pairs(scm, {0}), "1": pairs(scm, {1})}
    whole = cm.exchange(scm, cm.Partition({**inner, "rest": pairs(scm, {2, 3})}))
    alone = cm.exchange(inside, cm.Partition(inner))
    for module in inner:
        assert alone.into[module].bits == pytest.approx(whole.into[module].bits, abs=1e-9)
