"""A model's graph in DOT, the language of Graphviz, with every name quoted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from causalmod.errors import InputError
from causalmod.partition import Partition
from causalmod.plotting.style import colour
from causalmod.plotting.text import plain

if TYPE_CHECKING:
    import networkx as nx

    from causalmod.scm import StructuralCausalModel


def to_dot(graph: nx.DiGraph | StructuralCausalModel, partition: Partition | None = None) -> str:
    r"""Return a model's graph as DOT text, nodes filled with the colour of their module.

    Args:
        graph: a compiled model, or any graph of networkx, such as ``scm.graph``.
        partition: the modules.

    Raises:
        InputError: neither.

    Example:
        >>> import networkx as nx
        >>> print(to_dot(nx.DiGraph([("fc1[0]", 'say "hi"')])))
        digraph {
          rankdir=LR;
          "fc1[0]";
          "say \"hi\"";
          "fc1[0]" -> "say \"hi\"";
        }
    """
    inner = getattr(graph, "graph", None)  # of a model: a graph; of a graph: its attributes
    held: Any = inner if hasattr(inner, "edges") else graph
    if not hasattr(held, "edges") or not hasattr(held, "nodes"):
        raise InputError(
            f"expected a compiled model or a networkx.DiGraph; given {type(graph).__name__}"
        )
    names = [] if partition is None else list(partition.modules)
    labels = {} if partition is None else partition.labels
    lines = ["digraph {", "  rankdir=LR;"]
    for node in held.nodes:
        look = ""
        if str(node) in labels:
            look = f' [style=filled, fillcolor="{colour(names.index(labels[str(node)]))}"]'
        lines.append(f"  {quoted(str(node))}{look};")
    lines.extend(
        f"  {quoted(str(source))} -> {quoted(str(target))};" for source, target in held.edges
    )
    return "\n".join([*lines, "}"])


def quoted(name: str) -> str:
    r"""Return a name as a quoted DOT identifier.

    Backslashes are doubled: ``\N`` and ``\G`` would be replaced inside labels.
    """
    text = plain(name, longest=200).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
