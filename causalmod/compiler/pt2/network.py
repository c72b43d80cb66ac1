"""A network read from a .pt2 file of ``torch.export.save``, from a stranger as a rule.

How a file is kept from running code. ``torch.export.load`` unpickles what the file marks as
pickled, evaluates expressions as Python, imports types that it names, compiles conditions that it
holds and takes any operator. So torch's loader never sees the file. This package reads it itself:

1. ``archive``: the zip members, all known, none compressed, overlapping, repeated, linked or
   outside the archive's folder, and together no larger than the file.
2. ``screen``: every entry of the JSON at any depth: operators, expressions, pickles, objects.
3. ``tensors``: raw bytes, seen in a shape only when the shape fits the bytes.
4. ``graph``: a ``torch.fx`` graph of listed operators (``operators``) on plain arguments. Sizes are
   never taken from expressions: the operations that compute them are run again.
5. ``network``: a ``torch.nn.Module`` that runs the graph, after a run without data has shown that
   its tensors fit into memory.

From there on it is a network like any other: it is traced by the same exporter and held to the
same checks (the same bits, rows apart, no state), so nothing in the rest of the package knows
where it came from. No code is generated from texts of the file: names that reach the exporter are
identifiers.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import io
import os
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor, fx, nn
from torch.fx.traceback import preserve_node_meta
from torch.utils import _pytree as pytree

from causalmod.compiler.inputs import Data, Inputs
from causalmod.compiler.pt2.archive import read_archive
from causalmod.compiler.pt2.program import Content, read_program
from causalmod.compiler.pt2.screen import screen
from causalmod.compiler.pt2.sizes import BoundedRun, check_memory
from causalmod.errors import CompileError, InputError

#: Numbers of rows on which a condition of the export is tried, besides those near its own numbers.
_ROWS: frozenset[int] = frozenset({*range(2, 514), *(2**power for power in range(10, 25))})


class FileNetwork(nn.Module):
    """A network read from a .pt2 file; call it, or give it to :func:`causalmod.compile`.

    Made by :func:`causalmod.load`. It is in eval mode, and its graph cannot leave it.
    """

    forward: Callable[..., Any]

    def __init__(self, content: Content) -> None:
        super().__init__()
        self.content = content
        for path, tensor in content.tensors.items():
            _hold(self, path, tensor)
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        signature = inspect.Signature(
            [inspect.Parameter(each.name, kinds[each.keyword]) for each in content.inputs]
        )

        def forward(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs).arguments
            return self.run([bound[each.name] for each in content.inputs])

        vars(forward)["__signature__"] = signature
        self.forward = forward
        self.eval()

    def run(self, values: list[Any]) -> Any:
        """Run the graph on the inputs in order, and arrange its results as the file says."""
        with preserve_node_meta():  # the exporter sees the modules of each operation
            results = BoundedRun(self, self.content.graph).run(*values)
        return self.content.outputs.fill(iter(results))

    def __deepcopy__(self, memo: dict[int, Any]) -> FileNetwork:
        """Copy the graph and the tensors; ``forward`` belongs to one network."""
        graph = fx.Graph()
        known: dict[fx.Node, fx.Node] = {}
        for node in self.content.graph.nodes:
            known[node] = graph.node_copy(node, known.__getitem__)
        tensors = copy.deepcopy(self.content.tensors, memo)
        return FileNetwork(dataclasses.replace(self.content, graph=graph, tensors=tensors))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FileNetwork:
        """Move the network, as ``.to(device)`` asks: the tensors that its graph makes move too."""
        super()._apply(fn, recurse)
        for path in self.content.tensors:
            self.content.tensors[path] = attrgetter(path)(self)
        device = fn(torch.empty(0)).device
        for node in self.content.graph.nodes:
            node.args, node.kwargs = pytree.tree_map(
                lambda held: device if isinstance(held, torch.device) else held,
                (node.args, node.kwargs),
            )
        return self

    def check(self, data: Data) -> None:
        """Check data against what the file says of its inputs, and the memory that they need.

        Raises:
            InputError: another dtype, shape or number of inputs.
            CompileError: the graph makes tensors that do not fit into memory, or does not run.
        """
        given = dict(zip((each.name for each in self.content.inputs), data.args, strict=False))
        given.update(data.kwargs)
        expected = [each.name for each in self.content.inputs]
        if sorted(given) != sorted(expected) or len(data.args) > len(expected):
            raise InputError(f"the network takes {expected}; given {len(data.tensors)} tensors")
        sizes: dict[str, int] = {}
        for each in self.content.inputs:
            value = given[each.name]
            self._check_shape(each.name, value, sizes)
            for place, size in enumerate(value.shape):
                sizes[f"{each.name}__{place}"] = size
        self._check_conditions(sizes)
        values = [given[name] for name in expected]
        try:
            check_memory(self, self.content.graph, values, self.content.tensors)
        except CompileError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever an operator raises about shapes
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise CompileError(f"the graph of the file does not run: {first}") from None

    def _check_shape(self, name: str, value: Tensor, sizes: dict[str, int]) -> None:
        """Match one input with its sizes in the file; symbols found are added to ``sizes``."""
        expected = next(each for each in self.content.inputs if each.name == name)
        shown = [e.tree if isinstance(e.tree, int) else "any" for e in expected.sizes]
        fits = value.dtype == expected.dtype and value.ndim == len(expected.sizes)
        for size, wanted in zip(value.shape, expected.sizes, strict=False):
            if wanted.symbol is not None:
                low, high = self.content.ranges.get(wanted.symbol, (0, 2**63))
                fits &= sizes.setdefault(wanted.symbol, size) == size and low <= size <= high
            elif wanted.symbols <= sizes.keys():
                fits &= wanted.value(sizes) == size
        if not fits:
            raise InputError(
                f"input {name!r} has shape {list(value.shape)} and dtype {value.dtype}; the "
                f"network in the file takes {shown} of {expected.dtype}"
            )

    def _check_conditions(self, sizes: dict[str, int]) -> None:
        """Check the conditions of the export on this data, and for other numbers of rows."""
        rows = {f"{each.name}__0" for each in self.content.inputs}
        for text, condition in self.content.conditions:
            if not condition.value(sizes):
                raise InputError(f"the network was exported for data on which {text}; these differ")
            if not condition.symbols & rows:
                continue
            tried: set[int] = {number + step for number in condition.numbers for step in (-1, 0, 1)}
            for count in sorted({*_ROWS, *tried} - {0, 1}):
                if count > 0 and not condition.value(sizes | dict.fromkeys(rows, count)):
                    raise CompileError(
                        f"the file holds the network only when {text}, which {count} rows break; a "
                        "causal model runs it on any number of rows: remove the test on x.shape[0] "
                        "and export it again"
                    )

    def extra_repr(self) -> str:
        """Name the inputs."""
        return ", ".join(each.name for each in self.content.inputs)


def read_network(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> FileNetwork:
    """Read a network from a .pt2 file without running anything that stands in it.

    Args:
        path: a file of ``torch.export.save``, from whoever.
        device: where its parameters go.

    Raises:
        InputError: there is no such file, or it is no archive.
        CompileError: it holds something that could run code or that cannot be replayed, or it is
            damaged.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"there is no file {file}; expected a .pt2 file of torch.export.save")
    with file.open("rb") as opened:
        return _read(opened, file.stat().st_size, str(file), torch.device(device))


