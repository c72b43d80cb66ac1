"""Short routes to an estimand: adjustment, front-door; else ID and IDC, which are complete."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from causalmod.errors import QueryError
from causalmod.queries.deadline import Deadline
from causalmod.queries.diagram import CausalDiagram
from causalmod.queries.estimand import Conditional, Estimand, sum_out, times
from causalmod.queries.id_algorithm import FOREVER, identify_conditional
from causalmod.queries.separation import open_path, separated


@dataclass(frozen=True)
class Found:
    """An estimand and how it was found.

    Attributes:
        route: ``"observational"``, ``"adjustment"``, ``"front-door"``, ``"ID"`` or ``"IDC"``.
        estimand: ``P(outcomes | do(...), given)`` in observed terms.
        through: the adjustment set, or the mediators of the front door.
    """

    route: str
    estimand: Estimand
    through: tuple[str, ...] = ()


ROUTES = ("auto", "adjustment", "front-door", "ID")


def find(
    diagram: CausalDiagram,
    outcomes: Iterable[str],
    do: Iterable[str],
    given: Iterable[str],
    route: str = "auto",
    deadline: Deadline = FOREVER,
) -> Found:
    """Return the shortest route that applies, or the one that is asked for.

    Raises:
        NotIdentifiable: there is none; with the hedge.
        QueryError: the route that is asked for does not apply; or the deadline has passed.
    """
    wanted, known = list(outcomes), list(given)
    # Rule 3: an intervention that cannot reach what is asked about or known changes nothing.
    treated = list(do)
    reach = diagram.mutilate(into=treated).ancestors([*wanted, *known])
    treated = [node for node in treated if node in reach]
    if not treated:
        return Found("observational", Conditional(tuple(wanted), tuple(known)))
    deadline.check("the adjustment criterion", len(diagram.nodes))
    found = None
    if route in {"auto", "adjustment"}:
        found = _by_adjustment(diagram, wanted, treated, known)
        if found is None and route == "adjustment":
            _refuse_adjustment(diagram, wanted, treated, known)
    deadline.check("the front-door criterion", len(diagram.nodes))
    if route in {"auto", "front-door"} and found is None:
        found = None if known else _by_front_door(diagram, wanted, treated)
        if found is None and route == "front-door":
            _refuse_front_door(known)
    if found is not None:
        return found
    estimand = identify_conditional(diagram, wanted, treated, known, deadline)
    return Found("IDC" if known else "ID", estimand)


def _in_order(diagram: CausalDiagram, nodes: Iterable[str]) -> tuple[str, ...]:
    order = {node: place for place, node in enumerate(diagram.order)}
    return tuple(sorted(nodes, key=order.__getitem__))


def _by_adjustment(
    diagram: CausalDiagram, wanted: list[str], treated: list[str], known: list[str]
) -> Found | None:
    adjusting = adjustment_set(diagram, wanted, treated, known)
    if adjusting is None:
        return None
    through = _in_order(diagram, adjusting)
    inner = Conditional(tuple(wanted), (*treated, *known, *through))
    outer = [Conditional(through, tuple(known))] if through else []
    return Found("adjustment", sum_out(times([inner, *outer]), through), through)


def _by_front_door(diagram: CausalDiagram, wanted: list[str], treated: list[str]) -> Found | None:
    mediators = front_door_set(diagram, wanted, treated)
    if mediators is None:
        return None
    through = _in_order(diagram, mediators)
    inner = times([Conditional(tuple(wanted), (*through, *treated)), Conditional(tuple(treated))])
    first = Conditional(through, tuple(treated))
    total = sum_out(times([first, sum_out(inner, treated)]), through)
    return Found("front-door", total, through)


def _refuse_adjustment(
    diagram: CausalDiagram, wanted: list[str], treated: list[str], known: list[str]
) -> None:
    """Say why no set adjusts.

    Raises:
        QueryError: always.
    """
    after = diagram.descendants(treated)
    late = [node for node in known if node in after]
    if late:
        cause = next(x for x in treated if late[0] in diagram.descendants([x]))
        raise QueryError(
            f"adjustment does not allow conditioning on {late[0]!r}, which the treatment {cause!r} "
            "influences: what is known has to be fixed before the treatment. Leave it out, or take "
            "route='auto', whose ID and IDC algorithms allow it where there is a formula"
        )
    bare = diagram.mutilate(out_of=treated)
    fit = diagram.nodes - after - set(wanted)
    path = open_path(bare, wanted, treated, {*known, *fit})
    shown = f": with all that may be in it known, the path {path} is open" if path else ""
    raise QueryError(
        f"no set of logged variables adjusts for the effect of {', '.join(treated)} on "
        f"{', '.join(wanted)}{shown}; log more, or take route='auto', which tries all routes"
    )


def _refuse_front_door(known: list[str]) -> None:
    """Say why there is no front door.

    Raises:
        QueryError: always.
    """
    why = (
        f"the front-door formula has no place for what is known ({', '.join(known)})"
        if known
        else "no logged mediators meet the front-door criterion: carry all of the effect, share no "
        "cause with the treatment, and none with the outcome that the treatment does not block"
    )
    raise QueryError(f"{why}; take route='auto', which tries all routes")


def adjustment_set(
    diagram: CausalDiagram,
    outcomes: Collection[str],
    do: Collection[str],
    given: Collection[str] = (),
) -> frozenset[str] | None:
    """Return a minimal set that adjusts for confounding, together with ``given``; None if none is.

    Of several, one near the outcomes.

    The estimand is ``Σ_z P(y | x, z, given) P(z | given)``. Variables that a treatment influences
    on its way to the outcome are never in the set; with ``given``, nothing that a treatment
    influences is.

    Source: Shpitser, VanderWeele and Robins, *On the validity of covariate adjustment*, UAI (2010);
    van der Zander, Liśkiewicz and Textor, *Constructing separators and adjustment sets*, Artificial
    Intelligence 270 (2019), theorem 5.1. The separator is networkx's.

    Example:
        >>> confounded = CausalDiagram.build([("z", "x"), ("z", "y"), ("x", "y")])
        >>> sorted(adjustment_set(confounded, ["y"], ["x"]))
        ['z']
    """
    import networkx as nx

    treated, wanted, known = set(do), set(outcomes), set(given)
    after = diagram.mutilate(into=treated).descendants(treated) - treated
    before = diagram.mutilate(out_of=treated).ancestors(wanted)
    on_path = after & before
    forbidden = diagram.descendants(on_path) | treated | wanted
    if known:
        forbidden |= diagram.descendants(treated)
    if known & forbidden:
        return None
    graph = diagram.with_hidden()
    graph.remove_edges_from([(x, node) for x in treated for node in on_path])
    allowed = diagram.nodes - forbidden
    # From the outcome's side: variables near the treatment, such as its parents in a network,
    # determine it, and leave no cell with support to compare.
    found = nx.find_minimal_d_separator(
        graph, wanted, treated, included=known, restricted=set(allowed) | known
    )
    return None if found is None else frozenset(found) - known


def front_door_set(
    diagram: CausalDiagram, outcomes: Collection[str], do: Collection[str]
) -> frozenset[str] | None:
    """Return mediators that meet the front-door criterion, few if possible; None if none are found.

    Source: Pearl, *Causality* (2009), definition 3.3.3.

    Example:
        >>> tar = CausalDiagram.build([("x", "m"), ("m", "y")], [("x", "y")])
        >>> sorted(front_door_set(tar, ["y"], ["x"]))
        ['m']
    """
    treated, wanted = set(do), set(outcomes)
    between = (diagram.descendants(treated) & diagram.ancestors(wanted)) - treated - wanted
    unconfounded = between - _linked(diagram.mutilate(out_of=treated), treated)
    after = {child for x in treated for child in diagram.graph.successors(x)} & unconfounded
    last = set(diagram.parents(wanted)) & unconfounded
    singles = [{node} for node in diagram.order if node in unconfounded]
    for mediators in [*singles, last, after, unconfounded]:
        if mediators and _is_front_door(diagram, wanted, treated, mediators):
            return frozenset(mediators)
    return None


def _linked(diagram: CausalDiagram, nodes: set[str]) -> set[str]:
    """Return what some variables share a cause with, or are caused by: all that depends on them.

    With nothing conditioned on, a path is open just where it has no collider.
    """
    import networkx as nx

    graph = diagram.with_hidden()
    sources = nodes.union(*(nx.ancestors(graph, node) for node in nodes))
    return sources.union(*(nx.descendants(graph, node) for node in sources))


def _is_front_door(
    diagram: CausalDiagram, wanted: set[str], treated: set[str], mediators: set[str]
) -> bool:
    rest = diagram.subgraph(diagram.nodes - mediators)
    if rest.descendants(treated) & wanted:
        return False
    if not separated(diagram.mutilate(out_of=treated), treated, mediators):
        return False
    return separated(diagram.mutilate(out_of=mediators), mediators, wanted, treated)
