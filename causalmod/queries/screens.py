"""What stands for the row of the data: logged variables that screen a target off from it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from causalmod.queries.levels import EXOGENOUS

if TYPE_CHECKING:
    import networkx as nx


def row_screen(
    graph: nx.DiGraph, observed: Collection[str], source: Collection[str], target: Collection[str]
) -> list[str] | None:
    """Return observed variables that know of the row all that a target does, once a source is set.

    In ``I(b ; c | do(b), U)`` they take the place of ``U``: a network is deterministic, so a target
    that is separated from the row by ``w`` and ``b``, without the arrows into ``b``, is a function
    of ``w`` and ``b``. What the source influences is never among them.

    Args:
        graph: a model's graph, latent variables and ``U`` included.
        observed: what was logged.
        source: observed variables that are set.
        target: observed variables that are read.

    Returns:
        list: in the order of the graph; None where no logged variables will do.

    Example:
        >>> import networkx as nx
        >>> xor = nx.DiGraph([("U", "a"), ("U", "b"), ("a", "c"), ("b", "c")])
        >>> row_screen(xor, ["a", "b", "c"], ["a"], ["c"])
        ['b']
        >>> row_screen(xor, ["a", "c"], ["a"], ["c"]) is None
        True
    """
    import networkx as nx

    whole = graph.copy()
    # independent exogenous variables are part of the row
    roots = [node for node in graph if node != EXOGENOUS and not graph.in_degree(node)]
    whole.add_edges_from((EXOGENOUS, node) for node in roots)
    whole.remove_edges_from(list(whole.in_edges(source)))
    after = set(source).union(*(nx.descendants(whole, node) for node in source))
    allowed = set(observed) - after - set(target)
    found = nx.find_minimal_d_separator(
        whole, set(target), {EXOGENOUS}, included=set(source), restricted=allowed | set(source)
    )
    return None if found is None else [node for node in graph if node in found - set(source)]
