"""Identification: whether logs give an answer, by which formula, and its value on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from causalmod._display import FIGURES
from causalmod.errors import QueryError
from causalmod.provenance import Provenance
from causalmod.queries.asker import Asker
from causalmod.queries.diagram import CausalDiagram
from causalmod.queries.effect_model import effect_model
from causalmod.queries.estimand import Estimand, latex, latex_name
from causalmod.queries.id_algorithm import Hedge
from causalmod.queries.logged import LoggedAnswer
from causalmod.queries.logs import Bins, Logs
from causalmod.queries.questions import Question
from causalmod.queries.tables import CELLS
from causalmod.queries.terms import quoted

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        hedge: what shows that the answer is not determined; None also where information is given
            the row of the data, and no logged variables stand for it.
        verified: did the estimand equal the truth on random models of the graph, enumerated (or,
            beyond 14 variables, in closed form)?
        models: on how many.
        reason: what kind of models these are, where tables of all variables are too large: linear
            and Gaussian ones; or why there is no answer, or none that was verified.
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

        Example:
            >>> import networkx as nx, pandas as pd
            >>> from causalmod import identify
            >>> graph = nx.DiGraph([("z", "x"), ("z", "y"), ("x", "y")])
            >>> found = identify(graph, "E[y | do(x = 1)]")
            >>> logs = pd.DataFrame({"x": [0, 1, 0, 1], "z": [0, 0, 1, 1], "y": [0, 2, 1, 3]})
            >>> found(logs).value
            2.5
        """
        if self._asker is None:
            raise QueryError(str(self))
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
            why = self.hedge or self.reason
            return f"{self.query} is not identifiable from {self._logged()}: {why}"
        checked = f"verified on {self.models} models" if self.verified else "not verified"
        checked += f", {self.reason}" if self.reason else ""
        head = f"{self.query} from " if self.question.kind.endswith("information") else ""
        return f"{head}{self.formula}  by {self.route} ({checked})"

    def __repr__(self) -> str:
        return f"Identification({self})"

    def _repr_html_(self) -> str:
        body = f"$${self.latex}$$" if self.latex else escape(str(self.hedge or self.reason))
        return f"<p>{escape(self.query)}: {escape(self.route or 'not identifiable')}</p>{body}"

    @property
    def roles(self) -> tuple[tuple[str, ...], ...]:
        """Variables of the diagram that are set, asked about, known."""
        asked, done, known = self._left
        return done, asked, known

    def to_dowhy(self, logs: Logs) -> Any:
        """Return ``(model, estimand)`` for dowhy's estimators and refuters, on logged activations.

        For effects that are identified by adjustment. The values stay as they are, so this is the
        way for continuous activations: ``model.estimate_effect(estimand,
        method_name="backdoor.linear_regression")``, then ``model.refute_estimate(...)``. See
        :func:`causalmod.queries.effect_model`.

        Raises:
            QueryError: another route, or none; or several outcomes.
            InputError: a missing column, NaN; or dowhy is not installed.
        """
        return effect_model(self, logs)

    def plot(self) -> Figure:
        """Draw the diagram: who is set, asked about, adjusted for; hidden causes; the hedge."""
        return FIGURES.get("identification")(self)

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
