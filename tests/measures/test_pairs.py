"""The post's formula and effective information against every state of tiny networks."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import pytest
import torch
from torch import Tensor, nn

from causalmod import Partition, StructuralCausalModel, compile, zoo
from causalmod.measures import MEASURES
from causalmod.zoo.blocks import fixed_linear
from tests.measures import brute_force

post, effective = MEASURES.get("post_formula"), MEASURES.get("effective_information")


class Remainders(nn.Module):
    """Two hidden sites of two units and an output of two, whole numbers modulo 3."""

    def __init__(self, weights: Sequence[Tensor]) -> None:
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(w, requires_grad=False) for w in weights])

    def forward(self, x: Tensor) -> Tensor:
        for weight in self.weights:
            x = torch.remainder(x @ weight.T, 3)
        return x


def network(seed: int) -> tuple[StructuralCausalModel, brute_force.Run, int]:
    generator = torch.Generator().manual_seed(seed)
    weights: list[Tensor] = []
    while len(weights) < 3:  # no unit is constant, nor a function of another one alone
        drawn = torch.randint(1, 3, (2, 2), generator=generator).float()
        if drawn.det() % 3:
            weights.append(drawn)
    data = torch.cartesian_prod(*[torch.arange(3.0)] * 2)[
        torch.randint(9, (7,), generator=generator)
    ]
    scm = compile(Remainders(weights).eval(), data)
    sites = [site for site in scm.units.sites if site != "output"] + ["output"]

    def run(row: int, given: dict[str, float]) -> dict[str, float]:
        values, now = {}, data[row].tolist()
        for site, weight in zip(sites, weights, strict=True):
            now = [
                sum(w * v for w, v in zip(line, now, strict=True)) % 3 for line in weight.tolist()
            ]
            now = [given.get(f"{site}[{unit}]", value) for unit, value in enumerate(now)]
            values |= {f"{site}[{unit}]": value for unit, value in enumerate(now)}
        return values

    return scm, run, len(data)


SPLITS = [
    [[0, 1, 2], [3, 4, 5]],
    [[0, 2, 4], [1, 3, 5]],
    [[1, 2, 3], [0, 4, 5]],
    [[0, 1], [2, 3], [4, 5]],
]


@pytest.mark.parametrize("seed", range(4))
def test_every_state(seed: int) -> None:
    scm, run, rows = network(seed)
    assert len(scm.units) == 6
    for split in SPLITS:
        modules = [[scm.units.names[unit] for unit in members] for members in split]
        named = Partition({f"m{number}": members for number, members in enumerate(modules)})
        assert post(scm, named) == pytest.approx(brute_force.post_formula(run, rows, modules))
        assert effective(scm, named) == pytest.approx(
            brute_force.effective(run, rows, modules), abs=1e-9
        )


def test_what_the_data_never_show_is_infinite() -> None:
    # two equal bits and their sum: set apart, they add up to 1, which the data never show
    adder = nn.Sequential(fixed_linear(torch.eye(2)), nn.ReLU(), fixed_linear([[1.0, 1.0]]))
    scm = compile(adder.eval(), torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    split = Partition({"a": ["1[0]"], "b": ["1[1]", "output"]})
    found = post.estimate(scm, split)  # type: ignore[attr-defined]
    assert (found.bits, found.low, found.high) == (inf, inf, inf)
    assert post(scm, split) == inf
    # what b and the sum hear from a is a fair bit, whichever b is
    assert effective(scm, split) == pytest.approx(1.0)


@pytest.mark.parametrize(("name", "bits"), [("and_gate", 0.3112781244591328), ("xor", 0.0)])
def test_gates(name: str, bits: float) -> None:
    # THEORY: and: h(1/4) - h(1/2)/2 = .3113 for each of two inputs; exclusive or: nothing
    scm = zoo.get(name).compile()
    split = Partition({"a": ["a"], "b": ["b"], "c": ["output"]})
    assert post(scm, split) == pytest.approx(2 * bits)
    assert effective(scm, split) == pytest.approx(2 * bits)


def test_where_states_are_not_counted_the_note_says_so() -> None:
    scm = zoo.planted().compile()
    units = scm.units.names
    found = post.estimate(scm, Partition({"a": units[::2], "b": units[1::2]}))  # type: ignore[attr-defined]
    assert "cannot be counted" in found.note
    assert found.estimator == "gaussian"
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < found.bits < found.high
