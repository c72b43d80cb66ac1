"""Separation in causal diagrams, and the open path where there is none."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from causalmod.queries.diagram import CausalDiagram

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class OpenPath:
    """A path that what is conditioned on leaves open.

    Attributes:
        nodes: the variables on it, hidden causes included.
        forward: for each step, does the arrow point along the path?
        colliders: those of its variables into which both arrows point; they are open because they,
            or something that they influence, is conditioned on.

    Example:
        >>> print(OpenPath(("x", "U", "y"), (False, True), ()))
        x <- U -> y
    """

    nodes: tuple[str, ...]
    forward: tuple[bool, ...]
    colliders: tuple[str, ...]

    def __str__(self) -> str:
        text = self.nodes[0]
        for ahead, node in zip(self.forward, self.nodes[1:], strict=True):
            text += f" {'->' if ahead else '<-'} {node}"
        if self.colliders:
            text += f" (opened by conditioning, at {', '.join(self.colliders)})"
        return text


def separated(
    diagram: CausalDiagram, left: Iterable[str], right: Iterable[str], given: Iterable[str] = ()
) -> bool:
    """Tell whether every path between two groups is blocked (d-separation, m-separation).

    Source: Pearl, *Causality* (2009), definition 1.2.3. Computed by networkx.

    Example:
        >>> chain = CausalDiagram.build([("x", "m"), ("m", "y")])
        >>> separated(chain, ["x"], ["y"]), separated(chain, ["x"], ["y"], ["m"])
        (False, True)
    """
    import networkx as nx

    groups = set(left), set(right), set(given)
    return not (groups[0] and groups[1]) or nx.is_d_separator(diagram.with_hidden(), *groups)


def open_path(
    diagram: CausalDiagram, left: Iterable[str], right: Iterable[str], given: Iterable[str] = ()
) -> OpenPath | None:
    """Return a shortest open path between two groups, or None when they are separated."""
    graph = diagram.with_hidden()
    starts, ends, held = sorted(set(left)), set(right), set(given)
    opened = _ancestors(graph, held)
    # A state is a node and how it was entered: None (start), True (an arrow points at it), False.
    came: dict[tuple[str, bool | None], tuple[str, bool | None] | None] = {
        (node, None): None for node in starts
    }
    queue = deque(came)
    while queue:
        state = queue.popleft()
        node, entered = state
        if node in ends:
            return _path(state, came)
        passes = entered is None or node not in held
        steps = [(child, True) for child in graph.successors(node)] if passes else []
        if entered is True:
            passes = node in opened
        if passes:
            steps += [(parent, False) for parent in graph.predecessors(node)]
        for step in steps:
            if step not in came and step[0] not in starts:
                came[step] = state
                queue.append(step)
    return None


def _ancestors(graph: nx.DiGraph, nodes: set[str]) -> set[str]:
    import networkx as nx

    return nodes.union(*(nx.ancestors(graph, node) for node in nodes))


def _path(
    state: tuple[str, bool | None],
    came: dict[tuple[str, bool | None], tuple[str, bool | None] | None],
) -> OpenPath:
    states = [state]
    while (before := came[states[-1]]) is not None:
        states.append(before)
    states.reverse()
    forward = tuple(bool(entered) for _, entered in states[1:])
    nodes = tuple(node for node, _ in states)
    colliders = tuple(
        node
        for node, before, after in zip(nodes[1:-1], forward[:-1], forward[1:], strict=True)
        if before and not after
    )
    return OpenPath(nodes, forward, colliders)
