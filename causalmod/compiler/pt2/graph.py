"""From the JSON of a graph to ``torch.fx``: listed operators, on arguments of plain kinds."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import fx

from causalmod.compiler.pt2.arguments import read_argument, result_name
from causalmod.compiler.pt2.fields import field, of_kind, union
from causalmod.compiler.pt2.operators import HIGHER, OFF, REGIONS, find_operator
from causalmod.errors import CompileError

#: (key, path) of each module call that an operation stands in, outermost first.
Stack = tuple[tuple[str, str], ...]


class GraphReader:
    """Builds a graph out of JSON, inner graphs written out in place.

    Args:
        device: where the operations that make tensors make them.

    Attributes:
        graph: what was read so far.
        stacks: node → the module calls that it stands in.
        tensors: nodes that are tensors.
    """

    def __init__(self, device: torch.device) -> None:
        self.graph = fx.Graph()
        self.stacks: dict[fx.Node, Stack] = {}
        self.tensors: dict[fx.Node, None] = {}
        self._device = device

    def _read(self, held: object, values: Mapping[str, fx.Node]) -> Any:
        return read_argument(held, values, self._device)

    def read(self, held: Mapping[str, Any], known: Mapping[str, fx.Node]) -> list[Any]:
        """Append the operations of a graph, and return its outputs: nodes or plain values.

        Args:
            held: the graph.
            known: input name → node.

        Raises:
            CompileError: an operator or argument that is not taken.
        """
        values = dict(known)
        for node in field(held, "nodes", list):
            target = field(node, "target", str)
            if target.startswith(HIGHER):
                self._region(node, target.removeprefix(HIGHER), values)
            else:
                self._operation(node, target, values)
        return [self._read(output, values) for output in field(held, "outputs", list)]

    # --- operations -----------------------------------------------------------------------------

    def _operation(self, node: object, target: str, values: dict[str, fx.Node]) -> None:
        function = find_operator(target)
        if function is None:  # a check that gives nothing
            return
        given = field(node, "inputs", list)
        if hasattr(function, "_schema"):
            args, kwargs = self._by_schema(function, given, values)
        else:
            args = tuple(self._read(field(each, "arg", dict), values) for each in given)
            kwargs = {}
            if any(isinstance(each, (str, float)) for each in args):
                raise CompileError(f"{target!r} computes with sizes, which are whole numbers")
        made = self._add(function, args, kwargs, _stack(node))
        self._name_outputs(made, field(node, "outputs", list), values)

    def _add(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], at: Stack
    ) -> fx.Node:
        made = self.graph.call_function(function, args, kwargs)
        self.stacks[made] = at
        made.meta["nn_module_stack"] = {"L__self__": ("", "")} | {k: (p, "") for k, p in at}
        return made

    def _by_schema(
        self, function: Any, given: list[Any], values: Mapping[str, fx.Node]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments in the order of the schema, the later ones by keyword."""
        held = {field(each, "name", str): field(each, "arg", dict) for each in given}
        arguments = function._schema.arguments
        unknown = set(held) - {each.name for each in arguments}
        if unknown or len(held) < len(given):
            raise CompileError(f"{function} is called with arguments that it does not have")
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for place, each in enumerate(arguments):
            if each.name not in held:
                if not each.has_default_value():
                    raise CompileError(f"{function} is called without its argument {each.name!r}")
                continue
            value = self._read(held[each.name], values)
            alone = each.name == "use_input_stats" and not args[3]  # of each row, with no state
            if each.name in OFF and value not in (False, 0, 0.0) and not alone:
                raise CompileError(
                    f"{function} is called with {each.name}={value!r}: the network was exported "
                    "in training mode; call model.eval() before torch.export.export"
                )
            if each.kwarg_only or kwargs or len(args) < place:
                kwargs[each.name] = value
            else:
                args.append(value)
        return tuple(args), kwargs

    def _name_outputs(
        self, made: fx.Node, outputs: list[Any], values: dict[str, fx.Node], several: bool = False
    ) -> None:
        """Give the results of an operation the names under which others read them."""
        if len(outputs) == 1 and not several:
            kind, value = union(outputs[0])
            if kind == "as_tensors":
                outputs, several = (
                    [{"as_tensor": each} for each in of_kind(value, list, kind)],
                    True,
                )
            elif kind == "as_none":
                return
            else:
                self._name(made, outputs[0], values)
                return
        for place, output in enumerate(outputs):
            kind, value = union(output)
            if kind == "as_none":
                continue
            part = self._add(operator.getitem, (made, place), {}, self.stacks[made])
            if kind == "as_tensors":
                inner = [{"as_tensor": each} for each in of_kind(value, list, kind)]
                self._name_outputs(part, inner, values, several=True)
            else:
                self._name(part, output, values)

    def _name(self, made: fx.Node, output: object, values: dict[str, fx.Node]) -> None:
        kind, name = result_name(output)
        if name in values:
            raise CompileError(f"its graph computes {name!r} twice")
        values[name] = made
        if kind == "as_tensor":
            self.tensors[made] = None

    # --- regions --------------------------------------------------------------------------------

    def _region(self, node: object, kind: str, values: dict[str, fx.Node]) -> None:
        """Write out a region that only switches gradients, or autocast, off."""
        given = [field(each, "arg", dict) for each in field(node, "inputs", list)]
        graphs = [place for place, each in enumerate(given) if "as_graph" in each]
        if kind not in REGIONS or len(graphs) != 1:
            raise CompileError(f"its graph holds a region with settings of its own ({kind[:60]})")
        settings = [union(each)[1] for each in given[: graphs[0]]]
        if kind == "wrap_with_autocast" and (len(settings) < 3 or settings[2] is not False):
            raise CompileError(
                "its graph holds a region under torch.autocast, which cannot be replayed step by "
                "step; export the network without it"
            )
        inner = field(field(given[graphs[0]], "as_graph", dict), "graph", dict)
        outer = [self._read(each, values) for each in given[graphs[0] + 1 :]]
        names = [result_name(each)[1] for each in field(inner, "inputs", list)]
        if len(names) != len(outer) or not all(isinstance(each, fx.Node) for each in outer):
            raise CompileError("its graph calls a region with other inputs than it has")
        results = self.read(inner, dict(zip(names, outer, strict=True)))
        outputs: list[Any] = []
        for output in field(node, "outputs", list):
            label, value = union(output)
            many = label == "as_tensors"
            outputs += [{"as_tensor": each} for each in value] if many else [output]
        if len(outputs) != len(results):
            raise CompileError("its graph reads other results from a region than it gives")
        for output, result in zip(outputs, results, strict=True):
            if union(output)[0] == "as_none":
                continue
            _, name = result_name(output)
            if name in values or not isinstance(result, fx.Node):
                raise CompileError(f"its graph computes {name!r} twice, or not at all")
            values[name] = result


def graph_inputs(held: Mapping[str, Any]) -> Iterator[str | None]:
    """Yield the name of each tensor that a graph reads from outside; None for a constant."""
    for each in field(held, "inputs", list):
        kind, _ = union(each)
        if kind in {"as_tensor", "as_sym_int", "as_sym_bool", "as_sym_float"}:
            yield result_name(each)[1]
        else:
            yield None


def _stack(node: object) -> Stack:
    """Module calls that an operation stands in, from its metadata ``key,path,type;...``."""
    text = field(node, "metadata", dict).get("nn_module_stack", "")
    if not isinstance(text, str) or len(text) > 20_000:
        raise CompileError("the file is damaged: the modules of an operation")
    found: list[tuple[str, str]] = []
    for entry in text.split(";"):
        key, _, rest = entry.partition(",")
        path = rest.partition(",")[0]
        if path and path != key and path.isprintable():
            found.append((key, path))
    return tuple(found)
