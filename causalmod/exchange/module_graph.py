"""module_graph: the directed graph of modules, with bits on its edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from causalmod.exchange.modules import exchange
from causalmod.exchange.result import Exchange
from causalmod.information import Estimate
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel

if TYPE_CHECKING:
    import networkx as nx

_FIELDS = ("bits", "low", "high", "upper", "null", "p", "saturated")


def module_graph(scm: StructuralCausalModel, partition: Partition, **settings: Any) -> nx.DiGraph:
    """Return the directed graph of the modules of a partition.

    An edge stands for a sender and a receiver between which more flows than the null floor,
    directly or through other modules. It carries ``bits``, ``low``, ``high``, ``upper``, ``null``,
    ``p`` and ``saturated`` of the direct figure, and the same with ``total_`` before it of the
    total one (None for ``kind="strength"``, which measures arrows only). Nodes carry ``size``,
    ``members``, ``into`` and ``out`` in bits, and ``into_low``, ``into_high``, ``out_low``,
    ``out_high``. The graph itself carries ``bits``, ``kind``, ``donors``, ``inputs``, and the
    :class:`~causalmod.Exchange` it was read off as ``exchange``, whose ``plot("graph")`` draws it.

    No edges do not mean no exchange: what several modules do together (a majority of equal senders)
    shows in ``into`` only.

    Args:
        scm: the model.
        partition: a split of its live units.
        settings: as for :func:`causalmod.exchange`.

    Raises:
        CausalmodError: as :func:`causalmod.exchange` does.

    Example:
        >>> import causalmod as cm
        >>> case = cm.zoo.broadcast(receivers=4, modules=2)
        >>> graph = module_graph(case.compile(), case.partition)
        >>> [(s, r, round(bits, 3)) for s, r, bits in graph.edges(data="bits")]
        [('sender', 'receiver 0', 1.0), ('sender', 'receiver 1', 1.0)]
    """
    return graph_of(exchange(scm, partition, **settings))


def graph_of(found: Exchange) -> nx.DiGraph:
    """Return the graph of what was measured."""
    import networkx as nx

    graph: nx.DiGraph = nx.DiGraph(
        bits=found.bits,
        kind=found.estimate.kind,
        donors=found.donors,
        inputs=found.inputs,
        exchange=found,
    )
    for name, members in found.partition.modules.items():
        into, out = found.into[name], found.out[name]
        graph.add_node(
            name,
            size=len(members),
            members=members,
            into=into.bits,
            into_low=into.low,
            into_high=into.high,
            out=out.bits,
            out_low=out.low,
            out_high=out.high,
        )
    for pair, direct in found.matrix.items():
        total = found.total_matrix.get(pair)
        if _flows(direct) or (total is not None and _flows(total)):
            edge = {name: getattr(direct, name) for name in _FIELDS}
            edge |= {f"total_{name}": getattr(total, name, None) for name in _FIELDS}
            graph.add_edge(*pair, **edge)
    return graph


def _flows(estimate: Estimate) -> bool:
    """Is a figure above its null floor (for a lower bound, the upper one)?"""
    return max(estimate.bits, estimate.upper or 0.0) > estimate.null
