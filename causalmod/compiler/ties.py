"""Which sites are one unit: a unit and its activation, or another elementwise function of it alone.

In the causal model such sites are two nodes joined by a mechanism. In a partition they are one
unit, or every unit would form a busy two-unit module with its own activation.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, fx

from causalmod.compiler.ops import ELEMENTWISE
from causalmod.compiler.ops import op_name as _op
from causalmod.compiler.program import Program


def representatives(program: Program, sites: Mapping[str, str]) -> dict[str, str]:
    """Map each site to the site that stands for it in partitions.

    Args:
        program: the network.
        sites: site name → node name.

    A chain of tied sites is represented by its last member, unless an earlier one is read by
    something outside of the chain: then that one, since the later ones do not hold all that it
    sends. Setting the representative sets the rest of the chain through the mechanism.
    """
    site_of = {node: site for site, node in sites.items()}
    root = _roots(program, set(site_of))
    parent = {
        site: site_of[root[node]]
        for site, node in sites.items()
        if root.get(node, node) != node and root[node] in site_of
    }
    children: dict[str, list[str]] = {}
    for child, above in parent.items():
        children.setdefault(above, []).append(child)
    chosen: dict[str, str] = {}
    for site in sites:
        if site in parent:
            continue
        holder = site
        while (only := _only_reader(program, sites[holder], site_of, root)) is not None:
            holder = only
        stack = [site]
        while stack:
            member = stack.pop()
            chosen[member] = holder
            stack.extend(children.get(member, []))
    return chosen


def _roots(program: Program, site_nodes: set[str]) -> dict[str, str]:
    """Map each node that is an elementwise function of one node alone to that node.

    The walk restarts at every site, so the root of a site is the site above it in the chain.
    """
    upstream: dict[str, str] = {}  # as its readers see it: a site is its own root
    result: dict[str, str] = {}
    for name, node in program.nodes.items():
        if node.op == "output" or name in program.constants:
            continue
        root = _elementwise_root(program, node, upstream)
        result[name] = root
        upstream[name] = name if name in site_nodes else root
    return result


def _elementwise_root(program: Program, node: fx.Node, upstream: Mapping[str, str]) -> str:
    if node.op != "call_function" or _op(node) not in ELEMENTWISE or not program.by_row[node.name]:
        if _op(node) == "getitem" and node.args[1] == 0:  # first result of a batch_norm
            source = node.args[0]
            if isinstance(source, fx.Node) and "batch_norm" in _op(source):
                return upstream.get(source.name, source.name)
        if "batch_norm" not in _op(node):
            return node.name
    moving = [a.name for a in node.all_input_nodes if a.name not in program.constants]
    roots = {upstream.get(name, name) for name in moving}
    if len(roots) != 1:
        return node.name
    root = roots.pop()
    shapes = {_shape(program, name) for name in [*moving, root, node.name]}
    shapes.discard(None)
    return root if len(shapes) == 1 else node.name


def _shape(program: Program, name: str) -> tuple[int, ...] | None:
    value = program.nodes[name].meta.get("val")
    if not isinstance(value, Tensor):
        return None
    return program.row_shape(name) if program.by_row[name] else (-1, *map(int, value.shape[1:]))


def _only_reader(
    program: Program, node: str, site_of: Mapping[str, str], root: Mapping[str, str]
) -> str | None:
    """Return the tied site through which alone everything reads ``node``, if there is one."""
    exits: set[str] = set()
    stack = [program.nodes[node]]
    while stack:
        current = stack.pop()
        for user in current.users:
            if user.op == "output" or root.get(user.name) != node:
                return None
            if user.name in site_of:
                exits.add(site_of[user.name])
            else:
                stack.append(user)
        if not current.users:
            return None
    return exits.pop() if len(exits) == 1 else None