def read_exported(program: Any, device: torch.device | str = "cpu") -> FileNetwork:
    """Turn an exported program that is in memory into a network, by way of its file.

    Raises:
        CompileError: as for :func:`read_network`.
    """
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    size = buffer.tell() if buffer.tell() else len(buffer.getvalue())
    buffer.seek(0)
    return _read(buffer, size, "the exported program", torch.device(device))


def as_network(model: Any, inputs: Inputs, device: torch.device | None = None) -> Any:
    """Return the network that a path or an exported program stands for; anything else as it is.

    Args:
        model: a path, a ``torch.export.ExportedProgram``, or a network.
        inputs: the data.
        device: where parameters go; None for where the data is.

    Raises:
        InputError, CompileError: as for :func:`read_network`.
    """
    if not isinstance(model, (str, os.PathLike, torch.export.ExportedProgram)):
        return model
    if device is None:
        leaves = [leaf for leaf in pytree.tree_leaves(inputs) if isinstance(leaf, Tensor)]
        device = leaves[0].device if leaves else torch.device("cpu")
    if isinstance(model, torch.export.ExportedProgram):
        return read_exported(model, device)
    return read_network(model, device)


def _read(file: IO[bytes], size: int, name: str, device: torch.device) -> FileNetwork:
    try:
        archive = read_archive(file, size)
        for document in (archive.model, archive.weights, archive.constants):
            screen(document)
        return FileNetwork(read_program(archive, device))
    except InputError as reason:
        raise InputError(f"cannot use {name}: {reason}") from None
    except CompileError as reason:
        raise CompileError(f"cannot use {name}: {reason}") from None
    except (RuntimeError, TypeError, KeyError, ValueError, RecursionError, MemoryError) as reason:
        kind = type(reason).__name__
        raise CompileError(f"cannot use {name}: the file is damaged ({kind}: {reason})") from None


def _hold(module: nn.Module, path: str, tensor: Tensor) -> None:
    """Make a tensor the parameter or buffer of a module at a path, as far as modules go."""
    *parts, last = path.split(".")
    for part in parts:
        if part not in module._modules:
            module.add_module(part, nn.Module())
        module = module.get_submodule(part)
    if isinstance(tensor, nn.Parameter):
        module.register_parameter(last, tensor)
    else:
        module.register_buffer(last, tensor)
