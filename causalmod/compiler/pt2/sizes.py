"""Running a graph from a file with bounds: on its numbers always, on its memory before data."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils import _pytree as pytree

from causalmod.compiler.pt2.bounds import check_call
from causalmod.compiler.pt2.tensors import memory
from causalmod.errors import CompileError


class BoundedRun(fx.Interpreter):
    """Runs a graph with bounds: numbers below 2**63, and arguments that fit together."""

    def __init__(self, module: nn.Module, graph: fx.Graph) -> None:
        super().__init__(module, graph=graph)
        self.extra_traceback = False

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one operation."""
        check_call(target, args, kwargs)
        found = super().call_function(target, args, kwargs)
        if isinstance(found, int) and abs(found) >= 2**63:
            raise CompileError("a size in the file passes 2**63; no tensor is that large")
        return found


class _Measured(BoundedRun):
    """Counts the bytes of all tensors that live at one time; the tensors hold no data."""

    def __init__(self, module: nn.Module, graph: fx.Graph, limit: int) -> None:
        super().__init__(module, graph)
        self._limit = limit
        self._users: dict[int, int] = {}
        self._bytes = 0

    def run_node(self, n: fx.Node) -> Any:
        """Run one node, and count what it made and what is read no longer after it."""
        found = super().run_node(n)
        for key, size in _storages(found):
            if self._users.setdefault(key, 0) == 0 and n.op == "call_function":
                self._bytes += size
            self._users[key] += 1
        if self._bytes > self._limit:
            raise CompileError(
                f"the network makes tensors of {self._bytes / 2**30:.1f} GiB at {n.name!r}, more "
                f"than this machine's memory ({self._limit / 2**30:.1f} GiB); give fewer rows, if "
                "you trust the file"
            )
        for done in self.user_to_last_uses.get(n, ()):
            for key, size in _storages(self.env.get(done)):
                self._users[key] -= 1
                if self._users[key] == 0 and done.op == "call_function":
                    self._bytes -= size
        return found


def check_memory(
    module: nn.Module, graph: fx.Graph, inputs: Sequence[Tensor], state: Mapping[str, Tensor]
) -> None:
    """Run a graph without data, and refuse it when its tensors would not fit into memory.

    Args:
        module: holds the graph's parameters.
        graph: the operations.
        inputs: the data, of which only the shapes are looked at.
        state: attribute path → parameter.

    Raises:
        CompileError: they would not.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with _unlogged(), mode, torch.no_grad():
        known = {name: mode.from_tensor(value.detach()) for name, value in state.items()}
        run = _Measured(module, graph, memory())
        run.fetch_attr = known.__getitem__  # type: ignore[method-assign]
        run.run(*(mode.from_tensor(value) for value in inputs))


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """Keep torch from logging the errors that are raised, and told, here."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _storages(value: Any) -> list[tuple[int, int]]:
    """Return key and bytes of the memory of each tensor in a value."""
    found: dict[int, int] = {}
    for leaf in pytree.tree_leaves(value):
        if isinstance(leaf, FakeTensor):
            storage = leaf.untyped_storage()
            found[storage._cdata] = storage.nbytes()
    return list(found.items())
