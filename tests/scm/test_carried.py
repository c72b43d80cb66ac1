"""The share of the computation that goes through the chosen variables."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod import CausalmodWarning, zoo


def normal(rows: int, width: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


class Sum(nn.Module):
    """``y = a + share * b`` with ``a`` and ``b`` units of the input's two columns."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.a, self.b = nn.Linear(2, 1, bias=False), nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            self.a.weight.copy_(torch.tensor([[1.0, 0.0]]))
            self.b.weight.copy_(torch.tensor([[0.0, 1.0]]))

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) + self.share * self.b(x)


@pytest.mark.parametrize("share", [0.1, 1.0, 3.0])
def test_the_share_is_that_of_the_variance(share: float) -> None:
    """Independent parts: Var(a) / (Var(a) + share² Var(b)), here on a grid of all pairs."""
    levels = torch.linspace(-1, 1, 4)
    scm = cm.compile(Sum(share).eval(), torch.cartesian_prod(levels, levels), sites=["a", "output"])
    assert scm.carried.rows == 16
    assert scm.carried.share == pytest.approx(1 / (1 + share**2), abs=1e-6)
    assert scm.carried.enough == (share == 0.1)
    if share > 1:
        name = next(iter(scm.carried.bypasses))
        assert name in {"b", "mul"}
        assert scm.carried.bypasses[name] == pytest.approx(1.0)
        assert "b: 1.00" in repr(scm.carried)
        assert scm.carried.to_dict()["share"] == scm.carried.share


def test_where_variables_carry_all_the_share_is_one() -> None:
    network = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2))
    for rows in (2, 5, 200):
        scm = cm.compile(network.eval(), normal(rows, 3))
        assert scm.carried.share == 1.0
        assert scm.carried.bypasses == {}
        assert scm.do({"1[0]": 0.0}).carried.share == 1.0
    for name in ("xor", "isolated", "two_ways_copy"):
        assert zoo.get(name).compile().carried.share == 1.0


def test_what_goes_past_the_variables_is_named() -> None:
    network = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    scm = cm.compile(network.eval(), normal(64, 3), sites=["output"])
    assert scm.carried.share == 0.0
    assert dict(scm.carried.bypasses) == {"0": 1.0, "1": 1.0}
    split = cm.Partition({"a": ["output[0]"], "b": ["output[1]"]})
    with pytest.warns(
        CausalmodWarning, match=r"carry 0% .* past them through '0', '1', so .*sites="
    ):
        cm.exchange(scm, split, contexts=8, draws=8)


def test_an_edge_past_the_variables_is_no_error() -> None:
    """Nothing lies on it that could be a variable, so there is nothing to change."""
    scm = cm.compile(nn.Linear(3, 2).eval(), normal(64, 3))
    assert scm.carried.share == 0.0
    assert scm.carried.enough
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split = cm.Partition({"a": ["output[0]"], "b": ["output[1]"]})
        assert cm.exchange(scm, split, contexts=8, draws=8).bits == 0.0


def test_a_residual_stream() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.up, self.down = nn.Linear(3, 4), nn.Linear(4, 6), nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            stream = self.embed(x)
            return stream + 0.1 * self.down(torch.tanh(self.up(stream)))

    scm = cm.compile(Residual().eval(), normal(100, 3))
    assert scm.carried.share < 0.2
    assert scm.carried.bypasses["embed"] == 1.0
    wide = cm.compile(Residual().eval(), normal(100, 3), sites=["embed", "tanh", "output"])
    assert wide.carried.share == 1.0


def test_several_outputs_count_alike() -> None:
    """One output through the variables, one past them: half."""

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(2, 3), nn.Linear(2, 3)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.a(x).tanh(), 1000 * torch.relu(self.b(x)) ** 2

    scm = cm.compile(Two().eval(), normal(100, 2), sites=["a", "output.0", "output.1"])
    assert scm.carried.share == pytest.approx(0.5)
