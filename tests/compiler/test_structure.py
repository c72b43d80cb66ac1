"""Structural edges: never too few, and exactly the non-zero weights where weights decide."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import causalmod as cm
from tests.compiler.networks import Net, compiled
from tests.strategies import SOME, masks


def perceptron() -> nn.Module:
    """Layers of different widths, so that no matrix can be mistaken for its transpose."""
    return nn.Sequential(
        nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2)
    )


def residual() -> nn.Module:
    def run(net: Any, x: Tensor) -> Tensor:
        x = x + net.down1(torch.tanh(net.up1(x)))
        return x + net.down2(torch.tanh(net.up2(x)))

    sizes = {"up1": (3, 4), "down1": (4, 3), "up2": (3, 2), "down2": (2, 3)}
    return Net(run, **{name: nn.Linear(*size) for name, size in sizes.items()})


@cache
def dense(build: Callable[[], nn.Module], width: int) -> cm.StructuralCausalModel:
    generator = torch.Generator().manual_seed(0)
    return cm.compile(build().eval(), torch.randn(4, width, generator=generator))


def sparse(
    build: Callable[[], nn.Module], width: int, draw: st.DataObject
) -> tuple[cm.StructuralCausalModel, dict[str, Tensor]]:
    """Return the network with some weights set to zero, and where they are not, ``[from, to]``."""
    scm = dense(build, width)
    names = scm.program.trace.parameters
    weights = {n: w for n, w in scm.parameters.items() if w.ndim == 2}
    kept = {node: draw.draw(masks(*weight.shape)) for node, weight in weights.items()}
    changed = {node: torch.where(kept[node], weights[node], 0.0) for node in weights}
    return scm.with_parameters(changed), {
        names[node].removesuffix(".weight"): mask.T for node, mask in kept.items()
    }


@SOME
@given(st.data())
def test_edges_of_a_perceptron_are_its_weights(draw: st.DataObject) -> None:
    scm, weight = sparse(perceptron, 2, draw)
    expected = {
        ("input", "0"): weight["0"],
        ("0", "1"): torch.eye(3) > 0,
        ("1", "3"): weight["2"],
        ("3", "4"): torch.eye(4) > 0,
        ("4", "output"): weight["5"],
    }
    assert_edges(scm, expected)


@SOME
@given(st.data())
def test_edges_of_a_residual_network_are_its_weights(draw: st.DataObject) -> None:
    """The stream is no site: what one block writes, the next reads through it."""
    scm, weight = sparse(residual, 3, draw)
    expected = {
        ("input", "up1"): weight["up1"],
        ("up1", "tanh"): torch.eye(4) > 0,
        ("input", "up2"): weight["up2"],
        ("tanh", "up2"): weight["down1"].float() @ weight["up2"].float() > 0,
        ("up2", "tanh@2"): torch.eye(2) > 0,
        ("input", "output"): torch.eye(3) > 0,
        ("tanh", "output"): weight["down1"],
        ("tanh@2", "output"): weight["down2"],
    }
    assert_edges(scm, expected)


def assert_edges(scm: cm.StructuralCausalModel, expected: dict[tuple[str, str], Tensor]) -> None:
    assert set(scm.edges) == set(expected)
    for pair, matrix in expected.items():
        assert torch.equal(scm.edges[pair], matrix), pair
    drawn = {(s, t) for s, t in scm.graph.edges if s != "U"}
    assert drawn == {
        (scm.sites[source].variables[i], scm.sites[target].variables[j])
        for (source, target), matrix in expected.items()
        for i, j in matrix.nonzero().tolist()
    }


W = torch.tensor([[1.0, 0.0, -2.0], [0.0, 0.0, 3.0], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])
A = torch.randn(3, 3, generator=torch.Generator().manual_seed(0)) * (1 - torch.eye(3))
EXACT: dict[str, tuple[Callable[[Tensor], Tensor], tuple[int, ...]]] = {
    "mm": (lambda x: x @ W.T, (3,)),
    "addmm": (lambda x: torch.addmm(x @ W.T @ torch.eye(4), x, W.T, beta=2, alpha=-1), (3,)),
    "einsum": (lambda x: torch.einsum("oi,nti->nto", W, x), (2, 3)),
    "batch of products": (lambda x: x @ A, (2, 3)),
    "const @ moving": (lambda x: A @ x, (3, 2)),
    "zero factor": (lambda x: x * torch.tensor([1.0, 0.0, 2.0]), (3,)),
    "two uses cancel nothing": (lambda x: x @ W.T - 2 * (x @ W.T), (3,)),
    "mean": (lambda x: x.mean(-1), (4, 3)),
    "sum, dims kept": (lambda x: x - x.sum((1, 2), keepdim=True) / 2, (2, 3)),
    "norm over a dimension": (lambda x: torch.linalg.vector_norm(x, dim=1), (3, 4)),
    "old norm over a dimension": (lambda x: torch.norm(x, p=2, dim=1), (3, 4)),
    "softmax": (lambda x: x.softmax(1), (3, 4)),
    "standard deviation": (lambda x: x.std(dim=1), (3, 4)),
    "layer norm": (lambda x: F.layer_norm(x, (4,)), (3, 4)),
    "cat": (lambda x: torch.cat([x[:, 1:], torch.ones(x.shape[0], 1), x[:, :1]], 1), (4,)),
    "split": (lambda x: x.split([1, 3], dim=1)[1].exp(), (4,)),
    "chunk": (lambda x: x.chunk(2, dim=1)[0] * x.chunk(2, dim=1)[1], (4,)),
    "glu": (F.glu, (4,)),
    "transpose": (lambda x: x.transpose(1, 2).flatten(1), (2, 3)),
    "roll": (lambda x: x.roll(1, 1).repeat(1, 2), (3,)),
    "index": (lambda x: x[:, torch.tensor([2, 0])], (3,)),
    "index_select": (lambda x: x.index_select(1, torch.tensor([1, 1])), (3,)),
    "pad": (lambda x: F.pad(x, (1, 1)), (3,)),
    "stack": (lambda x: torch.stack([x, x.flip(1)], 1), (3,)),
    "merged dimensions": (lambda x: (x.reshape(-1, 3) @ W.T).reshape(-1, 2, 4), (2, 3)),
    "time first": (lambda x: (x.transpose(0, 1) @ W.T).transpose(0, 1), (2, 3)),
    "time first, as many as rows": (lambda x: (x.transpose(0, 1) @ W.T).transpose(0, 1), (3, 3)),
    "one scalar": (lambda x: x.squeeze(1).unsqueeze(1) * 2, (1,)),
    "one source, squeezed": (
        lambda x: torch.cat([x, torch.ones_like(x)], 1).unsqueeze(1).squeeze(), (1,)),
    "average pool": (lambda x: F.avg_pool1d(x, 2), (2, 4)),
    "initial state": (lambda x: x[:, 1:] * torch.ones_like(x[:, :1]) + start(x), (3,)),
    "overwritten": (lambda x: overwrite(x) + 0, (3,)),
    "attention heads": (lambda x: heads(x) + 0, (2, 3, 2)),
}  # fmt: skip


def overwrite(x: Tensor) -> Tensor:
    out = x * 2
    out[:, 1] = 0.5
    out[:, 2] = x[:, 0]
    return out


def start(x: Tensor) -> Tensor:
    return x.new_zeros(x.shape[0], 2)


def heads(x: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(x, x, x.exp())


def reach(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Where the Jacobian is not zero: ``[*row of x, *row of the result]``."""
    rows = []
    for row in x:
        jacobian: Any = torch.autograd.functional.jacobian(
            lambda r: function(torch.stack([r, r]))[0], row
        )
        rows.append(jacobian != 0)
    found = torch.stack(rows).any(0)
    return found.movedim(list(range(-x[0].ndim, 0)), list(range(x[0].ndim)))


