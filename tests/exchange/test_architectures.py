"""Channels, heads, residual streams and recurrent units, against runs made by hand.

Each network calls ``at`` on the tensors that are sites, so that a plain Python function can change
them. All contexts and donors are gone through, and distinct responses are counted; nothing of the
package is used for that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import log2
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import causalmod as cm

ROWS = 5
RESPOND, CONTEXT = -2, -1
Marks = dict[str, tuple[str, int]]


class Marked(nn.Module):
    """A network in which tensors can be changed by hand.

    Attributes:
        change: mark → what to make of its tensor.
        marks: mark → the name of its site, and the dimension of a row along which its variables
            lie.
        shape: of a row of data.
    """

    marks: ClassVar[Marks]
    shape: tuple[int, ...]

    def __init__(self) -> None:
        super().__init__()
        self.change: dict[str, Callable[[Tensor], Tensor]] = {}

    def at(self, mark: str, value: Tensor) -> Tensor:
        return self.change[mark](value) if mark in self.change else value


class Convolutions(Marked):
    marks: ClassVar[Marks] = {
        "h": ("relu", 0),
        "g": ("tanh", 0),
        "out": ("output", 0),
    }
    shape = (2, 4, 4)

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(2, 4, 2), nn.Conv2d(4, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.at("h", torch.relu(self.one(x)))
        g = self.at("g", torch.tanh(self.two(h)))
        return self.at("out", g.mean((2, 3)))


class Attention(Marked):
    marks: ClassVar[Marks] = {
        "heads": ("heads", 0),
        "mixed": ("tanh", 1),
        "out": ("output", 0),
    }
    shape = (3, 4)

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj, self.last = nn.Linear(4, 12), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (2, 2)).transpose(1, 2) for t in (3 * self.qkv(x)).chunk(3, -1))
        heads = self.at("heads", F.scaled_dot_product_attention(q, k, v))
        mixed = torch.tanh(x + self.proj(heads.transpose(1, 2).flatten(2)))
        return self.at("out", self.last(self.at("mixed", mixed)).mean(1))


class Recurrent(Marked):
    marks: ClassVar[Marks] = {
        "h0": ("cell.0", 0), "c0": ("cell.1", 0), "h1": ("cell@2.0", 0), "out": ("output", 0),
    }  # fmt: skip
    shape = (2, 2)

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.last = nn.LSTMCell(2, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(x.shape[0], 3)
        for step in range(2):
            h, c = self.cell(x[:, step], (h, c))
            h, c = self.at(f"h{step}", h), self.at(f"c{step}", c)
        return self.at("out", self.last(h))


class Streams(Marked):
    marks: ClassVar[Marks] = {
        "r0": ("embed", 0), "m1": ("tanh", 0), "r1": ("add", 0), "m2": ("tanh@2", 0),
        "out": ("output", 0),
    }  # fmt: skip
    shape = (3,)

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 3), nn.Linear(3, 4)
        self.c, self.d = nn.Linear(4, 3), nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        r = self.at("r0", self.embed(x))
        r = self.at("r1", r + self.b(self.at("m1", torch.tanh(self.a(r)))))
        return self.at("out", r + self.d(self.at("m2", torch.tanh(self.c(r)))))


NETWORKS = (Convolutions, Attention, Recurrent, Streams)
Built = tuple[Marked, Tensor, cm.StructuralCausalModel]


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda kind: kind.__name__)
def built(request: pytest.FixtureRequest) -> Built:
    network: Marked = request.param()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)
    data = torch.randn(ROWS, *network.shape, generator=generator)
    sites = [site for site, _ in network.marks.values() if site != "output"]
    scm = cm.compile(network.eval(), data, sites=[*sites, "output"])
    assert {unit.rpartition("[")[0] for unit in scm.units.names} == {*sites, "output"}
    return network, data, scm


def by_hand(built: Built, states: dict[str, int], members: Sequence[str], streams: int) -> float:
    """Mean over contexts of the entropy of the members' joint response.

    Args:
        built: the network.
        states: unit → respond, stay at the context, or the number of a donor stream.
        members: the units that are read.
        streams: number of donor streams.
    """
    network, data, _ = built
    grid = list(product(range(ROWS), repeat=streams + 1))
    contexts = torch.tensor([row[0] for row in grid])
    rows = [torch.tensor([row[1 + s] for row in grid]) for s in range(streams)]
    recorded: dict[str, Tensor] = {}
    natural: dict[str, Tensor] = {}

    def keep(into: dict[str, Tensor], mark: str) -> Callable[[Tensor], Tensor]:
        return lambda value: into.setdefault(mark, value)

    def hold(mark: str, site: str, dim: int) -> Callable[[Tensor], Tensor]:
        def changed(value: Tensor) -> Tensor:
            natural[mark] = value
            held = value.clone().movedim(dim + 1, 0)
            seen = recorded[mark].movedim(dim + 1, 0)
            for place in range(len(held)):
                state = states.get(f"{site}[{place}]", RESPOND)
                if state != RESPOND:
                    held[place] = seen[place][contexts if state == CONTEXT else rows[state]]
            return held.movedim(0, dim + 1)

        return changed

    network.change = {mark: keep(recorded, mark) for mark in network.marks}
    with torch.no_grad():
        network(data)
        network.change = {m: hold(m, site, dim) for m, (site, dim) in network.marks.items()}
        network(data[contexts])
    network.change = {}
    columns: list[Tensor] = []
    for mark, (site, dim) in network.marks.items():
        answers = natural[mark].movedim(dim + 1, 1)
        own = [place for place in range(answers.shape[1]) if f"{site}[{place}]" in members]
        columns.append(answers[:, own].flatten(1))
    joint = torch.cat(columns, 1).double().round(decimals=5).tolist()
    total = 0.0
    for context in range(ROWS):
        seen = [
            tuple(row) for row, at in zip(joint, contexts.tolist(), strict=True) if at == context
        ]
        shares = [seen.count(value) / len(seen) for value in set(seen)]
        total -= sum(share * log2(share) for share in shares)
    return total / ROWS


@pytest.mark.parametrize("modules", [2, 3])
def test_exchange(built: Built, modules: int) -> None:
    """In and out of each module, and between each two, directly and in total."""
    scm = built[2]
    generator = torch.Generator().manual_seed(modules)
    order = torch.randperm(len(scm.units), generator=generator).tolist()
    names = scm.units.names
    labels = {name: f"m{place % modules}" for name, place in zip(names, order, strict=True)}
    split = cm.Partition.from_labels(labels)
    found = cm.exchange(scm, split, estimator="exact")
    assert found.bits > 0
    for name, members in split.modules.items():
        others = [other for other in split.modules if other != name]
        states = {u: RESPOND if m == name else others.index(m) for u, m in split.labels.items()}
        expected = by_hand(built, states, members, len(others))
        assert found.into[name].bits == pytest.approx(expected, abs=1e-6)
        rest = [unit for unit in split.labels if unit not in members]
        states = {unit: 0 if unit in members else RESPOND for unit in split.labels}
        expected = by_hand(built, states, rest, 1)
        assert found.out[name].bits == pytest.approx(expected, abs=1e-6)
    for sender, receiver in list(found.matrix)[:3]:
        for matrix, rest in ((found.matrix, CONTEXT), (found.total_matrix, RESPOND)):
            states = {
                unit: RESPOND if module == receiver else 0 if module == sender else rest
                for unit, module in split.labels.items()
            }
            expected = by_hand(built, states, split.modules[receiver], 1)
            assert matrix[sender, receiver].bits == pytest.approx(expected, abs=1e-6)
