"""Trace a network into a graph of operations, with a name for every module's output.

``torch.export`` gives the operations but not which tensor a module returned, and drops modules that
compute nothing (``nn.Identity``). So each module's outputs pass through a marker operation while
the network is traced; the markers are then taken out again and leave their names behind.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils import _pytree as pytree

from causalmod.compiler.inputs import Data
from causalmod.compiler.ops import is_rename, op_name
from causalmod.compiler.refusal import refusal, refuse_random, whole_stack_traces
from causalmod.compiler.regions import open_regions
from causalmod.compiler.running import plain_mode, plain_result, replace_tensors
from causalmod.errors import CompileError

_CHATTY = ("torch.export._trace", "torch.fx.experimental.symbolic_shapes")


@dataclass(frozen=True)
class Trace:
    """A network as a graph of pure operations.

    Attributes:
        graph: the operations, in an order in which they can run.
        constants: node name → a copy of the parameter, buffer or constant.
        parameters: node name → name in the model's ``state_dict`` (parameters and buffers).
        trainable: nodes of the parameters that require a gradient.
        inputs: input label → node name, in the order in which the inputs are passed.
        outputs: output label → node name.
        names: names given by the network's own modules → node name.
        hooks: those of the names that belong to an ``nn.Identity``.
    """

    graph: fx.Graph
    constants: dict[str, Tensor]
    parameters: dict[str, str]
    trainable: frozenset[str]
    inputs: dict[str, str]
    outputs: dict[str, str]
    names: dict[str, str]
    hooks: frozenset[str]


def trace(model: nn.Module, data: Data) -> Trace:
    """Trace ``model`` for any number of rows.

    Raises:
        CompileError: the network cannot be traced; the message names the user's file and line.
    """
    hooks: set[str] = set()
    plainly = (_quiet(), plain_mode(model), torch.no_grad(), whole_stack_traces())
    with _marked(model, hooks), contextlib.ExitStack() as stack:
        for each in plainly:
            stack.enter_context(each)
        program = _export(model, data)
    refuse_random(program.graph)
    return _read(program, data.labels, frozenset(hooks))


def _export(model: nn.Module, data: Data) -> Any:
    signature = inspect.signature(model.forward)
    bound = signature.bind(*data.args, **data.kwargs).arguments
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD and parameter.name in bound:
            raise CompileError(
                f"forward takes {', '.join(bound[parameter.name])} through **{parameter.name} "
                "only, which the exporter cannot follow; make them named parameters of forward"
            )
    shapes = pytree.tree_map(lambda _: {0: torch.export.Dim.DYNAMIC}, dict(bound))
    try:
        program: Any = torch.export.export(
            model, data.args, data.kwargs, dynamic_shapes=shapes, strict=False
        )
        if any(_mutates(node) for node in program.graph.nodes):
            program = program.run_decompositions({})
        return program
    except Exception as error:  # the exporter raises dozens of classes, several of them private
        raise refusal(model, error) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporter prints, logs and deprecates away from the user."""
    loggers = [logging.getLogger(name) for name in _CHATTY]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    nowhere = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(nowhere):
            warnings.simplefilter("ignore")
            with contextlib.redirect_stdout(nowhere):
                yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


# --- markers ------------------------------------------------------------------------------------


@functools.cache
def _marker() -> tuple[Callable[[Tensor, str], Tensor], torch.library.Library]:
    """Define the marker operation, once, when the first network is compiled."""
    library = torch.library.Library("causalmod", "FRAGMENT")
    library.define("site(Tensor x, str name) -> Tensor")
    library.impl("site", lambda x, name: x.clone(), "CompositeExplicitAutograd")
    return torch.ops.causalmod.site.default, library  # the definition lives as long as the library


def site_marker() -> Callable[[Tensor, str], Tensor]:
    """Return the operation that carries a name through the exporter: ``(tensor, name)``."""
    return _marker()[0]


