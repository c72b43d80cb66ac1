"""Facts about variables that follow from what was observed, and the graph that shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod.variables import Site

if TYPE_CHECKING:
    import networkx as nx

EXOGENOUS = "U"
_SAME = 1e-6  # relative range under which a unit counts as constant
_SCALE_FLOOR = 1e-3  # of the site's median standard deviation


def is_constant(blocks: Tensor, size: Tensor | None = None) -> Tensor:
    """Tell which variables take one value only.

    Args:
        blocks: ``[rows, variable, coordinate]``.
        size: ``[variable, coordinate]`` how large the terms are that a coordinate is the sum of,
            for a site in a basis: rounding is relative to these.

    Returns:
        Tensor: bool ``[variable]``.
    """
    return _still(blocks, size).all(-1).cpu()


def _still(blocks: Tensor, size: Tensor | None) -> Tensor:
    low, high = blocks.amin(0), blocks.amax(0)
    if not blocks.is_floating_point():
        return high == low
    largest = torch.maximum(low.abs(), high.abs())
    return (high - low) <= _SAME * (largest if size is None else torch.maximum(size, largest))


def spread(blocks: Tensor, size: Tensor | None = None) -> Tensor:
    """Standard deviations with a floor.

    Args:
        blocks: ``[rows, variable, coordinate]``.
        size: ``[variable, coordinate]`` how large the terms are that a coordinate is the sum of,
            for a site in a basis: what varies by rounding alone does not count for the floor.

    Returns:
        Tensor: float64 ``[variable, coordinate]``.
    """
    found = blocks.double().std(0, unbiased=False)
    if size is not None:
        found = torch.where(_still(blocks, size), 0.0, found)
    varying = found[found > 0]
    floor = _SCALE_FLOOR * float(varying.median()) if varying.numel() else 1.0
    return found.clamp_min(floor)


def causal_graph(
    sites: Mapping[str, Site],
    driven: Iterable[str],
    edges: Mapping[tuple[str, str], Tensor],
    strength: Mapping[tuple[str, str], Tensor],
) -> nx.DiGraph:
    """Draw variables, the exogenous ``U`` and structural edges as a networkx graph.

    Args:
        sites: site name → site.
        driven: the variables that are read off the data row, and so are children of ``U``.
        edges: (source site, target site) → bool ``[source variable, target variable]``.
        strength: (source site, target site) → how far the target moves on the data, where known.
    """
    import networkx as nx

    graph: nx.DiGraph = nx.DiGraph()
    graph.add_node(EXOGENOUS, exogenous=True)
    for site in sites.values():
        for index, name in enumerate(site.variables):
            graph.add_node(name, site=site.name, index=index, exogenous=False)
    graph.add_edges_from((EXOGENOUS, variable, {"structural": True}) for variable in driven)
    for (source, target), matrix in edges.items():
        start, end = sites[source].variables, sites[target].variables
        pairs = matrix.nonzero().tolist()
        known = strength.get((source, target))
        for i, j in pairs:
            facts: dict[str, Any] = {"structural": True}
            if known is not None:
                facts |= {"active": bool(known[i, j] > 0), "strength": float(known[i, j])}
            graph.add_edge(start[i], end[j], **facts)
    return graph
