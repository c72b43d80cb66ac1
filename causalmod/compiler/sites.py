"""Which tensors of a network become variables, and under which names."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

from torch import Tensor, fx

from causalmod.compiler.ops import ELEMENTWISE, NONLINEAR, op_name
from causalmod.compiler.program import Program
from causalmod.errors import SelectorError, nearest
from causalmod.variables import Site


def named_nodes(program: Program) -> dict[str, tuple[str, ...]]:
    """Map each node to its names, the preferred one first.

    Inputs are ``input`` (``input.NAME`` when there are several), outputs ``output`` (or
    ``output.NAME``). Other names follow the module path: ``block.fc1``; ``cell@2`` is the second
    call of ``cell``. An operation that is no module's result is ``path:op``, or ``op`` in the
    network's own forward.
    """
    names: dict[str, list[str]] = {}
    for label, node in {**program.trace.inputs, **program.trace.outputs}.items():
        names.setdefault(node, []).append(label)
    for label, node in program.trace.names.items():
        names.setdefault(node, []).append(label)
    taken = {label for labels in names.values() for label in labels}
    for node in program.nodes.values():
        if node.op != "call_function" or node.name in program.constants:
            continue
        if node.name in names or not program.by_row[node.name]:
            continue
        path = module_path(node)
        base = f"{path}:{op_name(node)}" if path else op_name(node)
        label, call = base, 1
        while label in taken:
            call += 1
            label = f"{base}@{call}"
        taken.add(label)
        names[node.name] = [label]
    # A tensor may be an input or output and a module's result: innermost module names come first.
    return {node: tuple(labels) for node, labels in names.items()}


def module_path(node: fx.Node) -> str:
    """Return the path of the innermost module in which an operation stands."""
    stack = node.meta.get("nn_module_stack") or {}
    entries = [entry[0] for entry in stack.values()]
    path = str(entries[-1]) if entries else ""
    return path.split("@")[0]


def build_site(program: Program, node: str, labels: tuple[str, ...]) -> Site:
    """Describe one tensor as a site, cut into variables at the default grain.

    Rows of one dimension: a variable per coordinate. Channel-first images: one per channel.
    Sequences: one per feature, over all positions.
    """
    shape = program.row_shape(node)
    axis = None if not shape else {1: 0, 2: 1}.get(len(shape), 0)
    fx_node = program.nodes[node]
    op = "input" if fx_node.op == "placeholder" else op_name(fx_node)
    return Site(labels[0], labels[1:], shape, axis, op, module_path(fx_node))


def default_sites(program: Program) -> list[str]:
    """Nodes that are variables by default.

    The inputs, the result of each nonlinear step (the last of a run of elementwise operations), the
    named tensor that such a step starts from, and the outputs.
    """
    steps: set[str] = set()
    named = {node for node in program.trace.names.values()}
    for name, node in program.nodes.items():
        if node.op != "call_function" or name in program.constants or not program.by_row[name]:
            continue
        if not (_is_nonlinear(program, node) or _is_product(program, node)):
            continue
        steps.add(_end_of_run(program, node).name)
        before = [a.name for a in node.all_input_nodes if a.name not in program.constants]
        if len(before) == 1 and before[0] in named and program.nodes[before[0]].op != "placeholder":
            steps.add(before[0])
    chosen = steps | set(program.trace.inputs.values()) | set(program.trace.outputs.values())
    return program.in_order(name for name in chosen if program.by_row[name])


def _is_nonlinear(program: Program, node: fx.Node) -> bool:
    return op_name(node) in NONLINEAR


def _is_product(program: Program, node: fx.Node) -> bool:
    """True for a product (or quotient) of two tensors that both depend on the input."""
    moving = [a for a in node.args if isinstance(a, fx.Node) and a.name not in program.constants]
    return op_name(node) in {"mul", "div"} and len(moving) == 2


def _end_of_run(program: Program, node: fx.Node) -> fx.Node:
    """Follow elementwise operations that only this value enters, such as a cast after a threshold."""
    while len(node.users) == 1:
        reader = next(iter(node.users))
        moving = [a for a in reader.all_input_nodes if a.name not in program.constants]
        if reader.op != "call_function" or op_name(reader) not in ELEMENTWISE or len(moving) != 1:
            break
        if op_name(reader) == "site" or not program.by_row[reader.name]:
            break
        if program.row_shape(reader.name) != program.row_shape(node.name):
            break
        if node.name in program.trace.names.values() and op_name(reader) in NONLINEAR:
            break
        node = reader
    return node


def chosen_sites(
    program: Program, names: dict[str, tuple[str, ...]], wanted: Iterable[str]
) -> list[str]:
    """Resolve site names and globs given by the user to nodes.

    Raises:
        SelectorError: a name fits no tensor of the network; the nearest is suggested.
    """
    node_of = {label: node for node, labels in names.items() for label in labels}
    usable = {label: node for label, node in node_of.items() if program.by_row[node]}
    found: set[str] = set(program.trace.inputs.values())
    for pattern in wanted:
        if pattern in usable:
            found.add(usable[pattern])
            continue
        matches = [n for label, n in usable.items() if fnmatch.fnmatchcase(label, pattern)]
        if not matches:
            raise SelectorError(
                f"sites: no tensor of the network is called {pattern!r}: {nearest(pattern, usable)}"
            )
        found.update(matches)
    for node in list(found):
        if not isinstance(program.nodes[node].meta.get("val"), Tensor):
            found.discard(node)
    return program.in_order(found)