@pytest.mark.parametrize("name", EXACT)
def test_known_operations_are_exact(name: str) -> None:
    """Generic numbers: an operation's Jacobian is zero only where it must be."""
    function, shape = EXACT[name]
    x = torch.rand(4, *shape, generator=torch.Generator().manual_seed(1)) + 0.1
    scm = cm.compile(Net(lambda _, x: function(x)).eval(), x, sites=["output"])
    source, target = scm.sites["input"], scm.sites["output"]
    wanted = reach(function, x) if name != "initial state" else reach(lambda x: x[:, 1:], x)
    wanted = wanted.reshape(*source.shape, -1).movedim(-1, 0)
    by_source = source.split(wanted.float()).amax(-1).T  # [source, flat target]
    flat = by_source.reshape(source.count, *target.shape)
    expected = target.split(flat).amax(-1) > 0
    assert torch.equal(scm.edges["input", "output"], expected)


def sort(x: Tensor) -> Tensor:
    return x.sort(1).values


@pytest.mark.parametrize(
    "function",
    [
        sort,
        lambda x: x.cumsum(1),
        lambda x: torch.fft.rfft(x).real,
        lambda x: x.gather(1, x.argsort(1)),
        lambda x: x[:, None] @ x[:, :, None],
    ],
)
def test_unknown_operations_may_do_anything(function: Callable[[Tensor], Tensor]) -> None:
    x = torch.rand(4, 3, generator=torch.Generator().manual_seed(1))
    scm = cm.compile(Net(lambda _, x: function(x).flatten(1)).eval(), x, sites=["output"])
    assert scm.edges["input", "output"].all()


