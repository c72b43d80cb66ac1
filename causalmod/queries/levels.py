"""The causal diagram of a compiled network: by unit, by site, by module, or as a query needs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from causalmod.errors import InputError, PartitionError, QueryError, SelectorError, nearest
from causalmod.queries.diagram import CausalDiagram
from causalmod.scm import StructuralCausalModel
from causalmod.variables import Variable

if TYPE_CHECKING:
    import networkx as nx

    #: What can be asked about: a compiled model, a networkx graph, a diagram.
    Model = StructuralCausalModel | nx.DiGraph | CausalDiagram

EXOGENOUS = "U"
LEVELS = ("auto", "unit", "group", "site", "module", "site and module")
MOST_UNITS = 30  # in the graph that "auto" takes


@dataclass(frozen=True, eq=False)
class Grouped:
    """A model's graph over groups of its variables.

    Attributes:
        graph: the groups and ``U``, the row of the data, with the arrows between them.
        members: group → its variables.
    """

    graph: nx.DiGraph
    members: Mapping[str, tuple[Variable, ...]]

    def groups_of(self, variables: Iterable[Variable]) -> list[str]:
        """Return the groups that hold some variables.

        Raises:
            InputError: only a part of a group is named.
        """
        asked = set(variables)
        found = [name for name, members in self.members.items() if asked & set(members)]
        for name in found:
            for missing in [v for v in self.members[name] if v not in asked]:
                raise InputError(
                    f"at this level {name!r} is one variable, and the query names a part of it "
                    f"(without {missing}); use level='group' or level='unit'"
                )
        return found


def grouped(
    scm: StructuralCausalModel,
    named: Iterable[tuple[str, tuple[Variable, ...]]] = (),
    level: str = "group",
) -> Grouped:
    """Return the graph of a model over groups of variables.

    Args:
        scm: the model.
        named: selectors, with the variables that each names, that must not be merged with others.
        level: ``"group"``: as coarse as possible: the rest of each site is one group; ``"unit"``;
            ``"site"``; ``"auto"``: units where there are at most 30, else groups; ``"module"``: the
            modules of ``scm.with_partition``, and each site's variables outside them; ``"site and
            module"``: the part of each site in each module.

    Raises:
        InputError: an unknown level.
        PartitionError: modules send to each other in a circle, or there are none.

    Source: Anand, Ribeiro, Tian and Bareinboim, *Causal effect identification in cluster DAGs*,
    AAAI (2023): what is identifiable among groups is identifiable in every graph with these groups.
    """
    split = list(named)
    level = resolved_level(scm, level)
    if level == "unit":
        split = [(name, scm.resolve(name)) for name in scm.variables]
    elif level == "site":
        split = []
    elif level in {"module", "site and module"}:
        split = _leaves(scm)
        if not split:
            raise PartitionError(
                "the module graph needs modules: use scm.with_partition({'left': [...], ...})"
            )
    members = _groups(scm, split, whole=level == "module")
    graph = _quotient(scm, members)
    _refuse_circle(scm, graph, members)
    return Grouped(graph, members)


def check_level(level: str) -> None:
    """Check the name of a level.

    Raises:
        InputError: it is none.
    """
    if level not in LEVELS:
        raise InputError(f"level is one of {', '.join(map(repr, LEVELS))}; given {level!r}")


def resolved_level(scm: StructuralCausalModel, level: str) -> str:
    """Return the level that ``"auto"`` stands for on a model."""
    check_level(level)
    if level != "auto":
        return level
    return "unit" if len(scm.variables) <= MOST_UNITS else "group"


def diagram_of(groups: Grouped, observed: Iterable[str]) -> CausalDiagram:
    """Return the diagram over observed groups.

    The network is deterministic, so a latent group passes on what it receives and adds no noise:
    the row of the data, ``U``, is the one hidden cause.
    """
    latent = set(groups.members) - set(observed)
    return CausalDiagram.from_graph(groups.graph, observed, deterministic=latent)


@dataclass(frozen=True, eq=False)
class Asked:
    """A diagram, and the variables in it that a question names.

    Attributes:
        diagram: over observed variables.
        roles: role → variables of the diagram, in the order in which they were named.
        members: variable of the diagram → columns of logged data.
        terms: selector, as it was named → its variables in the diagram.
        whole: the graph with all latent variables.
    """

    diagram: CausalDiagram
    roles: Mapping[str, tuple[str, ...]]
    members: Mapping[str, tuple[str, ...]]
    terms: Mapping[str, tuple[str, ...]]
    whole: nx.DiGraph


def read(
    model: Model,
    roles: Mapping[str, Iterable[str]],
    observed: Iterable[str] | None = None,
    level: str = "auto",
) -> Asked:
    """Find what a question names in the diagram of a model, or in a graph.

    Args:
        model: a compiled model; a networkx graph; or a diagram.
        roles: role in the question → selectors.
        observed: what was logged, as selectors; everything but ``U`` by default.
        level: see :func:`grouped`; of a compiled model only.

    Raises:
        SelectorError: an unknown name.
        QueryError: something named is not logged, or has two roles.
        InputError: the graph has a cycle.
    """
    check_level(level)
    named = {role: _names(role, selectors) for role, selectors in roles.items()}
    seen = None if observed is None else _names("observed", observed)
    if isinstance(model, StructuralCausalModel):
        diagram, terms, members, whole = _of_model(model, named, seen, level)
    else:
        diagram, terms, members, whole = _of_graph(model, named, seen)
    found: dict[str, tuple[str, ...]] = {}
    owner: dict[str, str] = {}
    for role, selectors in named.items():
        nodes = tuple(dict.fromkeys(node for each in selectors for node in terms[each]))
        for node in nodes:
            if node not in diagram.nodes:
                raise QueryError(
                    f"{node!r} is {role} and was not logged; log it (observed=[..., {node!r}]), or "
                    "answer by intervention, cm.query"
                )
            if owner.setdefault(node, role) != role:
                raise QueryError(
                    f"{node!r} is {owner[node]} and {role}; each variable has one role"
                )
        found[role] = nodes
    return Asked(diagram, found, members, terms, whole)


def _names(role: str, selectors: Iterable[str] | str) -> list[str]:
    if not isinstance(selectors, Iterable):
        raise InputError(f"{role}: expected names such as 'fc1[3]'; given {selectors!r}")
    listed = [selectors] if isinstance(selectors, str) else list(selectors)
    for each in listed:
        if not isinstance(each, str):
            raise InputError(f"{role}: expected names such as 'fc1[3]'; given {each!r}")
    return list(dict.fromkeys(each.strip() for each in listed))


_Named = dict[str, tuple[str, ...]]
_Read = tuple[CausalDiagram, _Named, _Named, "nx.DiGraph"]


def _of_model(
    scm: StructuralCausalModel, named: Mapping[str, list[str]], seen: list[str] | None, level: str
) -> _Read:
    selectors = list(dict.fromkeys(each for group in named.values() for each in group))
    resolved = {each: scm.resolve(each) for each in [*selectors, *(seen or [])]}
    groups = grouped(scm, resolved.items(), level)
    logged = (
        [*groups.members]
        if seen is None
        else [name for each in seen for name in groups.groups_of(resolved[each])]
    )
    terms = {each: tuple(groups.groups_of(resolved[each])) for each in selectors}
    members = {name: tuple(map(str, found)) for name, found in groups.members.items()}
    return diagram_of(groups, logged), terms, members, groups.graph


def _of_graph(
    graph: nx.DiGraph | CausalDiagram, named: Mapping[str, list[str]], seen: list[str] | None
) -> _Read:
    whole = graph.with_hidden() if isinstance(graph, CausalDiagram) else graph
    if not hasattr(whole, "edges") or not whole.is_directed():
        raise InputError(
            "expected a compiled model, a networkx.DiGraph or a CausalDiagram; given "
            f"{type(graph).__name__}"
        )
    for node in whole:
        if not isinstance(node, str):
            raise InputError(
                f"the nodes of a graph are named by text, and {node!r} is {type(node).__name__}; "
                "rename them: networkx.relabel_nodes(graph, str)"
            )
    known = list(whole)
    for group in named.values():
        for each in group:
            if each not in whole:
                raise SelectorError(f"unknown variable {each!r}: {nearest(each, known)}")
    diagram = CausalDiagram.from_graph(whole, seen)
    names = dict.fromkeys(each for group in named.values() for each in group)
    members = {node: (node,) for node in diagram.nodes}
    return diagram, {each: (each,) for each in names}, members, whole


def _leaves(scm: StructuralCausalModel) -> list[tuple[str, tuple[Variable, ...]]]:
    """Return the modules that hold no other modules."""
    names = list(scm.modules)
    inner = [n for n in names if not any(other.startswith(f"{n}.") for other in names)]
    return [(name, scm.modules[name]) for name in inner]


def _groups(
    scm: StructuralCausalModel, split: list[tuple[str, tuple[Variable, ...]]], whole: bool
) -> dict[str, tuple[Variable, ...]]:
    """Return groups within sites that no name cuts; with ``whole``, names span sites."""
    owner: dict[Variable, list[int]] = {}
    for number, (_, variables) in enumerate(split):
        for variable in variables:
            owner.setdefault(variable, []).append(number)
    atoms: dict[tuple[str, tuple[int, ...]], list[Variable]] = {}
    for site in scm.sites.values():
        for index in range(site.count):
            variable = Variable(site.name, index)
            numbers = tuple(owner.get(variable, ()))
            key = ("" if whole and numbers else site.name, numbers)
            atoms.setdefault(key, []).append(variable)
    spelled = {frozenset(variables): name for name, variables in reversed(split)}
    return {
        _name(scm, tuple(variables), spelled, whole): tuple(variables)
        for variables in atoms.values()
    }


def _name(
    scm: StructuralCausalModel,
    variables: tuple[Variable, ...],
    spelled: Mapping[frozenset[Variable], str],
    whole: bool,
) -> str:
    site = variables[0].site
    if whole and frozenset(variables) in spelled:
        return spelled[frozenset(variables)]
    if len(variables) == scm.sites[site].count:
        return site
    places = [variable.index for variable in variables]
    if len(places) == 1:
        return str(variables[0])
    if places == list(range(places[0], places[-1] + 1)):
        return f"{site}[{places[0]}:{places[-1] + 1}]"
    return f"{site}[{','.join(map(str, places))}]"


def _quotient(
    scm: StructuralCausalModel, members: Mapping[str, tuple[Variable, ...]]
) -> nx.DiGraph:
    import networkx as nx

    graph: nx.DiGraph = nx.DiGraph()
    graph.add_node(EXOGENOUS, exogenous=True)
    graph.add_nodes_from(members, exogenous=False)
    inside: dict[str, list[tuple[str, torch.Tensor]]] = {}
    for name, variables in members.items():
        sites: dict[str, list[int]] = {}
        for variable in variables:
            sites.setdefault(variable.site, []).append(variable.index)
        for site, places in sites.items():
            inside.setdefault(site, []).append((name, torch.tensor(places)))
    alone = getattr(scm, "independent", frozenset())  # input sites that share nothing with others
    driven = {v for v in scm.graph.successors(EXOGENOUS) if scm.graph.nodes[v]["site"] not in alone}
    driven |= _set_by_row(scm)
    for name, variables in members.items():
        if any(str(variable) in driven for variable in variables):
            graph.add_edge(EXOGENOUS, name)
    for (source, target), matrix in scm.edges.items():
        for start, rows in inside.get(source, []):
            for end, columns in inside.get(target, []):
                if start != end and bool(matrix[rows][:, columns].any()):
                    graph.add_edge(start, end)
    return graph


def _set_by_row(scm: StructuralCausalModel) -> set[str]:
    """Return the variables to which an intervention gives a value of its own on each row.

    They listen to no other variable, and yet they tell rows apart, as the row's number does.
    """
    state = scm.state()
    made = [(each.value, each.site, each.index) for each in state["assignments"]]
    made += [(each.sent.value, each.receiver, each.index) for each in state["on_edges"]]
    return {
        scm.sites[site].variables[place]
        for value, site, index in made
        if isinstance(value, torch.Tensor) and value.shape[0] > 1 and site in scm.sites
        for place in index.tolist()
    }


def _refuse_circle(
    scm: StructuralCausalModel, graph: nx.DiGraph, members: Mapping[str, tuple[Variable, ...]]
) -> None:
    import networkx as nx

    if nx.is_directed_acyclic_graph(graph):
        return
    circle = [edge[0] for edge in nx.find_cycle(graph)]
    steps = []
    for start, end in zip(circle, [*circle[1:], circle[0]], strict=True):
        into = {str(variable) for variable in members[end]}
        for variable in map(str, members[start]):
            reader = next((r for r in scm.graph.successors(variable) if r in into), None)
            if reader is not None:
                steps.append(f"{start} -> {end} (by {variable} -> {reader})")
                break
    raise PartitionError(
        f"the module graph has a cycle: {', '.join(steps)}; what flows in a circle between modules "
        "has no causal order. Ask on the graph of each site's part of each module, "
        "level='site and module', or merge these modules"
    )
