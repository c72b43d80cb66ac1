""".pt2 files to read: of ordinary networks, and of what a stranger might send."""

from __future__ import annotations

import functools
import inspect
import io
import json
import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from tests.compiler.networks import Inputs, no_fast_path

ROWS = {0: torch.export.Dim.DYNAMIC}
MODEL = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"
SAMPLES = "data/sample_inputs/model.pt"


class Small(nn.Module):
    """Has a parameter, a buffer, a constant and a size in its graph."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc = nn.Linear(3, 4)
        self.act = nn.ReLU()
        self.register_buffer("scale", torch.tensor([1.0, 2.0, 3.0, 4.0]))

    def forward(self, x: Tensor) -> Tensor:
        shift = torch.tensor([0.5, 0.25])
        return (self.act(self.fc(x)) * self.scale).view(x.shape[0], 2, 2) + shift


DATA = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))


def export(model: nn.Module, inputs: Inputs, shapes: Any = None) -> torch.export.ExportedProgram:
    """Export a network with any number of rows, unless told otherwise."""
    if isinstance(inputs, Mapping):
        args, kwargs = (), dict(inputs)
    else:
        args, kwargs = inputs if isinstance(inputs, tuple) else (inputs,), {}
    bound = dict(inspect.signature(model.forward).bind(*args, **kwargs).arguments)
    if shapes is None:
        shapes = pytree.tree_map(lambda leaf: ROWS if isinstance(leaf, Tensor) else None, bound)
    with no_fast_path():
        return torch.export.export(model, args, kwargs, dynamic_shapes=shapes, strict=False)


def saved(program: torch.export.ExportedProgram) -> bytes:
    """Bytes of the file that torch writes."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


@functools.cache
def small_file() -> bytes:
    """A file of the small network."""
    return saved(export(Small().eval(), DATA))


class File:
    """A .pt2 file whose members can be changed.

    Attributes:
        members: path in the archive's folder → bytes.
    """

    def __init__(self, content: bytes | None = None) -> None:
        with zipfile.ZipFile(io.BytesIO(small_file() if content is None else content)) as opened:
            self.root = opened.namelist()[0].partition("/")[0]
            self.members = {name.partition("/")[2]: opened.read(name) for name in opened.namelist()}
        self.texts = {name: json.loads(self.members[name]) for name in (MODEL, WEIGHTS, CONSTANTS)}

    @property
    def graph(self) -> dict[str, Any]:
        """The graph, to be changed."""
        return self.texts[MODEL]["graph_module"]["graph"]

    def node(self, target: str) -> dict[str, Any]:
        """The first operation of a kind, to be changed."""
        return next(node for node in self.graph["nodes"] if target in node["target"])

    def write(self, path: Path) -> Path:
        """Write the file, members as they are, as torch does."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as opened:
            for name, content in self.members.items():
                text = self.texts.get(name)
                opened.writestr(
                    f"{self.root}/{name}", content if text is None else json.dumps(text)
                )
        return path


class Mark:
    """Pickles into a program that makes a folder when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return os.mkdir, (self.path,)


def torch_pickle(path: Path) -> bytes:
    """What ``torch.save`` writes of an object that creates ``path`` when it is loaded."""
    buffer = io.BytesIO()
    torch.save(Mark(path), buffer)
    return buffer.getvalue()


def plain_pickle(path: Path) -> bytes:
    """A pickle that creates ``path`` when it is loaded."""
    return pickle.dumps(Mark(path))


def load_with_torch(path: Path, run: bool = True) -> None:
    """Load a file with torch's own loader, and run it; what it raises on the way is no matter."""
    try:
        program = torch.export.load(path)
        if run:
            program.module()(DATA)
    except Exception:  # noqa: BLE001 - the mark tells, not the result
        pass