def test_unknown_operations_keep_sources_apart() -> None:
    """Also where the rows do not stand in the first dimension, and are as many as its size."""

    def run(_: Any, x: Tensor) -> Tensor:
        some = x * torch.tensor([1.0, 0.0, 2.0])
        return some.transpose(0, 1).sort(2).values.transpose(0, 1)

    x = torch.rand(4, 3, 3, generator=torch.Generator().manual_seed(1))
    scm = cm.compile(Net(run).eval(), x, sites=["output"])
    assert scm.edges["input", "output"].tolist() == [[True] * 3, [False] * 3, [True] * 3]


def test_what_reads_other_rows_may_do_anything() -> None:
    """Even when it is multiplied by zero afterwards."""
    x = torch.rand(4, 3, generator=torch.Generator().manual_seed(1))
    scm = cm.compile(Net(lambda _, x: x + 0 * x[0].flip(0)).eval(), x, sites=["output"])
    assert scm.edges["input", "output"].all()


def test_convolutions_keep_groups_apart() -> None:
    edges = compiled("one_dimensional").edges
    assert edges["input", "conv"].tolist() == [[True] * 2 + [False] * 2, [False] * 2 + [True] * 2]
    assert torch.equal(edges["conv", "gelu"], torch.eye(4) > 0)


def test_a_convolution_with_a_zero_filter_is_cut() -> None:
    conv = nn.Conv2d(2, 2, 3)
    with torch.no_grad():
        conv.weight[0, 1] = 0
    x = torch.randn(3, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    net = nn.Sequential(conv, nn.MaxPool2d(2), nn.Flatten())
    edges = cm.compile(net.eval(), x, sites=["output"]).edges["input", "output"]
    assert edges.tolist() == [[True, True], [False, True]]


def test_a_mask_on_the_weights_counts() -> None:
    scm = compiled("masked")
    mask = scm.program.constants["b_mask"]
    assert torch.equal(scm.edges["input", "tanh"], mask.T > 0)


def test_initial_states_carry_nothing() -> None:
    """Zeros of the shape of the input do not depend on the input."""
    scm = compiled("cells")
    assert ("input", "cell.0") in scm.edges
    graph = scm.graph
    assert not any(graph.has_edge("cell.0[0]", f"cell.1[{i}]") for i in range(3))


def test_edges_stop_at_interventions() -> None:
    scm = compiled("mlp")
    index = 1
    hard = scm.do({f"2[{index}]": 0.0, "input[0]": 1.0})
    assert not list(hard.graph.predecessors(f"2[{index}]"))
    assert not list(hard.graph.predecessors("input[0]"))
    assert list(hard.graph.predecessors("2[0]"))
    assert "U" in hard.graph.predecessors("input[1]")
    assert list(scm.graph.predecessors(f"2[{index}]")), "the first model is as it was"
    soft = scm.do({f"2[{index}]": lambda natural: natural * 2})
    assert set(soft.graph.edges) == set(scm.graph.edges)
