"""Causal diagrams: observed variables, arrows, and the hidden causes that some of them share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from causalmod.errors import InputError, nearest

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True, eq=False)
class CausalDiagram:
    """An acyclic graph over observed variables, with hidden common causes (an ADMG).

    Attributes:
        graph: the arrows between observed variables.
        hidden: name of a hidden cause → the observed variables (two or more) that it drives. Every
            observed variable has noise of its own besides.

    Example:
        >>> bow = CausalDiagram.build([("x", "y")], {"U": ["x", "y"]})
        >>> print(bow)
        x -> y; x <-> y (U)
        >>> bow.district("x") == {"x", "y"}
        True
    """

    graph: nx.DiGraph
    hidden: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        arrows: Iterable[tuple[str, str]],
        hidden: Mapping[str, Iterable[str]] | Iterable[tuple[str, str]] = (),
        nodes: Iterable[str] = (),
    ) -> CausalDiagram:
        """Build a diagram from arrows and hidden causes (or pairs ``a <-> b``).

        Raises:
            InputError: the arrows run in a circle.
        """
        import networkx as nx

        graph: nx.DiGraph = nx.DiGraph()
        graph.add_nodes_from(nodes)
        graph.add_edges_from(arrows)
        if isinstance(hidden, Mapping):
            causes = {str(name): frozenset(driven) for name, driven in hidden.items()}
        else:
            causes = {f"{a} <-> {b}": frozenset((a, b)) for a, b in hidden}
        for driven in causes.values():
            graph.add_nodes_from(sorted(driven - set(graph)))
        refuse_cycles(graph)
        return cls(graph, {name: driven for name, driven in causes.items() if len(driven) > 1})

    @classmethod
    def from_graph(
        cls,
        graph: nx.DiGraph,
        observed: Iterable[str] | None = None,
        deterministic: Iterable[str] = (),
    ) -> CausalDiagram:
        """Project a graph on its observed variables.

        A latent variable passes on what it receives, and the noise of its own, if it has any. Two
        observed variables that receive the same noise share a hidden cause.

        Args:
            graph: a directed acyclic graph; its latent variables are nodes like the others.
            observed: the variables that were logged; by default all, unless a node says otherwise
                by ``exogenous=True``.
            deterministic: latent variables without noise of their own. One that has no parents
                counts as noise all the same.

        Raises:
            InputError: the graph has a cycle, or ``observed`` names no node of it.

        Source: Tian and Pearl, *On the testable implications of causal models with hidden
        variables*, UAI (2002), section 5; Richardson et al., *Nested Markov properties* (2023),
        definition 8, for latent projection.
        """
        import networkx as nx

        refuse_cycles(graph)
        if observed is None:
            seen = {n for n, facts in graph.nodes(data=True) if not facts.get("exogenous")}
        else:
            seen = set(observed)
            for name in seen - set(graph):
                raise InputError(f"unknown variable {name!r} in observed: {nearest(name, graph)}")
        exact = set(deterministic)
        received: dict[str, set[str]] = {}  # node → observed variables and noise that reach it
        arrows: nx.DiGraph = nx.DiGraph()
        arrows.add_nodes_from(node for node in graph if node in seen)
        driven: dict[str, set[str]] = {}
        for node in nx.topological_sort(graph):
            inflow: set[str] = set()
            for parent in graph.predecessors(node):
                inflow |= {parent} if parent in seen else received[parent]
            if node in seen:
                arrows.add_edges_from((source, node) for source in sorted(inflow & seen))
                for noise in inflow - seen:
                    driven.setdefault(noise, set()).add(node)
            else:
                has_noise = node not in exact or not inflow
                received[node] = inflow | ({node} if has_noise else set())
        shared = {name: frozenset(members) for name, members in driven.items() if len(members) > 1}
        return cls(arrows, _without_subsets(shared))

    # --- what stands where ----------------------------------------------------------------------

    @cached_property
    def nodes(self) -> frozenset[str]:
        """The observed variables."""
        return frozenset(self.graph)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The observed variables, causes first; ties in the order in which they were given."""
        import networkx as nx

        place = {node: index for index, node in enumerate(self.graph)}
        return tuple(nx.lexicographical_topological_sort(self.graph, key=place.__getitem__))

    def parents(self, nodes: Iterable[str]) -> frozenset[str]:
        """Return the direct causes of some variables, without those variables."""
        chosen = set(nodes)
        found = {parent for node in chosen for parent in self.graph.predecessors(node)}
        return frozenset(found - chosen)

    def ancestors(self, nodes: Iterable[str]) -> frozenset[str]:
        """Return some variables and all that can influence them."""
        return _closure(nodes, self.graph.predecessors)

    def descendants(self, nodes: Iterable[str]) -> frozenset[str]:
        """Return some variables and all that they can influence."""
        return _closure(nodes, self.graph.successors)

    @cached_property
    def districts(self) -> tuple[frozenset[str], ...]:
        """Groups of variables linked by hidden causes (c-components), in causal order."""
        group = {node: {node} for node in self.order}
        for driven in self.hidden.values():
            merged: set[str] = set()
            for node in driven:
                if not merged & group[node]:
                    merged |= group[node]
            for node in merged:
                group[node] = merged
        return tuple(dict.fromkeys(frozenset(group[node]) for node in self.order))

    def district(self, node: str) -> frozenset[str]:
        """Return the district of a variable."""
        return next(district for district in self.districts if node in district)

    def tied(self, node: str, within: Set[str]) -> frozenset[str]:
        """Return the district of a variable in the subgraph of some variables."""
        return _closure(
            [node], lambda one: (n for cause in self._causes.get(one, ()) for n in cause & within)
        )

    @cached_property
    def _causes(self) -> dict[str, list[frozenset[str]]]:
        """Variable → what each of its hidden causes drives."""
        found: dict[str, list[frozenset[str]]] = {}
        for driven in self.hidden.values():
            for node in driven:
                found.setdefault(node, []).append(driven)
        return found

    # --- other diagrams ---------------------------------------------------------------------------

    def subgraph(self, nodes: Iterable[str]) -> CausalDiagram:
        """Return the diagram of some variables only; the others are cut out."""
        keep = set(nodes)
        hidden = {name: driven & keep for name, driven in self.hidden.items()}
        shared = {name: driven for name, driven in hidden.items() if len(driven) > 1}
        return CausalDiagram(self.graph.subgraph(keep).copy(), shared)

    def project(self, nodes: Iterable[str]) -> CausalDiagram:
        """Return the diagram in which all other variables are latent."""
        return CausalDiagram.from_graph(self.with_hidden(), nodes)

    def mutilate(self, into: Iterable[str] = (), out_of: Iterable[str] = ()) -> CausalDiagram:
        """Return the diagram without the arrows into some variables and out of others."""
        ends, starts = set(into), set(out_of)
        graph = self.graph.copy()
        graph.remove_edges_from([(a, b) for a, b in self.graph.edges if b in ends or a in starts])
        hidden = {name: driven - ends for name, driven in self.hidden.items()}
        return CausalDiagram(graph, {name: kept for name, kept in hidden.items() if len(kept) > 1})

    def with_hidden(self) -> nx.DiGraph:
        """Return the diagram as a networkx graph in which hidden causes are nodes.

        Their nodes carry ``exogenous=True``.
        """
        graph = self.graph.copy()
        for name, driven in self.hidden.items():
            node = self.hidden_node(name)
            graph.add_node(node, exogenous=True)
            graph.add_edges_from((node, child) for child in sorted(driven))
        return graph

    def hidden_node(self, name: str) -> str:
        """Return the name of the node of a hidden cause, which no observed variable has."""
        while name in self.graph:
            name += "'"
        return name

    def __str__(self) -> str:
        arrows = [f"{a} -> {b}" for a, b in self.graph.edges]
        shared = [f"{' <-> '.join(sorted(d))} ({name})" for name, d in self.hidden.items()]
        touched = {node for edge in self.graph.edges for node in edge}.union(*self.hidden.values())
        alone = [node for node in self.graph if node not in touched]
        return "; ".join([*arrows, *shared, *alone])

    def __repr__(self) -> str:
        return (
            f"CausalDiagram({len(self.graph)} variables, {self.graph.number_of_edges()} arrows, "
            f"{len(self.hidden)} hidden causes)"
        )


def refuse_cycles(graph: nx.DiGraph) -> None:
    """Check that arrows do not run in a circle.

    Raises:
        InputError: they do; the circle is shown.
    """
    import networkx as nx

    if not nx.is_directed_acyclic_graph(graph):
        circle = [edge[0] for edge in nx.find_cycle(graph)]
        shown = " -> ".join([*circle[:6], *(["..."] if len(circle) > 6 else []), circle[0]])
        raise InputError(f"a causal graph has no cycles, and this one has {shown}")


def _closure(nodes: Iterable[str], step: object) -> frozenset[str]:
    found = set(nodes)
    stack = list(found)
    while stack:
        for other in step(stack.pop()):  # type: ignore[operator]
            if other not in found:
                found.add(other)
                stack.append(other)
    return frozenset(found)


def _without_subsets(hidden: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Drop hidden causes whose children another one drives as well."""
    kept: dict[str, frozenset[str]] = {}
    for name in sorted(hidden, key=lambda n: -len(hidden[n])):
        if not any(hidden[name] <= other for other in kept.values()):
            kept[name] = hidden[name]
    return {name: kept[name] for name in hidden if name in kept}
