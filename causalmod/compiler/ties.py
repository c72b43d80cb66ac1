"""Which sites are one unit: a unit and its activation, or another elementwise function of it alone.

In the causal model such sites are two nodes joined by a mechanism. In a partition they are one
unit, or every unit would form a busy two-unit module with its own activation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from causalmod.compiler.lineage import Lineage
from causalmod.compiler.program import Program


def representatives(
    program: Program, sites: Mapping[str, str], based: Collection[str] = ()
) -> dict[str, str]:
    """Map each site to the site that stands for it in partitions.

    Args:
        program: the network.
        sites: site name → node name.
        based: names of the sites that are read in a basis.

    A chain of tied sites is represented by its last member through which all that the chain sends
    passes; members after it (two activations of one unit, say) do not hold everything. Setting the
    representative sets the rest of the chain through the mechanism. Inputs are the environment,
    not units, so nothing is tied to them. A site in a basis stands for its chain, if all that the
    chain sends passes through it (the last one, if there are several), and else for itself alone.
    """
    lineage = Lineage(program)
    inputs = set(program.trace.inputs.values())
    site_of = {node: site for site, node in sites.items() if node not in inputs}
    top = {
        node: next((n for n in reversed([*lineage.ancestors(node)]) if n in site_of), node)
        for node in site_of
    }
    gate = {root: lineage.last_gate(root, set(site_of)) or root for root in set(top.values())}
    for root, last in gate.items():
        way = [node for node in (last, *lineage.ancestors(last)) if site_of.get(node) in based]
        gate[root] = way[0] if way else last
    found = {site: site_of[gate[top[n]]] if n in top else site for site, n in sites.items()}
    passed = {each for last in gate.values() for each in (last, *lineage.ancestors(last))}
    aside = {site for site in based if sites[site] in top and sites[site] not in passed}
    return {site: site if site in aside else home for site, home in found.items()}
