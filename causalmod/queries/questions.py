"""What a query asks for, reduced to what identification works on: who is set, asked, known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from causalmod.errors import QueryError
from causalmod.queries.events import Equal, Event
from causalmod.queries.kinds import (
    Effect,
    ExchangedInformation,
    Expectation,
    Information,
    Probability,
    Query,
)
from causalmod.queries.terms import Term, Treatment

Value = float | tuple[float, ...] | None


@dataclass(frozen=True)
class Question:
    """An interventional question.

    Attributes:
        kind: ``"probability"``, ``"expectation"``, ``"effect"``, or ``"observational"``,
            ``"interventional"``, ``"literal"`` or ``"conditional information"``, the last of which
            is given the row of the data, for which logged variables have to be found.
        outcomes: selectors of what is asked about, with events or None.
        given: selectors of what is known, with events or None.
        arms: for each intervention that is compared its weight, and the values set (None: open).
        targets: observational information: how many of the outcomes are its target; the others are
            its source.
    """

    kind: str
    outcomes: tuple[tuple[str, Event | None], ...]
    given: tuple[tuple[str, Event | None], ...] = ()
    arms: tuple[tuple[float, Mapping[str, Value]], ...] = field(default=((1.0, {}),))
    targets: int = 0

    @property
    def do(self) -> tuple[str, ...]:
        """Selectors of what is set."""
        return tuple(self.arms[0][1])

    @property
    def roles(self) -> dict[str, list[str]]:
        """Role → selectors."""
        return {
            "asked about": [name for name, _ in self.outcomes],
            "set": list(self.do),
            "conditioned on": [name for name, _ in self.given],
        }

    @property
    def is_point(self) -> bool:
        """Is what is known given by values, one for each variable, or left open?"""
        return all(event is None or isinstance(event, Equal) for _, event in self.given)


def read_question(query: Query) -> Question:
    """Return what a query asks identification for.

    Raises:
        QueryError: it is no question about interventions; the text says what to do instead.
    """
    match query:
        case Probability(outcomes, do, given):
            return _conditional("probability", outcomes, do, given)
        case Expectation(outcomes, do, given):
            return _conditional("expectation", outcomes, do, given)
        case Information(source, target, do, given, reference):
            if not do:
                if given:
                    raise QueryError(f"{query}: once the row is known, nothing is left to share")
                names = tuple((name, None) for name in (*target, *source))
                return Question("observational information", names, targets=len(target))
            form = "conditional" if given else "literal" if reference != "do" else "interventional"
            arms = ((1.0, dict.fromkeys(source)),)
            outcomes_ = tuple((name, None) for name in target)
            return Question(f"{form} information", outcomes_, (), arms)
        case Effect():
            return _effect(query)
        case ExchangedInformation():
            raise QueryError(
                "exchange runs a module on one row and its senders on another, a counterfactual "
                "that logs do not show; measure it with cm.query or cm.exchange"
            )
    raise QueryError(f"identify takes a query; given {query!r}")


def _conditional(
    kind: str, outcomes: tuple[Term, ...], do: tuple[Treatment, ...], given: tuple[Term, ...]
) -> Question:
    for term in (*outcomes, *given):
        if term.world:
            raise QueryError(
                f"{term} lives in a world of its own; identification from logs covers "
                "interventions, P(y | do(x), z). cm.query answers counterfactuals by running them"
            )
    return Question(
        kind,
        tuple((term.variable, term.event) for term in outcomes),
        tuple((term.variable, term.event) for term in given),
        ((1.0, _values(do)),),
    )


def _values(do: tuple[Treatment, ...]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for treatment in do:
        if treatment.receiver is not None:
            raise QueryError(
                f"do({treatment}) is an intervention on an edge; identification covers those on "
                "variables. cm.query answers it by running it"
            )
        if not (treatment.value is None or isinstance(treatment.value, float | tuple)):
            raise QueryError(
                f"do({treatment}): to identify, set variables to values, or leave them open"
            )
        found[treatment.variable] = treatment.value
    return found


def _effect(query: Effect) -> Question:
    if query.kind not in {"TE", "CDE"}:
        raise QueryError(
            f"{query.kind} compares worlds; identify covers TE and CDE, which do not. Ask for the "
            "interventional parts, E[y | do(x, m)] and P(m | do(x)), whose product sums to the "
            "natural effects where mediator and outcome share no cause; or run it with cm.query"
        )
    held = _values(query.mediators)
    after = {change.variable: change.value for change in query.changes} | held
    before = {change.variable: change.reference for change in query.changes} | held
    given = _conditional("effect", (), (), query.given).given
    return Question("effect", ((query.outcome, None),), given, ((1.0, after), (-1.0, before)))
