"""identify: can the answer be had from logged activations, and by which formula?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from causalmod.errors import QueryError
from causalmod.provenance import Provenance, Stopwatch, versions
from causalmod.queries import enumeration
from causalmod.queries.asker import Asker
from causalmod.queries.criteria import Found, find
from causalmod.queries.diagram import CausalDiagram
from causalmod.queries.estimand import Estimand, latex, latex_name, times
from causalmod.queries.grammar import as_query
from causalmod.queries.id_algorithm import Hedge, NotIdentifiable
from causalmod.queries.kinds import Query
from causalmod.queries.levels import read
from causalmod.queries.logged import LoggedAnswer
from causalmod.queries.logs import Bins, Logs
from causalmod.queries.questions import Question, read_question
from causalmod.queries.tables import CELLS
from causalmod.queries.terms import quoted
from causalmod.scm import StructuralCausalModel

if TYPE_CHECKING:
    from causalmod.queries.levels import Model


@dataclass(frozen=True)
class Identification:
    """Can a query be answered from what was logged? If so, by which formula.

    Call it on logged activations to get the answer, see :meth:`__call__`.

    Attributes:
        query: the question, as text.
        observed: the variables of the diagram that were logged.
        identifiable: do the observed distribution and the graph determine the answer?
        estimand: the interventional distribution in terms of observed probabilities; None where
            it is not identifiable.
        route: ``"observational"`` (the intervention changes nothing), ``"adjustment"``,
            ``"front-door"``, ``"ID"`` or ``"IDC"``.
        through: the adjustment set, or the mediators of the front door.
        hedge: what shows that the answer is not determined.
        verified: did the estimand equal the truth on random models of the graph, enumerated (or,
            beyond 14 variables, in closed form)?
        models: on how many.
        reason: what kind of models these are, where tables of all variables are too large: linear
            and Gaussian ones; or why it was not verified.
        diagram: the causal diagram over observed variables.
        provenance: seed, versions, digests, duration.
    """

    query: str
    observed: tuple[str, ...]
    identifiable: bool
    estimand: Estimand | None
    route: str | None
    through: tuple[str, ...]
    hedge: Hedge | None
    verified: bool
    models: int
    reason: str
    diagram: CausalDiagram = field(repr=False)
    question: Question = field(repr=False)
    provenance: Provenance = field(repr=False)
    _left: tuple[tuple[str, ...], ...] = field(repr=False)
    _asker: Asker | None = field(repr=False)

    def __call__(
        self,
        logs: Logs,
        *,
        bins: Bins = None,
        draws: int = 0,
        seed: int = 0,
        cells: int = CELLS,
    ) -> LoggedAnswer:
        """Evaluate the estimand on logged activations.

        Args:
            logs: a pandas frame with a column for each variable (``"fc1[3]"``), or a mapping from
                site to tensor ``[rows, variable]``, such as ``scm.observe()``.
            bins: cut columns that have more distinct values into this many bins with equally many
                rows; or a mapping from column or site to such numbers.
            draws: bootstrap resamples of the rows, for an interval.
            seed: seed of the resamples.
            cells: largest table.

        Raises:
            QueryError: not identifiable, or a table would be too large.
            InputError: a missing column, NaN, too many distinct values.
        """
        if self._asker is None:
            raise QueryError(
                f"{self.query} is not identifiable from {self._logged()}: {self.hedge}"
            )
        return self._asker(self._asker.code(logs, bins, cells), draws, seed)

    @property
    def asker(self) -> Asker | None:
        """What evaluates the estimand."""
        return self._asker

    @property
    def latex(self) -> str | None:
        """The formula in LaTeX."""
        if self.estimand is None:
            return None
        left = self._left_side(latex_name, r" \mid ", r"\mathrm{do}")
        return f"{left} = {latex(self.estimand)}"

    @property
    def formula(self) -> str | None:
        """The formula as text."""
        if self.estimand is None:
            return None
        return f"{self._left_side(quoted, ' | ', 'do')} = {self.estimand}"

    def _left_side(self, name: Any, bar: str, do: str) -> str:
        asked, done, known = (", ".join(map(name, group)) for group in self._left)
        right = ", ".join(part for part in (f"{do}({done})" if done else "", known) if part)
        return f"P({asked}{bar}{right})" if right else f"P({asked})"

    def _logged(self) -> str:
        shown = ", ".join(self.observed[:8])
        return shown + (f" and {len(self.observed) - 8} more" if len(self.observed) > 8 else "")

    def __str__(self) -> str:
        if not self.identifiable:
            return f"{self.query} is not identifiable from {self._logged()}: {self.hedge}"
        checked = f"verified on {self.models} models" if self.verified else "not verified"
        checked += f", {self.reason}" if self.reason else ""
        return f"{self.formula}  by {self.route} ({checked})"

    def __repr__(self) -> str:
        return f"Identification({self})"

    def _repr_html_(self) -> str:
        body = f"$${self.latex}$$" if self.latex else escape(str(self.hedge))
        return f"<p>{escape(self.query)}: {escape(self.route or 'not identifiable')}</p>{body}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return {
            "query": self.query,
            "observed": list(self.observed),
            "identifiable": self.identifiable,
            "formula": self.formula,
            "latex": self.latex,
            "route": self.route,
            "through": list(self.through),
            "hedge": None if self.hedge is None else str(self.hedge),
            "verified": self.verified,
            "models": self.models,
            "provenance": self.provenance.to_dict(),
        }


def identify(
    model: Model,
    query: str | Query,
    observed: Iterable[str] | None = None,
    *,
    level: str = "auto",
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
        query: ``P(y | do(x), z)``, ``E[...]``, total and controlled direct effects, averaged
            information ``I(x ; y | do(x))``; as text or object.
        observed: what was logged, as selectors; everything else is latent. By default everything
            but ``U``.
        level: what a variable of the diagram is. ``"unit"``: each variable of the model;
            ``"group"``: whatever the query and ``observed`` name, and the rest of each site;
            ``"site"``; ``"module"``: the modules of
            :meth:`~causalmod.StructuralCausalModel.with_partition`; ``"site and module"``: the part
            of each site in each module. ``"auto"``: units where there are at most 30, unless only
            groups give a formula that can be verified; else groups.
        seed: of the random models.

    Raises:
        QueryError: the query is malformed, asks for a counterfactual, or about something that was
            not logged; or a variable has two roles.
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
    watch = Stopwatch()
    asked = as_query(query)
    tried = _identify(model, asked, observed, level, seed, watch)
    if tried.reason and level == "auto" and isinstance(model, StructuralCausalModel):
        coarse = _identify(model, asked, observed, "group", seed, watch)
        return coarse if coarse.verified and not coarse.reason else tried
    return tried


def _identify(
    model: Model,
    query: Query,
    observed: Iterable[str] | None,
    level: str,
    seed: int,
    watch: Stopwatch,
) -> Identification:
    question = read_question(query)
    asked = read(model, question.roles, observed, level)
    wanted, do, known = (asked.roles[r] for r in ("asked about", "set", "conditioned on"))
    joint = bool(known) and not question.is_point
    goal = ((*wanted, *known), do, ()) if joint else (wanted, do, known)
    if isinstance(model, StructuralCausalModel):
        origin = model.provenance(seed, watch.seconds)
    else:
        origin = Provenance(seed, "", "", watch.seconds, versions())
    common = {
        "query": str(query),
        "observed": asked.diagram.order,
        "diagram": asked.diagram,
        "question": question,
        "provenance": origin,
        "_left": goal,
    }
    try:
        found = _joint(asked.diagram, wanted, do, known) if joint else find(asked.diagram, *goal)
    except NotIdentifiable as failed:
        return Identification(
            identifiable=False, estimand=None, route=None, through=(), hedge=failed.hedge,
            verified=False, models=0, reason="", _asker=None, **common,
        )  # fmt: skip
    models, reason = enumeration.check(asked.diagram, found.estimand, *goal, seed=seed)
    asker = Asker(str(query), question, found.estimand, asked.terms, asked.members, joint)
    return Identification(
        identifiable=True, estimand=found.estimand, route=found.route, through=found.through,
        hedge=None, verified=models > 0, models=models, reason=reason, _asker=asker, **common,
    )  # fmt: skip


def _joint(
    diagram: CausalDiagram, wanted: tuple[str, ...], do: tuple[str, ...], known: tuple[str, ...]
) -> Found:
    """Return ``P(wanted, known | do)``, in two factors where that is possible.

    What is known is adjusted for then, and needs no other adjustment.
    """
    try:
        first, second = find(diagram, wanted, do, known), find(diagram, known, do, ())
    except NotIdentifiable:
        return find(diagram, (*wanted, *known), do, ())
    return Found(first.route, times([first.estimand, second.estimand]), first.through)
