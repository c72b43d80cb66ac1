"""Trace a network into a graph of operations, with a name for every module's output.

``torch.export`` gives the operations but not which tensor a module returned, and drops modules that
compute nothing (``nn.Identity``). So each module's outputs pass through a marker operation while
the network is traced; the markers are then taken out again and leave their names behind.
"""

from __future__ import annotations

import functools
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from causalmod.compiler.ops import is_identity, op_name
from causalmod.errors import CompileError


@dataclass(frozen=True)
class Trace:
    """A network as a graph of pure operations.

    Attributes:
        graph: the operations, in an order in which they can run.
        constants: node name → parameter, buffer or constant.
        parameters: node name → name in the model's ``state_dict`` (parameters and buffers).
        inputs: input label → node name, in the order in which the inputs are passed.
        outputs: output label → node name.
        names: names given by the network's own modules → node name.
    """

    graph: fx.Graph
    constants: dict[str, Tensor]
    parameters: dict[str, str]
    inputs: dict[str, str]
    outputs: dict[str, str]
    names: dict[str, str]


def trace(
    model: nn.Module, args: tuple[Tensor, ...], kwargs: Mapping[str, Tensor], labels: list[str]
) -> Trace:
    """Trace ``model`` on a small batch whose first dimension may change later.

    Raises:
        CompileError: the network cannot be traced; the message names the user's file and line.
    """
    with _marked(model), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # deprecations inside the exporter, not the user's
        program = _export(model, args, kwargs)
        if any(_mutates(node) for node in program.graph.nodes):
            program = program.run_decompositions({})
    return _read(program, labels)


def _export(model: nn.Module, args: tuple[Tensor, ...], kwargs: Mapping[str, Tensor]) -> Any:
    rows = torch.export.Dim.DYNAMIC
    shapes = (tuple({0: rows} for _ in args), {name: {0: rows} for name in kwargs})
    dynamic = shapes[0] if not kwargs else _by_parameter(model, shapes)
    try:
        return torch.export.export(model, args, dict(kwargs), dynamic_shapes=dynamic, strict=False)
    except Exception as error:  # the exporter raises dozens of classes, several of them private
        raise _refusal(model, error) from error


def _by_parameter(
    model: nn.Module, shapes: tuple[tuple[Any, ...], dict[str, Any]]
) -> dict[str, Any]:
    import inspect

    names = list(inspect.signature(model.forward).parameters)
    return dict(zip(names, shapes[0], strict=False)) | shapes[1]


# --- markers ------------------------------------------------------------------------------------


@functools.cache
def _marker() -> Callable[[Tensor, str], Tensor]:
    """Define the marker operation, once, when the first network is compiled."""
    library = torch.library.Library("causalmod", "FRAGMENT")
    library.define("site(Tensor x, str name) -> Tensor")
    library.impl("site", lambda x, name: x.clone(), "CompositeExplicitAutograd")
    _marker.library = library  # type: ignore[attr-defined]  # the definition lives as long as this
    return torch.ops.causalmod.site.default


