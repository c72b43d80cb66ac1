"""What is no selector, value, seed or function: an error of the package, as soon as it is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import causalmod as cm
from causalmod.errors import CausalmodError, InputError, SelectorError
from tests.compiler.networks import Net

Model = cm.StructuralCausalModel


@pytest.fixture(scope="module")
def scm() -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
        return cm.compile(net.eval(), torch.randn(20, 4))


CASES: list[tuple[Callable[[Any], Any], type[CausalmodError], list[str]]] = [
    (lambda m: m.do({"5": 0}), SelectorError, ["unknown site '5': known names are"]),
    (lambda m: m.do({"5[1]": 0}), SelectorError, ["unknown site '5' in '5[1]'"]),
    (lambda m: m.do({"1[3": 0}), SelectorError, ["'1[3': the bracket is not closed"]),
    (lambda m: m.do({"1": cm.mean}), InputError, ["cm.mean is to be called, as in cm.mean()"]),
    (lambda m: m.do({"1": cm.resample}), InputError, ["as in cm.resample(seed=0)"]),
    (lambda m: m.do({"1": "x"}), InputError, ["cm.mean() or a function; given str"]),
    (
        lambda m: m.do({"1": torch.zeros(3)}),
        InputError,
        ["a number, [20] (one per row), [6] (one per variable) or [20, 6] (both); 1 in place"],
    ),
    (
        lambda m: m.do({("0[1]", "1[2]"): 0}),
        SelectorError,
        ["no edge from '0[1]' to '1[2]'; edges from '0[1]' lead to '1[1]'"],
    ),
    (lambda m: m.do({"1": lambda: 3}).observe(), InputError, ["[20, 6]: TypeError"]),
    (lambda m: m.do({"1": lambda v: v @ v}).observe(), InputError, ["[20, 6]: RuntimeError"]),
    (lambda m: m.counterfactual({"1": 0}, rows="a"), InputError, ["from 0 to 19", "given 'a'"]),
    (lambda m: m.counterfactual({"1": 0}, rows=None), InputError, ["given None"]),
    (lambda m: m.resolve(3), SelectorError, ["a selector is text", "given 3"]),
    (lambda m: m.receivers(None), SelectorError, ["given None"]),
    (lambda m: m.variable_graph(3), SelectorError, ["given 3"]),
    (lambda m: m.variable_graph([]), InputError, ["at least one site"]),
    (lambda m: m.activity(3), SelectorError, ["given 3"]),
    (lambda m: m.activity(seed="a"), InputError, ["whole number", "given 'a'"]),
    (lambda m: m.sweep("1", record=3), SelectorError, ["given 3"]),
    (lambda m: m.sweep("1", reduce=3), InputError, ["reduce is a function; given 3"]),
    (lambda m: m.sweep("1", reduce=lambda a: a), InputError, ["takes two dicts", "TypeError"]),
    (lambda m: m.sweep("1", reduce=lambda a, _: a["x"]), InputError, ["KeyError: 'x'"]),
]


@pytest.mark.parametrize(("ask", "kind", "parts"), CASES, ids=[str(case[2]) for case in CASES])
def test_what_is_said(
    scm: Model, ask: Callable[[Model], Any], kind: type[CausalmodError], parts: list[str]
) -> None:
    with pytest.raises(kind) as error:
        ask(scm)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize("seed", ["a", 0.5, None, True, 2**64])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(InputError, match="seed is a whole number"):
        cm.resample(seed)


def test_receivers_of_several_sites_are_those_of_each(scm: Model) -> None:
    assert scm.receivers("0") == ["1"]
    assert scm.receivers(["0", "1"]) == ["1", "output"]


def test_memory_that_gives_out_in_a_function_is_no_fault_of_its_own(scm: Model) -> None:
    def full(value: Tensor) -> Tensor:
        raise MemoryError

    with pytest.raises(MemoryError):
        scm.do({"1": full}).observe()


def test_a_model_of_many_sites_counts_them() -> None:
    net = nn.Sequential(*(nn.Linear(2, 2) if i % 2 else nn.Tanh() for i in range(14)))
    assert "sites, " in repr(cm.compile(net.eval(), torch.eye(2)))


# --- tokens and attention -------------------------------------------------------------------------


def attention() -> tuple[nn.Module, Tensor]:
    def run(net: Any, tokens: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(-1, (2, 2)).transpose(1, 2) for part in net.qkv(net.embed(tokens))
        )
        return net.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    class Three(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            return tuple(part(x) for part in self.parts)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Net(run, embed=nn.Embedding(5, 4), qkv=Three(), out=nn.Linear(4, 4)).eval()
        return net, torch.randint(0, 5, (8, 3))


def test_a_token_that_the_table_lacks() -> None:
    with pytest.raises(InputError, match=r"numbers 9 to 9, .* table of 5 rows \(embedding"):
        cm.compile(*attention()).do({"input": 9}).observe()


def test_a_token_in_the_data_that_the_table_lacks() -> None:
    with pytest.raises(InputError, match=r"too large .* nn.Embedding.*positions"):
        cm.compile(nn.Embedding(5, 4).eval(), torch.full((3, 2), 7))
    with pytest.raises(InputError, match=r"whole ones, as by .long\(\)"):
        cm.compile(nn.Embedding(5, 4).eval(), torch.zeros(3, 2))


def test_the_pattern_of_a_fused_attention() -> None:
    assert "heads" in cm.compile(*attention()).sites
    for name in ("pattern", "*pattern"):
        with pytest.raises(SelectorError, match="weights within one operation"):
            cm.compile(*attention(), sites=name)
