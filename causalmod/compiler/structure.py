"""Which variables can influence which others directly.

An edge says that a change *may* pass, by the operations and by which weights are zero; whether it
does *on this data* is another question.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from causalmod.compiler.ops import SHAPE_ONLY, op_name
from causalmod.compiler.patterns import Pattern, Spread
from causalmod.compiler.program import Program
from causalmod.variables import Site


def influences(
    program: Program, start: str, changed: Tensor, receiver: str, barriers: Collection[str]
) -> Tensor:
    """Tell where a change in a tensor may arrive, along ways through no barrier.

    Args:
        program: the network.
        start: node that changes.
        changed: pattern of what changes in it, for two sources (of which the first counts).
        receiver: node at which to look.
        barriers: nodes through which no way leads.

    Returns:
        Tensor: 0/1 pattern at the receiver, for two sources; or nothing where no way leads.
    """
    spread = Spread(program, 2)
    patterns: dict[str, Pattern] = {start: changed}
    for name in program.in_order(program.descendants(start)):
        node = program.nodes[name]
        if op_name(node) in SHAPE_ONLY or not any(e.name in patterns for e in node.all_input_nodes):
            continue
        pattern = spread.through(node, patterns)
        if name == receiver:
            return pattern
        if name not in barriers:
            patterns[name] = pattern
    return torch.zeros(0)


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
    spread = Spread(program, max(site.count, 2))
    seed = torch.eye(spread.sources)[:, : site.count, None].expand(-1, -1, site.width)
    start = nodes[source]
    like = torch.empty(spread.shape(program.nodes[start]))
    patterns: dict[str, Pattern] = {start: site.join(seed.contiguous(), like)}
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
            found[target] = sites[target].split(pattern)[: site.count].amax(-1) > 0
        else:
            patterns[name] = pattern
        for each in node.all_input_nodes:  # patterns of wide networks are large
            if last[each.name] == name and each.name not in ends:
                patterns.pop(each.name, None)
    read = [spread.flags(name, patterns[name]) for name in ends if name in patterns]
    reached = torch.stack(read).amax(0) if read else torch.zeros(spread.sources)
    return found, reached[: site.count] > 0
