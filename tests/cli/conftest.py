"""A user's folder: their own module, weights and data; the command is run in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

MODULE = """
import torch
from torch import nn

class Halves(nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 2)
        with torch.no_grad():
            for layer in (self.first, self.second):
                weight = torch.rand(layer.weight.shape, generator=generator) + 0.2
                rows, columns = weight.shape
                weight[: rows // 2, columns // 2 :] = 0.0
                weight[rows // 2 :, : columns // 2] = 0.0
                layer.weight.copy_(weight)
                layer.bias.zero_()
    def forward(self, x):
        return self.second(torch.relu(self.first(x)))

def halves():
    print("building the network")
    return Halves()

class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.b.weight = self.a.weight
    def forward(self, x):
        return self.b(torch.relu(self.a(x)))

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Halves()
    def forward(self, left, right):
        return self.inner(torch.cat([left, right], dim=1))

def broken():
    raise RuntimeError("no such thing\\x1b[31m")

def number():
    return 3

ready = Halves()
value = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "bad.py").write_text("import missing_package_of_mine")
    (tmp_path / "worse.py").write_text("\nx = 1 / 0")
    rows = np.random.default_rng(0).random((24, 4))
    np.save(tmp_path / "rows.npy", rows.astype(np.float32))
    np.save(tmp_path / "rows64.npy", rows)
    np.savez(tmp_path / "two.npz", left=rows[:, :2], right=rows[:, 2:])
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    yield tmp_path
    sys.path[:] = before
    for name in ("mine", "bad", "worse"):
        sys.modules.pop(name, None)
