"""identify: can the answer be had from logged activations, and by which formula?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from causalmod.errors import InputError, QueryError
from causalmod.provenance import Provenance, Stopwatch, versions
from causalmod.queries import enumeration
from causalmod.queries.asker import Asker
from causalmod.queries.criteria import ROUTES, Found, find
from causalmod.queries.deadline import Deadline
from causalmod.queries.diagram import CausalDiagram
from causalmod.queries.estimand import times
from causalmod.queries.grammar import as_query
from causalmod.queries.id_algorithm import NotIdentifiable
from causalmod.queries.identification import Identification
from causalmod.queries.information import information_kind
from causalmod.queries.kinds import Information, Query
from causalmod.queries.levels import Asked, read
from causalmod.queries.questions import read_question
from causalmod.queries.screens import row_screen
from causalmod.scm import StructuralCausalModel

if TYPE_CHECKING:
    from causalmod.queries.levels import Model


def identify(
    model: Model,
    query: str | Query,
    observed: Iterable[str] | None = None,
    *,
    route: str = "auto",
    level: str = "auto",
    seconds: float | None = 60.0,
    seed: int = 0,
) -> Identification:
    """Tell whether a query can be answered from logged activations alone, and by which formula.

    Adjustment is tried first, then the front door, then the ID and IDC algorithms, which find a
    formula whenever there is one. Every formula is compared with the truth on small random models
    of the same graph before it is returned.

    The row of the data, ``U``, is latent: inputs are confounded by it. A latent variable of a
    compiled network has no noise of its own, so all that it can hide is ``U``.

    Args:
        model: a compiled model; or a networkx graph, or a diagram, for questions about a graph.
            In a networkx graph, nodes with ``exogenous=True`` are latent by default, and latent
            variables have noise of their own.
        query: ``P(y | do(x), z)``, ``E[...]``, total and controlled direct effects, information
            in all its forms; as text or object. In ``I(x ; y | do(x), U)``, logged variables take
            the place of the row ``U`` where they know of it all that ``y`` does.
        observed: what was logged, as selectors; everything else is latent. By default everything
            but ``U``.
        route: ``"adjustment"``, ``"front-door"`` or ``"ID"`` (IDC where something is known): that
            one, or an error that says why it does not apply; ``"auto"``: the first that does.
        level: what a variable of the diagram is. ``"unit"``: each variable of the model;
            ``"group"``: whatever the query and ``observed`` name, and the rest of each site;
            ``"site"``; ``"module"``: the modules of
            :meth:`~causalmod.StructuralCausalModel.with_partition`; ``"site and module"``: the part
            of each site in each module. ``"auto"``: units where there are at most 30, unless only
            groups give a formula that is short enough to be verified in full; else groups.
        seconds: gives up the search for a formula after this time; None for never.
        seed: of the random models.

    Raises:
        QueryError: the query is malformed, asks for a counterfactual, or about something that was
            not logged; a variable has two roles; the route does not apply (adjustment, say, where
            what is known follows the treatment); or the search took too long.
        SelectorError: an unknown name.
        PartitionError: the module graph has a cycle.

    Source: Shpitser and Pearl, AAAI and UAI (2006), for ID, IDC and hedges; Anand et al., AAAI
    (2023), for graphs over groups.

    Example:
        >>> import networkx as nx
        >>> tar = nx.DiGraph([("x", "m"), ("m", "y"), ("U", "x"), ("U", "y")])
        >>> print(identify(tar, "P(y | do(x))", observed=["x", "m", "y"]))
        P(y | do(x)) = Σ_{m} P(m | x) Σ_{x'} P(y | m, x') P(x')  by front-door (verified on 4
        models)
        >>> print(identify(tar, "P(y | do(x))", observed=["x", "y"]))
        P(y | do(x)) is not identifiable from x, y: hedge: {x, y} is tied together by hidden causes,
        and so is {y} in it, without the treatment {x}
    """
    if route not in ROUTES:
        raise InputError(f"route is one of {', '.join(map(repr, ROUTES))}; given {route!r}")
    search = _Search(route, Deadline(seconds), seed, Stopwatch())
    asked = as_query(query)
    tried = _identify(model, asked, observed, level, search)
    if tried.reason and level == "auto" and isinstance(model, StructuralCausalModel):
        coarse = _identify(model, asked, observed, "group", search)
        return coarse if coarse.verified and not coarse.reason else tried
    return tried


@dataclass(frozen=True)
class _Search:
    """How to look for a formula."""

    route: str
    deadline: Deadline
    seed: int
    watch: Stopwatch

    def find(self, diagram: CausalDiagram, *goal: tuple[str, ...]) -> Found:
        """Return a formula for ``P(outcomes | do, given)``."""
        return find(diagram, *goal, route=self.route, deadline=self.deadline)

    def joint(
        self,
        diagram: CausalDiagram,
        wanted: tuple[str, ...],
        do: tuple[str, ...],
        known: tuple[str, ...],
    ) -> Found:
        """Return ``P(wanted, known | do)``, in two factors where that is possible.

        What is known is adjusted for then, and needs no other adjustment.
        """
        try:
            first = self.find(diagram, wanted, do, known)
            second = self.find(diagram, known, do, ())
        except NotIdentifiable:
            return self.find(diagram, (*wanted, *known), do, ())
        return Found(first.route, times([first.estimand, second.estimand]), first.through)


def _identify(
    model: Model, query: Query, observed: Iterable[str] | None, level: str, search: _Search
) -> Identification:
    question = read_question(query)
    asked = read(model, question.roles, observed, level)
    wanted, do, known = (asked.roles[r] for r in ("asked about", "set", "conditioned on"))
    screen: list[str] | None = []
    if question.kind == "conditional information":
        screen = _screen(model, query, asked)
        question = replace(question, given=tuple((node, None) for node in screen or ()))
        known = tuple(screen or ())
    joint = bool(known) and not question.is_point
    goal = ((*wanted, *known), do, ()) if joint else (wanted, do, known)
    if isinstance(model, StructuralCausalModel):
        origin = model.provenance(search.seed, search.watch.seconds)
    else:
        origin = Provenance(search.seed, "", "", search.watch.seconds, versions())
    common = {
        "query": str(query),
        "observed": asked.diagram.order,
        "diagram": asked.diagram,
        "question": question,
        "provenance": origin,
        "_left": goal,
    }
    if screen is None:
        why = (
            f"no logged variables stand for the row of the data: to know all of it that decides on "
            f"{', '.join(wanted)}, log what {', '.join(wanted)} reads besides {', '.join(do)}"
        )
        return Identification(
            identifiable=False, estimand=None, route=None, through=(), hedge=None,
            verified=False, models=0, reason=why, _asker=None, **common,
        )  # fmt: skip
    try:
        if joint:
            found = search.joint(asked.diagram, wanted, do, known)
        else:
            found = search.find(asked.diagram, *goal)
    except NotIdentifiable as failed:
        return Identification(
            identifiable=False, estimand=None, route=None, through=(), hedge=failed.hedge,
            verified=False, models=0, reason="", _asker=None, **common,
        )  # fmt: skip
    models, reason = enumeration.check(asked.diagram, found.estimand, *goal, seed=search.seed)
    terms = {**asked.terms, **{node: (node,) for node in screen}}
    asker = Asker(str(query), question, found.estimand, terms, asked.members, joint)
    return Identification(
        identifiable=True, estimand=found.estimand, route=found.route, through=found.through,
        hedge=None, verified=models > 0, models=models, reason=reason, _asker=asker, **common,
    )  # fmt: skip


def _screen(model: Model, query: Query, asked: Asked) -> list[str] | None:
    """Return logged variables that stand for the row in ``I(b ; c | do(b), U)``, or None.

    Raises:
        QueryError: what is conditioned on is neither ``U`` nor all inputs.
    """
    if not isinstance(model, StructuralCausalModel) or not isinstance(query, Information):
        raise QueryError(
            f"{query}: U is the row of the data of a compiled model; a graph alone has none"
        )
    information_kind(model, query)
    roles = asked.roles
    return row_screen(asked.whole, asked.diagram.nodes, roles["set"], roles["asked about"])