@contextmanager
def _marked(model: nn.Module) -> Iterator[None]:
    """Pass the output of every module through the marker while the context is open."""
    mark = _marker()
    calls: dict[str, int] = {}

    def hook(path: str) -> Callable[[nn.Module, Any, Any], Any]:
        def run(module: nn.Module, args: Any, output: Any) -> Any:
            calls[path] = calls.get(path, 0) + 1
            call = path if calls[path] == 1 else f"{path}@{calls[path]}"
            leaves, spec = pytree.tree_flatten(output)
            tensors = [place for place, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
            for place in tensors:
                name = call if len(tensors) == 1 else f"{call}.{place}"
                leaves[place] = mark(leaves[place], name)
            return pytree.tree_unflatten(leaves, spec)

        return run

    handles = [
        module.register_forward_hook(hook(path)) for path, module in model.named_modules() if path
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


# --- reading the exported program ---------------------------------------------------------------


def _read(program: Any, labels: list[str]) -> Trace:
    signature = program.graph_signature
    graph: fx.Graph = program.graph
    constants: dict[str, Tensor] = {}
    parameters: dict[str, str] = {}
    inputs: list[str] = []
    for spec in signature.input_specs:
        name = spec.arg.name
        kind = spec.kind.name
        if kind == "USER_INPUT":
            inputs.append(name)
        elif kind in {"PARAMETER", "BUFFER"}:
            held = program.state_dict if spec.target in program.state_dict else program.constants
            constants[name] = held[spec.target].detach()
            parameters[name] = spec.target
        elif kind == "CONSTANT_TENSOR":
            constants[name] = program.constants[spec.target].detach()
        else:
            raise CompileError(
                f"the network holds a {kind.lower()} that cannot be replayed: {name}"
            )
    mutated = [s for s in signature.output_specs if s.kind.name.endswith("MUTATION")]
    if mutated:
        raise CompileError(
            f"the network writes to {mutated[0].target!r} while it runs; a structural causal model "
            "needs a network without state: put it in eval mode, or copy before writing"
        )
    outputs = _output_labels(program)
    for node in list(graph.nodes):  # checks that the exporter adds; they read tensors but give none
        if node.op == "call_function" and op_name(node).startswith(("_assert", "sym_constrain")):
            graph.erase_node(node)
    names = _strip_markers(graph)
    # A marker may have stood right before the output; follow it to the tensor it named.
    final = [argument for argument in graph.output_node().args[0] if isinstance(argument, fx.Node)]
    return Trace(
        graph=graph,
        constants=constants,
        parameters=parameters,
        inputs=dict(zip(labels, inputs, strict=True)),
        outputs=dict(zip(outputs, [node.name for node in final], strict=True)),
        names=names,
    )


def _output_labels(program: Any) -> list[str]:
    leaves = list(program.graph.output_node().args[0])
    spec = program.call_spec.out_spec
    tree = pytree.tree_unflatten(list(range(len(leaves))), spec)
    if isinstance(tree, int):
        return ["output"]
    paths, _ = pytree.tree_flatten_with_path(tree)
    found: list[str] = []
    for path, place in paths:
        if isinstance(leaves[place], fx.Node):
            keys = [str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", k)))) for k in path]
            found.append(".".join(["output", *keys]))
    return ["output"] if len(found) == 1 else found


def _strip_markers(graph: fx.Graph) -> dict[str, str]:
    """Merge each operation that only renames a tensor into the tensor, and return the names.

    One that branches off (its tensor has other readers too) stays a node of its own: to intervene
    on it changes what its readers see and nothing else, just as a forward hook there would.
    """
    holder: dict[str, fx.Node] = {}
    for node in list(graph.nodes):
        if node.op != "call_function" or not is_identity(node):
            continue
        source = node.args[0]
        if op_name(node) == "site":
            holder[str(node.args[1])] = node
        if len(source.users) == 1:
            node.replace_all_uses_with(source)
            holder.update({name: source for name, held in holder.items() if held is node})
            graph.erase_node(node)
    return {name: node.name for name, node in holder.items()}


def _mutates(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


# --- refusals -----------------------------------------------------------------------------------


def _refusal(model: nn.Module, error: Exception) -> CompileError:
    """Say which line of the user's code the exporter could not follow, and what to do."""
    place = _user_line(error)
    where = f" at {place}" if place else ""
    kind = type(error).__name__
    text = str(error)
    if "GuardOnDataDependent" in kind or "data-dependent" in text or "GuardOnDataDependent" in text:
        return CompileError(
            f"the forward of {type(model).__name__} branches on the values of a tensor{where}; a "
            "structural causal model needs one graph for every input: replace the branch by "
            "torch.where, or by arithmetic on masks"
        )
    first = text.strip().splitlines()[0] if text.strip() else kind
    return CompileError(
        f"{type(model).__name__} cannot be traced{where}: {kind}: {first}. The network must be "
        "built of tensor operations whose shapes depend on the input shape alone, with the rows "
        "of the data in dimension 0"
    )


def _user_line(error: BaseException) -> str | None:
    """Return ``file:line (code)`` of the innermost frame outside torch and this package."""
    torch_root = str(Path(torch.__file__).parent)
    own_root = str(Path(__file__).parent.parent)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith((torch_root, own_root, "<")):
            continue
        code = f" ({frame.line})" if frame.line else ""
        return f"{frame.filename}:{frame.lineno}{code}"
    return None
