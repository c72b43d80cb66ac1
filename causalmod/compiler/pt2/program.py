"""What a .pt2 file says about its network, put together: inputs, graph, parameters, outputs."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from causalmod.compiler.pt2.archive import Archive
from causalmod.compiler.pt2.containers import Container, read_container
from causalmod.compiler.pt2.expressions import Expression, read_expression
from causalmod.compiler.pt2.fields import field, of_kind, union
from causalmod.compiler.pt2.graph import GraphReader, graph_inputs
from causalmod.compiler.pt2.modules import mark_modules
from causalmod.compiler.pt2.tensors import Tensors, input_shape, read_dtype
from causalmod.compiler.trace import site_marker
from causalmod.errors import CompileError

_SIZE = re.compile(
    r"L\['(?P<name>[A-Za-z_]\w*)'\](\[(?P<place>\d{1,3})\])?\.size\(\)\[(?P<axis>\d{1,2})\]",
    re.ASCII,
)
_SCHEMA = 8
_TAKEN = frozenset(dir(nn.Module())) | {"content", "check", "run"}


@dataclass(frozen=True)
class Expected:
    """What a network from a file expects of one input.

    Attributes:
        name: name of the parameter.
        keyword: must it be given by name?
        sizes: its shape; the first is the rows.
        dtype: its dtype.
    """

    name: str
    keyword: bool
    sizes: tuple[Expression, ...]
    dtype: torch.dtype


@dataclass(frozen=True)
class Content:
    """A network as a file holds it.

    Attributes:
        graph: its operations: a placeholder for each input, an attribute for each tensor.
        tensors: attribute path → parameter, buffer or constant.
        inputs: what it is called on.
        outputs: how its results are arranged.
        conditions: comparisons of sizes (``x__1`` is the second of input ``x``) that must hold.
        ranges: symbol → smallest and largest size.
    """

    graph: fx.Graph
    tensors: dict[str, Tensor]
    inputs: tuple[Expected, ...]
    outputs: Container
    conditions: tuple[tuple[str, Expression], ...]
    ranges: dict[str, tuple[int, int]]


def read_program(archive: Archive, device: torch.device) -> Content:
    """Build the network of a screened archive.

    Args:
        archive: its members.
        device: where its tensors go.

    Raises:
        CompileError: it is damaged, or not a network that can be replayed on any number of rows.
    """
    model = archive.model
    version = field(field(model, "schema_version", dict), "major", int)
    if version != _SCHEMA:
        raise CompileError(f"it has schema version {version}, expected {_SCHEMA}; export it again")
    module = field(model, "graph_module", dict)
    held, signature = field(module, "graph", dict), field(module, "signature", dict)
    reader, tensors = GraphReader(device), Tensors(archive, device)
    known: dict[str, fx.Node] = {}
    state: dict[str, Tensor] = {}
    users: list[str | None] = []
    names = list(graph_inputs(held))
    specs = [union(each) for each in field(signature, "input_specs", list)]
    if len(names) != len(specs):
        raise CompileError("the file is damaged: its graph and its signature differ in inputs")
    for name, (kind, spec) in zip(names, specs, strict=True):
        if kind in {"user_input", "constant_input"}:
            users.append(name if kind == "user_input" else None)
            continue
        if name is None or name in known or kind not in _STATE:
            raise CompileError(f"the network holds a {kind[:40]} that cannot be replayed")
        full = field(spec, _STATE[kind], str)
        path = _attribute(full)
        tensor = tensors.get(full)
        if state.setdefault(path, tensor) is not tensor:
            raise CompileError(f"two tensors of the network would both be called {path!r}")
        known[name] = reader.graph.get_attr(path)
    inputs = _inputs(module, held, users)
    for each, name in zip(inputs, (name for name in users if name is not None), strict=True):
        if name in known:
            raise CompileError(f"two inputs of its graph are called {name[:80]!r}")
        known[name] = reader.graph.placeholder(each.name)
        reader.tensors[known[name]] = None
    results = reader.read(held, known)
    outputs = _outputs(module, signature, results)
    reader.graph.output(tuple(outputs[1]))
    mark_modules(reader, site_marker())
    ranges = _ranges(model)
    _check_any_rows(inputs, ranges)
    return Content(reader.graph, state, inputs, outputs[0], _conditions(model, inputs), ranges)


_STATE = {
    "parameter": "parameter_name", "buffer": "buffer_name",
    "tensor_constant": "tensor_constant_name",
}  # fmt: skip


def _attribute(name: str) -> str:
    """Turn a parameter's name into a path of attributes that is safe to set on a module."""
    parts = [re.sub(r"\W", "_", part, flags=re.ASCII) for part in name.split(".")]
    if not all(parts) or len(name) > 500 or len(parts) > 50:
        raise CompileError(f"a tensor of the network is called {name[:80]!r}")
    return ".".join(f"{part}_" if part in _TAKEN else part for part in parts)


