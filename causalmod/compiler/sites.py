"""Which tensors of a network become variables, and under which names."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping

from torch import fx

from causalmod.compiler.lineage import Lineage
from causalmod.compiler.ops import (
    CASTS,
    NONLINEAR,
    OPAQUE,
    STATISTICS,
    is_linear,
    module_path,
    moving,
    op_name,
)
from causalmod.compiler.program import Program
from causalmod.compiler.roles import Roles
from causalmod.errors import SelectorError, nearest
from causalmod.variables import Site

Names = Mapping[str, tuple[str, ...]]
Choice = str | Iterable[str] | Callable[[Site], bool]


def named_nodes(program: Program, roles: Roles) -> dict[str, tuple[str, ...]]:
    """Map each node to its names, the preferred one first.

    Inputs are ``input`` (``input.NAME`` when there are several), outputs ``output`` (or
    ``output.NAME``). Other names follow the module path: ``block.fc1``; ``cell@2`` is the second
    call of ``cell``. Parts of attention and the residual stream have the names of
    :mod:`causalmod.compiler.roles`. An operation that is not all that its module does is
    ``path:op``, or ``op`` in the network's own forward. A module that is itself called ``input`` or
    ``output`` gives way. What holds no data (masks, positions) has no name.
    """
    names: dict[str, list[str]] = {}
    owner: dict[str, str] = {}

    def give(node: str, label: str) -> None:
        if owner.setdefault(label, node) == node and label not in names.setdefault(node, []):
            names[node].append(label)

    for label, node in {**program.trace.inputs, **program.trace.outputs}.items():
        give(node, label)
    for label, node in [*program.trace.names.items(), *roles.names.items()]:
        give(node, label)
    informed = program.informed
    for name, node in program.nodes.items():
        if node.op != "call_function" or name not in program.rows_at or name not in informed:
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


# --- the default choice -------------------------------------------------------------------------


def default_sites(program: Program, lineage: Lineage, roles: Roles) -> list[str]:
    """Nodes that are variables by default.

    The inputs, the result of each nonlinear step and the named tensor that it starts from, hook
    points (``nn.Identity``), and the outputs. A nonlinearity that is written out in several
    operations (``x * sigmoid(x)``) is one step, and so is an attention: its queries, keys and
    values are where it starts, its heads what it gives. Around attention, the residual stream
    before and after each block is among them too.
    """
    trace = program.trace
    named = {*trace.names.values(), *trace.outputs.values()}
    inputs = set(trace.inputs.values())
    chosen = {trace.names[hook] for hook in trace.hooks if hook in trace.names}
    for node in _steps(program, roles):
        if node.name not in lineage.used:
            continue
        chosen.add(_end_of_step(program, lineage, node, named))
        start = next((name for name in lineage.ancestors(node.name) if name in named), None)
        if start is not None and start not in inputs:
            chosen.add(start)
    for each in roles.attentions:
        chosen |= {each.query, each.key, each.value, each.heads} - inputs
    for block in roles.blocks:
        chosen |= {block.before, block.after}
    chosen |= inputs | set(trace.outputs.values())
    usable = roles.head_axis.keys() | program.rows_at.keys()
    return program.in_order(chosen & usable)


def _steps(program: Program, roles: Roles) -> Iterator[fx.Node]:
    """Yield the results of nonlinear operations on the data."""
    informed = program.informed
    normalising = _normalising(program)
    attention = roles.inside_attention
    for name, node in program.nodes.items():
        if node.op != "call_function" or name not in informed or name in attention:
            continue
        if name in roles.head_axis or module_path(node) in normalising:
            continue
        if op_name(node) in NONLINEAR | OPAQUE or _is_product(program, node):
            yield from _results(program, node)


def _normalising(program: Program) -> set[str]:
    """Modules that scale a tensor by its own statistics, and hold no weights but a scale.

    A normalisation written out (``x * rsqrt(x.pow(2).mean())``) is no step of its own, as
    ``layer_norm`` is none.
    """
    statistics: set[str] = set()
    busy: set[str] = set()
    for node in program.nodes.values():
        if node.op != "call_function":
            continue
        path = module_path(node)
        if op_name(node) in STATISTICS:
            statistics.add(path)
        if is_linear(node, program.constants) or op_name(node) in OPAQUE:
            busy.add(path)
    parents = {path.rpartition(".")[0] for path in (module_path(n) for n in program.nodes.values())}
    return statistics - busy - parents - {""}


def _is_product(program: Program, node: fx.Node) -> bool:
    """True for a product (or quotient) of two tensors that both depend on the input."""
    return op_name(node) in {"mul", "div"} and len(moving(node, program.constants)) == 2


def _results(program: Program, node: fx.Node) -> Iterator[fx.Node]:
    """Yield the first tensors, from a node on, in which the rows are one dimension."""
    if node.name in program.rows_at:
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


def chosen_sites(program: Program, available: Mapping[str, Site], wanted: Choice) -> list[str]:
    """Resolve the user's choice of sites to nodes; the inputs are always among them.

    Args:
        program: the network.
        available: node → site, for every tensor that may be one.
        wanted: names, globs, or a function that says of each site whether to take it.

    Raises:
        SelectorError: a name fits no tensor of the network (the nearest is suggested), nothing is
            chosen at all, or the function fails.
    """
    node_of = {label: n for n, site in available.items() for label in (site.name, *site.aliases)}
    found: set[str] = set(program.trace.inputs.values())
    if callable(wanted):
        taken = {node for node, site in available.items() if _takes(wanted, site)}
        if not taken:
            raise SelectorError(_nothing("the function takes no site", node_of))
        return program.in_order(found | taken)
    patterns = [wanted] if isinstance(wanted, str) or not isinstance(wanted, Iterable) else wanted
    if not patterns:
        raise SelectorError(_nothing(f"{wanted!r} chooses nothing", node_of))
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise SelectorError(
                "sites: expected names or globs, such as 'fc1' or 'block.*', or a function of a "
                f"site; given {pattern!r}"
            )
        if pattern in node_of:
            found.add(node_of[pattern])
            continue
        matches = [n for label, n in node_of.items() if fnmatch.fnmatchcase(label, pattern)]
        if not matches:
            _refuse_without_rows(program, pattern)
            _refuse_fused(node_of, pattern)
            raise SelectorError(
                f"sites: no tensor of the network is called {pattern!r}: "
                f"{nearest(pattern, node_of)}"
            )
        found.update(matches)
    return program.in_order(found)


def _takes(wanted: Callable[[Site], object], site: Site) -> bool:
    try:
        return bool(wanted(site))
    except Exception as error:  # whatever a user's function may raise
        raise SelectorError(
            "sites: the function is given each Site of the network, one by one, and says whether "
            f"to take it; on {site.name!r} it raised {type(error).__name__}: {error}"
        ) from error


def _nothing(problem: str, known: Iterable[str]) -> str:
    return (
        f"sites: {problem} ({nearest('', known)}); leave sites out for the default choice, and "
        "choose the inputs for a model of them alone"
    )


def _refuse_without_rows(program: Program, name: str) -> None:
    node = program.trace.names.get(name)
    if node is not None and node not in program.rows_at:
        shape = tuple(program.nodes[node].meta["val"].shape)
        raise SelectorError(
            f"sites: {name!r} has shape {shape}: the rows of the data are no dimension of it, so "
            "it holds no variables; choose a tensor before or after it"
        )


def _refuse_fused(known: Iterable[str], name: str) -> None:
    like = name.removesuffix("pattern") + "heads"
    heads = [label for label in known if fnmatch.fnmatchcase(label, like)]
    if name.endswith("pattern") and heads:
        raise SelectorError(
            f"sites: the attention of {heads[0]!r} computes its weights within one operation, so "
            f"{name!r} is no tensor of the network; write the softmax out (Hugging Face: "
            "attn_implementation='eager')"
        )


def usable_nodes(program: Program, roles: Roles, names: Names) -> list[str]:
    """Nodes with a name that may become sites, in order."""
    usable = program.rows_at.keys() | roles.head_axis.keys()
    return program.in_order(node for node in names if node in usable)
