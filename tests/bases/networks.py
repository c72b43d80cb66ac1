"""Networks and bases that the tests of bases share."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

import causalmod as cm


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rotation(size: int, seed: int = 0) -> Tensor:
    """A random orthogonal matrix, in double precision."""
    square = torch.randn(size, size, generator=seeded(seed), dtype=torch.float64)
    return torch.linalg.qr(square)[0]


def two_tracks(width: int = 4, seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Sequential:
    """Input, a linear site ``0`` and a linear site ``1``, tanh ``2``, output: two blocks apart."""
    generator = seeded(seed)
    layers = [nn.Linear(4, width), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 2)]
    with torch.no_grad():
        for layer in layers:
            if isinstance(layer, nn.Linear):
                weight = torch.randn(layer.weight.shape, generator=generator)
                rows = torch.arange(weight.shape[0]) * 2 // weight.shape[0]
                columns = torch.arange(weight.shape[1]) * 2 // weight.shape[1]
                layer.weight.copy_(weight * (rows[:, None] == columns[None]))
                layer.bias.copy_(torch.randn(layer.bias.shape, generator=generator) / 4)
    return nn.Sequential(*layers).to(dtype).eval()


def rotated(net: nn.Sequential, turn: Tensor, place: int = 0) -> nn.Sequential:
    """The same function, with what linear layer ``place`` gives rotated: ``h -> h @ turn.T``."""
    changed = copy.deepcopy(net)
    before, after = changed[place], changed[place + 1]
    assert isinstance(before, nn.Linear)
    assert isinstance(after, nn.Linear)
    turn = turn.to(before.weight.dtype)
    with torch.no_grad():
        before.weight.copy_(turn @ before.weight)
        before.bias.copy_(turn @ before.bias)
        after.weight.copy_(after.weight @ turn.T)
    return changed


def data(rows: int = 160, dtype: torch.dtype = torch.float64, seed: int = 5) -> Tensor:
    return torch.randn(rows, 4, generator=seeded(seed)).to(dtype)


def pair(
    dtype: torch.dtype = torch.float64, rows: int = 160, width: int = 4
) -> tuple[cm.StructuralCausalModel, cm.StructuralCausalModel]:
    """A model, and its rotated copy read in the inverse rotation."""
    net, turn = two_tracks(width, dtype=dtype), rotation(width, 3)
    sites = ["0", "1", "2", "output"]
    plain = cm.compile(net, data(rows, dtype), sites)
    # features = turn @ neurons, so neurons = turn.T @ features
    turned = cm.compile(rotated(net, turn), data(rows, dtype), sites, basis={"0": turn.T})
    return plain, turned
