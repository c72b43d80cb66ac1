"""Which tensors of a network become variables, and under which names."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping

from torch import fx

from causalmod.compiler.lineage import Lineage
from causalmod.compiler.ops import CASTS, CHANNEL_FIRST, NONLINEAR, OPAQUE, moving, op_name
from causalmod.compiler.program import Program
from causalmod.errors import SelectorError, nearest
from causalmod.variables import Site

Names = Mapping[str, tuple[str, ...]]


def named_nodes(program: Program) -> dict[str, tuple[str, ...]]:
    """Map each node to its names, the preferred one first.

    Inputs are ``input`` (``input.NAME`` when there are several), outputs ``output`` (or
    ``output.NAME``). Other names follow the module path: ``block.fc1``; ``cell@2`` is the second
    call of ``cell``. An operation that is not all that its module does is ``path:op``, or ``op`` in
    the network's own forward. A module that is itself called ``input`` or ``output`` gives way.
    """
    names: dict[str, list[str]] = {}
    owner: dict[str, str] = {}

    def give(node: str, label: str) -> None:
        if owner.setdefault(label, node) == node and label not in names.setdefault(node, []):
            names[node].append(label)

    for label, node in {**program.trace.inputs, **program.trace.outputs}.items():
        give(node, label)
    for label, node in program.trace.names.items():
        give(node, label)
    for name, node in program.nodes.items():
        if node.op != "call_function" or name in program.constants or not program.by_row[name]:
            continue
        path = module_path(node)
        if path and any(_is_call_of(path, label) for label in names.get(name, [])):
            continue
        base = f"{path}:{op_name(node)}" if path else op_name(node)
        label, call = base, 1
        while label in owner:
            call += 1
            label = f"{base}@{call}"
        give(name, label)
    return {node: tuple(labels) for node, labels in names.items() if labels}


def _is_call_of(path: str, label: str) -> bool:
    """True for ``cell``, ``cell@2`` and (several results) ``cell.0`` or ``cell@2.0``."""
    call, _, _ = label.partition("@")
    return call == path or call.rpartition(".")[0] == path


def module_path(node: fx.Node) -> str:
    """Return the path of the innermost module in which an operation stands."""
    stack = node.meta.get("nn_module_stack") or {}
    entries = [entry[0] for entry in stack.values()]
    path = str(entries[-1]) if entries else ""
    return path.partition("@")[0]


def build_site(program: Program, lineage: Lineage, node: str, labels: tuple[str, ...]) -> Site:
    """Describe one tensor as a site, cut into variables at the default grain.

    Rows of one dimension: a variable per coordinate. Images, and whatever a one-dimensional
    convolution reads or gives: one per channel. Other sequences: one per feature, over all
    positions. Attention: one per head.
    """
    shape = program.row_shape(node)
    axis = 0 if shape else None
    if len(shape) == 2 and not _is_channel_first(program, lineage, node):
        axis = 1
    fx_node = program.nodes[node]
    op = "input" if fx_node.op == "placeholder" else op_name(fx_node)
    return Site(labels[0], labels[1:], shape, axis, op, module_path(fx_node))


def _is_channel_first(program: Program, lineage: Lineage, node: str) -> bool:
    root = [node, *lineage.ancestors(node)][-1]
    kin = [program.nodes[name] for name in lineage.below(root)]
    return any(
        op_name(each) in CHANNEL_FIRST for each in [*kin, *(u for k in kin for u in k.users)]
    )


# --- the default choice -------------------------------------------------------------------------


def default_sites(program: Program, lineage: Lineage) -> list[str]:
    """Nodes that are variables by default.

    The inputs, the result of each nonlinear step and the named tensor that it starts from, hook
    points (``nn.Identity``), and the outputs. A nonlinearity that is written out in several
    operations (``x * sigmoid(x)``) is one step.
    """
    trace = program.trace
    named = {*trace.names.values(), *trace.outputs.values()}
    inputs = set(trace.inputs.values())
    chosen = {trace.names[hook] for hook in trace.hooks if hook in trace.names}
    for node in _steps(program):
        if node.name not in lineage.used:
            continue
        chosen.add(_end_of_step(program, lineage, node, named))
        start = next((name for name in lineage.ancestors(node.name) if name in named), None)
        if start is not None and start not in inputs:
            chosen.add(start)
    chosen |= inputs | set(trace.outputs.values())
    return program.in_order(name for name in chosen if program.by_row[name])


def _steps(program: Program) -> Iterator[fx.Node]:
    """Yield the results of nonlinear operations."""
    for name, node in program.nodes.items():
        if node.op != "call_function" or name in program.constants:
            continue
        if op_name(node) in NONLINEAR | OPAQUE or _is_product(program, node):
            yield from _results(program, node)


def _is_product(program: Program, node: fx.Node) -> bool:
    """True for a product (or quotient) of two tensors that both depend on the input."""
    return op_name(node) in {"mul", "div"} and len(moving(node, program.constants)) == 2


def _results(program: Program, node: fx.Node) -> Iterator[fx.Node]:
    """Yield the first tensors, from a node on, whose first dimension is the rows."""
    if program.by_row[node.name]:
        yield node
        return
    for user in node.users:
        if user.op == "call_function":
            yield from _results(program, user)


def _end_of_step(program: Program, lineage: Lineage, node: fx.Node, named: set[str]) -> str:
    """Return the tensor in which a nonlinearity that may be written out in parts is complete.

    That is the first named tensor through which all that the operation sends passes; failing that,
    the last nonlinear one.
    """
    end = node.name
    root = [node.name, *lineage.ancestors(node.name)][-1]
    region = lineage.below(root)
    for name in region[region.index(node.name) :]:
        if not lineage.carries_all(node.name, name, set(region)):
            continue
        if name in named:
            return name
        reader = program.nodes[name]
        if op_name(reader) in NONLINEAR | CASTS or _is_product(program, reader):
            end = name
    return end


# --- the user's choice --------------------------------------------------------------------------


def chosen_sites(program: Program, names: Names, wanted: Iterable[str]) -> list[str]:
    """Resolve site names and globs given by the user to nodes; the inputs are always among them.

    Raises:
        SelectorError: a name fits no tensor of the network; the nearest is suggested.
    """
    node_of = {label: node for node, labels in names.items() for label in labels}
    usable = {label: node for label, node in node_of.items() if program.by_row[node]}
    found: set[str] = set(program.trace.inputs.values())
    patterns = list(wanted) if isinstance(wanted, Iterable) else [wanted]
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise SelectorError(
                f"sites: expected names or globs, such as 'fc1' or 'block.*'; given {pattern!r}"
            )
        if pattern in usable:
            found.add(usable[pattern])
            continue
        matches = [n for label, n in usable.items() if fnmatch.fnmatchcase(label, pattern)]
        if not matches and pattern in node_of:
            shape = tuple(program.nodes[node_of[pattern]].meta["val"].shape)
            raise SelectorError(
                f"sites: {pattern!r} has shape {shape}: its first dimension is not the rows of the "
                "data, so it holds no variables; choose a tensor before or after it"
            )
        if not matches:
            raise SelectorError(
                f"sites: no tensor of the network is called {pattern!r}: {nearest(pattern, usable)}"
            )
        found.update(matches)
    return program.in_order(found)
