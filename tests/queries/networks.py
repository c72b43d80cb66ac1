"""Networks to ask, and how to answer the same questions without the package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import product

import torch
from torch import Tensor, nn

import causalmod as cm

ROWS = 90


class Net(nn.Module):
    """3 inputs, 4 hidden units, 2 outputs, and a connection past the hidden units."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(3, 4)
        self.act = nn.ReLU()
        self.fc2 = nn.Linear(4, 2)
        self.skip = nn.Linear(3, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x))) + self.skip(x)


def net(seed: int = 0) -> tuple[Net, Tensor]:
    """Return a network with random weights, and data."""
    generator = torch.Generator().manual_seed(seed)
    model = Net()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model.eval(), torch.randn(ROWS, 3, generator=generator)


def by_hand(model: Net, x: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Run the network with its activations changed on the way, written out."""
    with torch.no_grad():
        return model.fc2(change(model.act(model.fc1(x)))) + model.skip(x)


def set_unit(unit: int, value: float) -> Callable[[Tensor], Tensor]:
    """Return a change that sets one unit."""

    def change(hidden: Tensor) -> Tensor:
        hidden = hidden.clone()
        hidden[:, unit] = value
        return hidden

    return change


COUNT, LEVELS = 4, 3  # variables, and values of the noise of each


class Binary(nn.Module):
    """Binary variables in an order, each a table of those before it and a noise of three values.

    The tables are parameters, so that one compiled model stands for all models of the kind.
    """

    def __init__(self) -> None:
        super().__init__()
        sizes = [2**place * LEVELS for place in range(COUNT)]
        self.tables = nn.ParameterList(
            [torch.zeros(size, 1, dtype=torch.float64) for size in sizes]
        )
        self.v = nn.ModuleList([nn.Identity() for _ in range(COUNT)])

    def forward(self, noise: Tensor) -> Tensor:
        values: list[Tensor] = []
        for place in range(COUNT):
            code = noise[:, place]
            for earlier in values:
                code = code * 2 + earlier[:, 0]
            cells = torch.arange(2**place * LEVELS, dtype=torch.float64)
            hot = (code[:, None] == cells).to(torch.float64)
            values.append(self.v[place](hot @ self.tables[place]))
        return torch.cat(values, dim=1)


Tables = list[list[int]]


def binary_model() -> tuple[Callable[[Tables], cm.StructuralCausalModel], list[str]]:
    """Return a function from tables to a model, and the names of the variables."""
    noise = torch.tensor(list(product(range(LEVELS), repeat=COUNT)), dtype=torch.float64)
    names = [f"v.{place}" for place in range(COUNT)]
    scm = cm.compile(Binary().eval(), noise, sites=names)
    nodes = scm.program.trace.parameters

    def build(tables: Tables) -> cm.StructuralCausalModel:
        changed = {
            node: torch.tensor(tables[int(name.split(".")[1])], dtype=torch.float64)[:, None]
            for node, name in nodes.items()
        }
        return scm.with_parameters(changed)

    return build, names


def enumerate_binary(tables: Tables, do: Mapping[int, int]) -> Iterable[tuple[int, ...]]:
    """Yield the values of all variables for each setting of the noise."""
    for noise in product(range(LEVELS), repeat=COUNT):
        values: list[int] = []
        for place in range(COUNT):
            code = noise[place]
            for earlier in values:
                code = code * 2 + earlier
            values.append(do.get(place, tables[place][code]))
        yield tuple(values)