# --- inputs and outputs ---------------------------------------------------------------------------


def _containers(module: Mapping[str, Any]) -> tuple[Container, Container, list[Any]]:
    calls = field(module, "module_call_graph", list)
    root = next((each for each in calls if field(each, "fqn", str) == ""), None)
    signature = field(root, "signature", dict)
    fields = module.get("treespec_namedtuple_fields", {})
    named = {
        name: tuple(of_kind(each, str, name) for each in field(held, "field_names", list))
        for name, held in of_kind(fields, dict, "treespec_namedtuple_fields").items()
    }
    taken = read_container(field(signature, "in_spec", str), named)
    given = read_container(field(signature, "out_spec", str), named)
    return taken, given, signature.get("forward_arg_names") or []


def _inputs(
    module: Mapping[str, Any], held: Mapping[str, Any], users: Sequence[str | None]
) -> tuple[Expected, ...]:
    """Describe the inputs: ``users`` are graph names in order, None for a constant."""
    taken, _, names = _containers(module)
    parts = taken.parts or ()
    if len(parts) != 2 or any(part.parts is None for part in parts):
        raise CompileError("the file is damaged: its inputs are no arguments of a call")
    positional, named = parts[0].parts or (), parts[1].parts or ()
    if any(each.parts is not None for each in (*positional, *named)):
        raise CompileError(
            "the network takes lists or dicts of tensors; export one whose forward takes each "
            "tensor as an argument of its own"
        )
    if len(positional) + len(named) != len(users):
        raise CompileError("the file is damaged: its graph and its call differ in inputs")
    labels = [*names[: len(positional)], *(parts[1].keys or ())]
    if len(labels) != len(users):
        labels = [*(each or "_" for each in users[: len(positional)]), *(parts[1].keys or ())]
    values = field(held, "tensor_values", dict)
    found: list[Expected] = []
    for place, (label, name) in enumerate(zip(labels, users, strict=True)):
        if name is None:
            continue
        if not isinstance(label, str) or not label.isidentifier() or not label.isascii():
            raise CompileError(f"an input of the network is called {str(label)[:80]!r}")
        if keyword.iskeyword(label) or len(label) > 100 or label in {each.name for each in found}:
            raise CompileError(f"an input of the network is called {label[:80]!r}")
        if name not in values:
            raise CompileError(f"input {label!r} of the network is no tensor")
        shape = input_shape(values[name])
        sizes = tuple(
            read_expression(size) if isinstance(size, str) else Expression(size) for size in shape
        )
        dtype = read_dtype(field(values[name], "dtype", int))
        found.append(Expected(label, place >= len(positional), sizes, dtype))
    if not found:
        raise CompileError("the network takes no tensor; there is nothing to intervene from")
    return tuple(found)


