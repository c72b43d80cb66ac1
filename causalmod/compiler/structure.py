"""Which variables can influence which others directly.

An edge says that a change *may* pass, by the operations and by which weights are zero; whether it
does *on this data* is another question.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from causalmod.compiler.effective import effective_edges
from causalmod.compiler.ops import SHAPE_ONLY, op_name
from causalmod.compiler.patterns import Pattern, Spread
from causalmod.compiler.program import Program
from causalmod.variables import Site

_MOST_MARKS = 2**25  # numbers in one pattern


def influences(
    program: Program,
    start: str,
    changed: Tensor,
    receivers: Collection[str],
    barriers: Collection[str],
) -> dict[str, Tensor]:
    """Tell where a change in a tensor may arrive, along ways through no barrier.

    Args:
        program: the network.
        start: node that changes.
        changed: pattern of what changes in it, for two sources (of which the first counts).
        receivers: nodes at which to look.
        barriers: nodes through which no way leads.

    Returns:
        dict: receiver → 0/1 pattern, for two sources; only those that a way leads to.
    """
    spread = Spread(program, 2)
    patterns: dict[str, Pattern] = {start: changed}
    found: dict[str, Tensor] = {}
    wanted = set(receivers)
    order = program.in_order(program.descendants(start))
    last = {each.name: name for name in order for each in program.nodes[name].all_input_nodes}
    for name in order:
        node = program.nodes[name]
        if op_name(node) in SHAPE_ONLY or not any(e.name in patterns for e in node.all_input_nodes):
            continue
        pattern = spread.through(node, patterns)
        if name in wanted:
            found[name] = pattern
        if name not in barriers:
            patterns[name] = pattern
        for each in node.all_input_nodes:
            if last[each.name] == name:
                patterns.pop(each.name, None)
        if len(found) == len(wanted):
            break
    return found


def direct_edges(
    program: Program,
    sites: Mapping[str, Site],
    nodes: Mapping[str, str],
    source: str,
    readouts: Mapping[str, str],
) -> tuple[dict[str, Tensor], Tensor]:
    """Find which variables read those of ``source`` directly: along a path through no other site.

    Args:
        program: the network.
        sites: site name → site.
        nodes: site name → node name.
        source: name of the source site.
        readouts: label → node name of the tensors whose readers need not be sites.

    Returns:
        tuple: target site → bool tensor ``[source variable, target variable]``; and bool
        ``[source variable]``, whether it may reach a readout through no other site.
    """
    site = sites[source]
    parts: list[tuple[dict[str, Tensor], Tensor]] = []
    step = max(
        2, _MOST_MARKS // max(map(_width(program), program.descendants(nodes[source])), default=1)
    )
    for first in range(0, site.count, step):
        some = range(first, min(first + step, site.count))
        parts.append(_edges_of(program, sites, nodes, source, readouts, some))
    targets = {target for found, _ in parts for target in found}
    edges = {
        target: torch.cat(
            [
                found.get(target, torch.zeros(len(reached), sites[target].count, dtype=torch.bool))
                for found, reached in parts
            ]
        )
        for target in sites
        if target in targets
    }
    reached = torch.cat([reached for _, reached in parts])
    for target, found in edges.items():
        if sites[target].basis is not None or site.basis is not None:
            ends = (nodes[source], nodes[target])
            exact = effective_edges(program, site, sites[target], ends, nodes)
            edges[target] = found if exact is None else found & exact
    if site.basis is not None and bool(reached.any()):
        reached = reached & _may_reach(program, site, nodes, readouts)
    return edges, reached


def _may_reach(
    program: Program, site: Site, nodes: Mapping[str, str], readouts: Mapping[str, str]
) -> Tensor:
    """Which variables of a site in a basis may reach a readout, by their effective weights."""
    found = torch.zeros(site.count, dtype=torch.bool)
    for end in readouts.values():
        shape = program.row_shape(end)
        target = Site(
            "", (), shape, tuple(range(len(shape))), "", "", rows_at=program.rows[end].dim
        )
        exact = effective_edges(program, site, target, (nodes[site.name], end), nodes)
        if exact is None:
            return torch.ones_like(found)
        found |= exact.any(1)
    return found


def _width(program: Program) -> Callable[[str], int]:
    """Numbers in one row of a node."""
    return lambda name: program.bytes_per_row(name) // 2


def _edges_of(
    program: Program,
    sites: Mapping[str, Site],
    nodes: Mapping[str, str],
    source: str,
    readouts: Mapping[str, str],
    some: range,
) -> tuple[dict[str, Tensor], Tensor]:
    """Edges of some variables of a site; see :func:`direct_edges`."""
    site = sites[source]
    count = len(some)
    spread = Spread(program, max(count, 2))
    seed = torch.zeros(spread.sources, site.count, site.width)
    seed[range(count), list(some)] = 1
    start = nodes[source]
    like = torch.empty(spread.shape(program.nodes[start]))
    patterns: dict[str, Pattern] = {start: site.marks(seed, like)}
    site_at = {node: name for name, node in nodes.items()}
    ends = set(readouts.values())
    found: dict[str, Tensor] = {}
    order = program.in_order(program.descendants(start))
    last = {each.name: name for name in order for each in program.nodes[name].all_input_nodes}
    for name in order:
        node = program.nodes[name]
        if not any(each.name in patterns for each in node.all_input_nodes):
            continue
        if op_name(node) in SHAPE_ONLY:
            continue
        pattern = spread.through(node, patterns)
        if name in site_at:
            target = site_at[name]
            found[target] = sites[target].marked(pattern)[:count]
        else:
            patterns[name] = pattern
        for each in node.all_input_nodes:  # patterns of wide networks are large
            if last[each.name] == name and each.name not in ends:
                patterns.pop(each.name, None)
    read = [spread.flags(name, patterns[name]) for name in ends if name in patterns]
    reached = torch.stack(read).amax(0) if read else torch.zeros(spread.sources)
    return found, reached[:count] > 0


def site_edges(program: Program, nodes: Mapping[str, str]) -> set[tuple[str, str]]:
    """Return the pairs of sites joined by a way through no other site.

    Args:
        program: the network.
        nodes: name of a site or readout → node.
    """
    names: dict[str, list[str]] = {}
    for name, node in nodes.items():
        names.setdefault(node, []).append(name)
    found: set[tuple[str, str]] = set()
    for source, start in nodes.items():
        seen: set[str] = set()
        stack = [start]
        while stack:
            for user in program.nodes[stack.pop()].users:
                if user.name in seen or user.op != "call_function" or op_name(user) in SHAPE_ONLY:
                    continue
                seen.add(user.name)
                if user.name in names:
                    found.update((source, target) for target in names[user.name])
                else:
                    stack.append(user.name)
    return found
