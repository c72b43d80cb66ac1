"""A traced network as JSON and tensors, and back: the same graph, node by node."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._dispatch.python import enable_python_dispatcher
from torch._dynamo.source import ConstantSource
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import (
    DimDynamic,
    ShapeEnv,
    StatelessSymbolicContext,
)

from causalmod.compiler.plain import Reader, UnwritableError, Writer, operator_text, read_operator
from causalmod.compiler.pt2.fields import field, of_kind
from causalmod.compiler.pt2.sizes import BoundedRun, check_memory
from causalmod.compiler.trace import Trace
from causalmod.errors import CompileError


def write_trace(trace: Trace, writer: Writer) -> dict[str, Any]:
    """Return a traced network as JSON; its tensors go to the writer.

    Raises:
        CompileError: it calls an operator that a file may not call.
    """
    held = {
        each.name: writer.write(getattr(trace, each.name))
        for each in dataclasses.fields(trace)
        if each.name != "graph"
    }
    return {**held, "graph": [_write_node(node, writer) for node in trace.graph.nodes]}


def _write_node(node: fx.Node, writer: Writer) -> dict[str, Any]:
    try:
        stack = node.meta.get("nn_module_stack") or {}
        return {
            "name": node.name,
            "op": node.op,
            "target": operator_text(node.target) if callable(node.target) else str(node.target),
            "args": writer.write(tuple(node.args)),
            "kwargs": writer.write(dict(node.kwargs)),
            "modules": [[key, str(path)] for key, (path, *_) in stack.items()],
        }
    except UnwritableError as what:
        raise CompileError(
            f"cannot save the model: its operation {node.name!r} ({what}) is not on the list of "
            "operators that a file may call; keep the network's code, and compile it again"
        ) from None


def read_trace(held: Mapping[str, Any], reader: Reader, data: Mapping[str, Tensor]) -> Trace:
    """Return the traced network of a file.

    Args:
        held: what :func:`write_trace` gave.
        reader: reads values, and learns the nodes.
        data: input node → data, for its shapes.

    Raises:
        CompileError: it is damaged, or calls an operator that a file may not call.
    """
    graph = fx.Graph()
    for node in field(held, "graph", list):
        _read_node(of_kind(node, dict, "node"), graph, reader)
    wanted = {each.name for each in dataclasses.fields(Trace)} - {"graph"}
    trace = Trace(graph, **{name: reader.read(field(held, name, object)) for name in wanted})
    known = {**trace.constants, **data}
    places = [node.name for node in graph.nodes if node.op == "placeholder"]
    if set(places) != set(known) or set(trace.inputs.values()) != set(data):
        raise CompileError("the file is damaged: its graph and its tensors differ")
    try:
        check_memory(nn.Module(), graph, [known[name] for name in places], {})
        _find_sizes(graph, [(name, known[name], name in data) for name in places])
    except (RuntimeError, TypeError, ValueError, IndexError, KeyError) as reason:
        if isinstance(reason, CompileError):
            raise
        raise CompileError(f"the file is damaged: its graph does not run: {reason}") from None
    return trace


def _read_node(held: Mapping[str, Any], graph: fx.Graph, reader: Reader) -> None:
    name, op = field(held, "name", str), field(held, "op", str)
    target: Any = field(held, "target", str)
    if op not in {"placeholder", "call_function", "output"} or not name.isidentifier():
        raise CompileError(f"the file is damaged: a node {name[:40]!r} of the kind {op[:40]!r}")
    if op == "call_function":
        target = read_operator(target)
    args, kwargs = reader.read(field(held, "args", dict)), reader.read(field(held, "kwargs", dict))
    if name in reader.nodes:
        raise CompileError(f"the file is damaged: two nodes called {name[:40]!r}")
    made = graph.create_node(op, target, args, kwargs, name)
    made.name = (
        name  # fx avoids the names of Python's own functions, such as input; export does not
    )
    modules = field(held, "modules", list)
    if modules:
        made.meta["nn_module_stack"] = {
            of_kind(key, str, "module"): (of_kind(path, str, "module"), "") for key, path in modules
        }
    reader.nodes[name] = made


class _Sized(BoundedRun):
    """Writes to each node what it computes, without data."""

    def run_node(self, n: fx.Node) -> Any:
        """Run one node."""
        found = super().run_node(n)
        n.meta["val"] = found
        return found


def _find_sizes(graph: fx.Graph, places: list[tuple[str, Tensor, bool]]) -> None:
    """Find the shape of every tensor for any number of rows, as the exporter does."""
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)

    def shaped(name: str, value: Tensor, by_row: bool) -> Tensor:
        if not by_row:
            return mode.from_tensor(value, static_shapes=True)
        # DUCK: inputs with as many rows have the same symbol
        sizes = [DimDynamic.DUCK, *[DimDynamic.STATIC] * (value.ndim - 1)]
        context: Any = StatelessSymbolicContext(dynamic_sizes=sizes)
        return mode.from_tensor(value, symbolic_context=context, source=ConstantSource(name))

    with mode, enable_python_dispatcher(), torch.no_grad():  # as in the exporter
        _Sized(nn.Module(), graph).run(*(shaped(*place) for place in places))
    for node in graph.nodes:
        if node.op == "output":
            node.meta.pop("val", None)