def _outputs(
    module: Mapping[str, Any], signature: Mapping[str, Any], results: Sequence[Any]
) -> tuple[Container, list[Any]]:
    """Return how the results are arranged, and those that the network returns."""
    specs = [union(each) for each in field(signature, "output_specs", list)]
    if len(specs) != len(results):
        raise CompileError("the file is damaged: its graph and its signature differ in outputs")
    for kind, spec in specs:
        if kind in {"buffer_mutation", "parameter_mutation"}:
            name = spec.get("buffer_name") or spec.get("parameter_name")
            raise CompileError(
                f"the network writes to {name!r} while it runs; a structural causal model needs a "
                "network without state: call model.eval() before torch.export.export"
            )
        if kind not in {"user_output", "user_input_mutation"}:
            raise CompileError(f"the network has an output of the kind {kind[:40]!r}")
    returned = [r for r, (kind, _) in zip(results, specs, strict=True) if kind == "user_output"]
    _, given, _ = _containers(module)
    if given.leaves != len(returned):
        raise CompileError("the file is damaged: its graph and its call differ in outputs")
    return given, returned


# --- sizes ----------------------------------------------------------------------------------------


def _ranges(model: object) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for text, held in field(model, "range_constraints", dict).items():
        expression = read_expression(text)
        low, high = field(held, "min_val", object), field(held, "max_val", object)
        bounds = (0 if low is None else low, 2**63 if high is None else high)
        if not all(isinstance(each, int) for each in bounds):
            raise CompileError("the file is damaged: the range of a size")
        if expression.symbol is not None:
            found[expression.symbol] = bounds  # pyright: ignore[reportArgumentType]
    return found


def _check_any_rows(inputs: Sequence[Expected], ranges: Mapping[str, tuple[int, int]]) -> None:
    """Refuse a network that was exported for one number of rows, or for some only."""
    for each in inputs:
        first = each.sizes[0] if each.sizes else Expression(0)
        symbol = first.symbol
        if symbol is None:
            rows = f"{first.tree} rows" if isinstance(first.tree, int) else "certain rows"
            raise CompileError(
                f"it was exported for exactly {rows} (dimension 0 of input {each.name!r}), but a "
                f"causal model runs it on any number of them; export it with a dynamic first "
                f"dimension: {export_line(inputs)}"
            )
        low, high = ranges.get(symbol, (0, 2**63))
        if low > 2 or high < 2**62:
            bound = f"less than {low}" if low > 2 else f"more than {high}"
            raise CompileError(
                f"it was exported for no {bound} rows (dimension 0 of input {each.name!r}), but a "
                f"causal model runs it on any number of them; export it without bounds: "
                f"{export_line(inputs)}"
            )


def export_line(inputs: Sequence[Expected]) -> str:
    """Return the line that exports a network with any number of rows."""
    args = ", ".join(each.name for each in inputs if not each.keyword)
    named = ", ".join(f"{each.name!r}: {each.name}" for each in inputs if each.keyword)
    rows = "{0: torch.export.Dim.DYNAMIC}"
    shapes = ", ".join(f"{each.name!r}: {rows}" for each in inputs)
    call = f"({args}{',' if args else ''})" + (f", {{{named}}}" if named else "")
    return f"torch.export.export(model, {call}, dynamic_shapes={{{shapes}}})"


def _size_name(match: re.Match[str]) -> str:
    """``L['x'].size()[1]`` → ``x__1``, ``L['more'][0].size()[1]`` → ``more_0__1``."""
    place = f"_{match['place']}" if match["place"] else ""
    return f"{match['name']}{place}__{match['axis']}"


def _conditions(model: object, inputs: Sequence[Expected]) -> tuple[tuple[str, Expression], ...]:
    """Read the conditions on sizes under which the graph is the network.

    torch keeps them as Python code; ``x.size()[1]`` becomes ``x__1``.
    """
    known = {f"{each.name}__{place}" for each in inputs for place in range(len(each.sizes))}
    found: list[tuple[str, Expression]] = []
    codes = model.get("guards_code", []) if isinstance(model, dict) else []
    for code in of_kind(codes, list, "guards_code"):
        text = _SIZE.sub(_size_name, of_kind(code, str, "guard"))
        read = read_expression(text, compare=True)
        if not read.symbols <= known:
            raise CompileError(f"it holds only when {text[:80]!r}, which cannot be checked")
        found.append((text, read))
    return tuple(found)