@contextlib.contextmanager
def _marked(model: nn.Module, hooks: set[str]) -> Iterator[None]:
    """Pass the output of every module through the marker while the context is open."""
    mark, _ = _marker()
    calls: dict[str, int] = {}

    def hook(path: str) -> Callable[[nn.Module, Any, Any], Any]:
        def run(module: nn.Module, args: Any, output: Any) -> Any:
            calls[path] = calls.get(path, 0) + 1
            call = path if calls[path] == 1 else f"{path}@{calls[path]}"

            def marked(place: int, count: int, value: Tensor) -> Tensor:
                name = call if count == 1 else f"{call}.{place}"
                if type(module) is nn.Identity:
                    hooks.add(name)
                return mark(value, name)

            return replace_tensors(output, marked)

        return run

    handles = [
        module.register_forward_hook(hook(path)) for path, module in model.named_modules() if path
    ]
    handles.append(model.register_forward_hook(lambda _, __, result: plain_result(result)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


# --- reading the exported program ---------------------------------------------------------------


def _read(program: Any, labels: tuple[str, ...], hooks: frozenset[str]) -> Trace:
    signature = program.graph_signature
    graph: fx.Graph = program.graph
    constants: dict[str, Tensor] = {}
    parameters: dict[str, str] = {}
    trainable: set[str] = set()
    copies: dict[int, Tensor] = {}
    inputs: list[str] = []
    for spec in signature.input_specs:
        name, kind = spec.arg.name, spec.kind.name
        if kind == "USER_INPUT":
            inputs.append(name)
            continue
        if kind not in {"PARAMETER", "BUFFER", "CONSTANT_TENSOR"}:
            raise CompileError(
                f"the network holds a {kind.lower()} that cannot be replayed: {name}"
            )
        held = program.state_dict if spec.target in program.state_dict else program.constants
        given = held[spec.target]
        if isinstance(given, FakeTensor) or any(isinstance(n, torch.SymInt) for n in given.shape):
            raise CompileError(
                f"the network computes a tensor without values while it is traced ({spec.target}), "
                "as by torch.func.grad; write the derivative out, or take it out of the forward"
            )
        if id(given) not in copies:  # tied weights stay one tensor
            copies[id(given)] = given.detach().clone()
        constants[name] = copies[id(given)]
        if kind != "CONSTANT_TENSOR":
            parameters[name] = spec.target
        if given.requires_grad:
            trainable.add(name)
    _check_stateless(signature, program.range_constraints)
    open_regions(program.graph_module)
    outputs = _outputs(program)
    for node in list(graph.nodes):  # checks that the exporter adds; they read tensors but give none
        if node.op == "call_function" and op_name(node).startswith(("_assert", "sym_constrain")):
            graph.erase_node(node)
    _restore_batch_norm(graph)
    places = {label: place for place, (label, _) in enumerate(outputs)}
    graph.output_node().args = (tuple(node for _, node in outputs),)
    names = _strip_markers(graph)
    final: Any = graph.output_node().args[0]  # a marker may have stood right before the output
    return Trace(
        graph=graph,
        constants=constants,
        parameters=parameters,
        trainable=frozenset(trainable),
        inputs=dict(zip(labels, inputs, strict=True)),
        outputs={label: final[place].name for label, place in places.items()},
        names=names,
        hooks=hooks,
    )


def _check_stateless(signature: Any, ranges: Any) -> None:
    for spec in signature.output_specs:
        if spec.kind.name.endswith("MUTATION") and spec.kind.name != "USER_INPUT_MUTATION":
            raise CompileError(
                f"the network writes to {spec.target!r} while it runs; a structural causal model "
                "needs a network without state: put it in eval mode, or copy before writing"
            )
    for symbol, allowed in ranges.items():
        if str(symbol).startswith("s") and not (allowed.lower <= 2 and allowed.upper > 2**62):
            bound = f"less than {allowed.lower}" if allowed.lower > 2 else f"over {allowed.upper}"
            raise CompileError(
                f"the forward does something else on {bound} rows; a structural causal model is "
                "replayed on any number of them: remove the test on x.shape[0]"
            )


def _outputs(program: Any) -> list[tuple[str, fx.Node]]:
    """Label and node of each tensor that forward returns, in order."""
    specs = program.graph_signature.output_specs
    leaves = program.graph.output_node().args[0]
    returned = [
        leaf
        for spec, leaf in zip(specs, leaves, strict=True)
        if not spec.kind.name.endswith("MUTATION")
    ]
    tree = pytree.tree_unflatten(list(range(len(returned))), program.call_spec.out_spec)
    found: list[tuple[str, fx.Node]] = []
    for path, place in pytree.tree_flatten_with_path(tree)[0]:
        node = returned[place]
        if isinstance(node, fx.Node) and isinstance(node.meta.get("val"), Tensor):
            keys = [str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", k)))) for k in path]
            found.append((".".join(["output", *keys]), node))
    return [("output", found[0][1])] if len(found) == 1 else found


def _restore_batch_norm(graph: fx.Graph) -> None:
    """Write ``batch_norm`` in eval mode as one operation again, with one result.

    When the exporter takes in-place operations apart, it makes it a tuple with statistics.
    """
    for node in list(graph.nodes):
        if node.op != "call_function" or op_name(node) != "_native_batch_norm_legit_no_training":
            continue
        first, *rest = sorted(node.users, key=lambda user: user.args[1])
        *given, momentum, eps = node.args
        with graph.inserting_before(first):
            arguments = (*given, False, momentum, eps, False)
            new = graph.call_function(torch.ops.aten.batch_norm.default, arguments)
        new.meta = {**node.meta, "val": first.meta["val"]}
        first.replace_all_uses_with(new)
        for each in (*rest, first, node):
            graph.erase_node(each)


def _strip_markers(graph: fx.Graph) -> dict[str, str]:
    """Merge each operation that only renames a tensor into the tensor, and return the names.

    One that branches off (its tensor has other readers too) stays a node of its own: to intervene
    on it changes what its readers see and nothing else, just as a forward hook there would.
    """
    holder: dict[str, fx.Node] = {}
    for node in list(graph.nodes):
        if node.op != "call_function" or not is_rename(node):
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
