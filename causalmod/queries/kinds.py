"""The queries: probability, expectation, effect, information. Plain objects, equal to their text.

``str(query)`` is the query in the field's notation, and ``parse(str(query)) == query``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from causalmod.errors import InputError
from causalmod.queries.events import number, written
from causalmod.queries.terms import (
    Selector,
    Term,
    Terms,
    Treatment,
    Treatments,
    quoted,
    read_terms,
    read_treatments,
    selector_of,
)


@dataclass(frozen=True, init=False)
class _Conditional:
    outcomes: tuple[Term, ...]
    do: tuple[Treatment, ...] = ()
    given: tuple[Term, ...] = ()

    def __init__(self, outcomes: Terms, do: Treatments = (), given: Terms = ()) -> None:
        object.__setattr__(self, "outcomes", read_terms(outcomes, "outcomes"))
        object.__setattr__(self, "do", read_treatments(do))
        object.__setattr__(self, "given", read_terms(given, "given"))
        if not self.outcomes:
            raise InputError("a query needs at least one outcome")

    @property
    def is_counterfactual(self) -> bool:
        """Does any term live in a world of its own?"""
        return any(term.world for term in (*self.outcomes, *self.given))

    @property
    def treatments(self) -> tuple[Treatment, ...]:
        """Everything that is set: by the query as a whole, then in subscripts."""
        subscripts = [t for term in (*self.outcomes, *self.given) for t in term.world]
        return tuple(dict.fromkeys((*self.do, *subscripts)))

    def _inside(self) -> str:
        """Write what stands between the brackets."""
        left = ", ".join(map(str, self.outcomes))
        done = [f"do({', '.join(map(str, self.do))})"] if self.do else []
        right = ", ".join([*done, *map(str, self.given)])
        return f"{left} | {right}" if right else left


@dataclass(frozen=True, init=False)
class Probability(_Conditional):
    """``P(outcomes | do(...), given)``: a distribution, or the probability of events.

    Attributes:
        outcomes: what is asked about. Terms with an event ask for its probability; terms without
            for the distribution.
        do: the intervention of the query as a whole.
        given: what is known: in the world that ``do`` makes; with subscripts in a world of its own.

    Arguments may be given as names and mappings.

    Example:
        >>> print(Probability("fc2[0]", do={"fc1[3]": 0.5}, given={"fc1[2]": {0, 1}}))
        P(fc2[0] | do(fc1[3] = 0.5), fc1[2] in {0, 1})
        >>> print(Probability(Term("y", world={"x": 0}), given={"x": 1, "y": 1}))
        P(y_{x = 0} | x = 1, y = 1)
    """

    def __str__(self) -> str:
        return f"P({self._inside()})"


@dataclass(frozen=True, init=False)
class Expectation(_Conditional):
    """``E[outcomes | do(...), given]``: the mean of each outcome.

    Attributes:
        outcomes: what is asked about; without events.
        do, given: as for :class:`Probability`.

    Example:
        >>> print(Expectation("y", do="x"))
        E[y | do(x)]
    """

    def __init__(self, outcomes: Terms, do: Treatments = (), given: Terms = ()) -> None:
        super().__init__(outcomes, do, given)
        for term in self.outcomes:
            if term.event is not None:
                raise InputError(
                    f"an expectation is of variables, and {str(term)!r} is an event; ask for its "
                    "probability, P(...)"
                )

    def __str__(self) -> str:
        return f"E[{self._inside()}]"


@dataclass(frozen=True, init=False)
class Change:
    """A treatment that changes from a reference value to another: ``x = 0 -> 1``.

    Example:
        >>> print(Change("fc1[3]", 0, 1))
        fc1[3] = 0 -> 1
    """

    variable: str
    reference: float
    value: float

    def __init__(self, variable: Selector, reference: float, value: float) -> None:
        object.__setattr__(self, "variable", selector_of(variable))
        object.__setattr__(self, "reference", number(reference))
        object.__setattr__(self, "value", number(value))

    def __str__(self) -> str:
        return f"{quoted(self.variable)} = {written(self.reference)} -> {written(self.value)}"


#: Kind of effect → its name in full.
EFFECTS = {
    "TE": "total effect",
    "NDE": "natural direct effect",
    "NIE": "natural indirect effect",
    "CDE": "controlled direct effect",
    "PSE": "path-specific effect",
}


@dataclass(frozen=True, init=False)
class Effect:
    r"""The mean change of an outcome when a treatment changes from ``x`` to ``x'``.

    ====  ====================================  ====================================
    kind  definition                            written
    ====  ====================================  ====================================
    TE    ``E[y_{x'}] - E[y_x]``                ``TE(y ; x = 0 -> 1)``
    NDE   ``E[y_{x', m = m_x}] - E[y_x]``       ``NDE(y ; x = 0 -> 1 ; m)``
    NIE   ``E[y_{x, m = m_{x'}}] - E[y_x]``     ``NIE(y ; x = 0 -> 1 ; m)``
    CDE   ``E[y_{x', m}] - E[y_{x, m}]``        ``CDE(y ; x = 0 -> 1 ; m = 2)``
    PSE   the change of ``y`` when the named    ``PSE(y ; x = 0 -> 1 ; x -> m -> y)``
          paths, and no others, carry ``x'``
    ====  ====================================  ====================================

    Attributes:
        kind: see above.
        outcome: selector of what is asked about.
        changes: the treatment, or several that change together.
        mediators: NDE, NIE: the mediators; none named means every other variable, so that the
            direct effect is that of the arrows from treatment to outcome. CDE: with values.
        paths: PSE: paths from a treatment to the outcome, as tuples of selectors.
        given: events of the factual world on which the mean is conditioned.

    Source: Pearl, *Direct and indirect effects*, UAI (2001); Avin, Shpitser and Pearl,
    *Identifiability of path-specific effects*, IJCAI (2005).

    Example:
        >>> print(Effect("NDE", "y", {"x": (0, 1)}, mediators="m"))
        NDE(y ; x = 0 -> 1 ; m)
        >>> print(Effect("PSE", "y", {"x": (0, 1)}, paths=[("x", "m", "y")]))
        PSE(y ; x = 0 -> 1 ; x -> m -> y)
    """

    kind: str
    outcome: str
    changes: tuple[Change, ...]
    mediators: tuple[Treatment, ...] = ()
    paths: tuple[tuple[str, ...], ...] = ()
    given: tuple[Term, ...] = ()

    def __init__(
        self,
        kind: str,
        outcome: Selector,
        changes: Change | Iterable[Change] | Mapping[str, tuple[float, float]],
        mediators: Treatments = (),
        paths: Iterable[Iterable[Selector]] = (),
        given: Terms = (),
    ) -> None:
        if isinstance(changes, Mapping):
            read = tuple(Change(str(name), *values) for name, values in changes.items())
        else:
            read = (changes,) if isinstance(changes, Change) else tuple(changes)
        steps = tuple(tuple(selector_of(step) for step in path) for path in paths)
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "outcome", selector_of(outcome))
        object.__setattr__(self, "changes", read)
        object.__setattr__(self, "mediators", read_treatments(mediators))
        object.__setattr__(self, "paths", steps)
        object.__setattr__(self, "given", read_terms(given, "given"))
        self._check()

    def _check(self) -> None:
        if self.kind not in EFFECTS:
            kinds = ", ".join(f"{kind} ({name})" for kind, name in EFFECTS.items())
            raise InputError(f"unknown effect {self.kind!r}; expected one of {kinds}")
        if not self.changes or not all(isinstance(each, Change) for each in self.changes):
            raise InputError(
                "an effect needs a treatment that changes, such as x = 0 -> 1 or {'x': (0, 1)}; "
                f"given {self.changes!r}"
            )
        valued = [m for m in self.mediators if m.value is not None]
        if self.kind == "CDE" and (not self.mediators or len(valued) < len(self.mediators)):
            raise InputError("a controlled direct effect holds its mediators at values: m = 0.5")
        if self.kind in {"NDE", "NIE"} and valued:
            raise InputError(
                f"a natural effect lets {valued[0].variable!r} take its own value: name the "
                "mediator without one, or ask for the controlled direct effect, CDE"
            )
        if self.kind in {"TE", "PSE"} and self.mediators:
            raise InputError(f"{self.kind} takes no mediators; given {self.mediators[0].variable}")
        if (self.kind == "PSE") != bool(self.paths):
            raise InputError(
                "a path-specific effect names paths, such as x -> m -> y"
                if self.kind == "PSE"
                else f"{self.kind} takes no paths; ask for PSE"
            )
        starts = {change.variable for change in self.changes}
        for path in self.paths:
            if len(path) < 2 or path[0] not in starts or path[-1] != self.outcome:
                raise InputError(
                    f"the path {' -> '.join(path)!r} must lead from a treatment "
                    f"({', '.join(sorted(starts))}) to the outcome ({self.outcome})"
                )

    def __str__(self) -> str:
        parts = [quoted(self.outcome), ", ".join(map(str, self.changes))]
        if self.mediators:
            parts.append(", ".join(map(str, self.mediators)))
        if self.paths:
            parts.append(", ".join(" -> ".join(map(quoted, path)) for path in self.paths))
        given = f" | {', '.join(map(str, self.given))}" if self.given else ""
        return f"{self.kind}({' ; '.join(parts)}{given})"


@dataclass(frozen=True, init=False)
class Information:
    """Bits that one group shares with, or sends to, another.

    ================================================  ========================================
    written                                           kind of :func:`causalmod.information`
    ================================================  ========================================
    ``I(b ; c)``                                      observational
    ``I(b ; c | do(b))``                              interventional
    ``I(b ; c | do(b) ; reference = observational)``  interventional, the letter of the formula
    ``I(b ; c | do(b), U)``                           conditional; ``U`` is the row of the data
    ``I(b ; c | do(b), input)``                       the same: an input stands for its row
    ================================================  ========================================

    Attributes:
        source: selectors of the group that is set, or shares.
        target: selectors of the group that is read.
        do: is the source set to its values on other rows?
        given: what is known besides: ``("U",)``, the names of all inputs, or nothing.
        reference: ``"do"`` or ``"observational"``.

    Example:
        >>> print(Information("left", "right", do=True, given="U"))
        I(left ; right | do(left), U)
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    do: bool = False
    given: tuple[str, ...] = ()
    reference: str = "do"

    def __init__(
        self,
        source: Terms,
        target: Terms,
        do: bool = False,
        given: Terms = (),
        reference: str = "do",
    ) -> None:
        object.__setattr__(self, "source", _names(source, "source"))
        object.__setattr__(self, "target", _names(target, "target"))
        object.__setattr__(self, "do", bool(do))
        object.__setattr__(self, "given", _names(given, "given"))
        object.__setattr__(self, "reference", reference)
        if not self.source or not self.target:
            raise InputError("information is between two groups; one of them is empty")
        if self.reference not in {"do", "observational"}:
            raise InputError(f"reference must be 'do' or 'observational'; given {self.reference!r}")
        if self.reference != "do" and (not self.do or self.given):
            raise InputError(
                "a reference distribution is a matter of the averaged interventional form, "
                "I(b ; c | do(b) ; reference = observational)"
            )

    def __str__(self) -> str:
        source, target = (", ".join(map(quoted, names)) for names in (self.source, self.target))
        known = [f"do({source})"] if self.do else []
        known += map(quoted, self.given)
        right = f" | {', '.join(known)}" if known else ""
        reference = f" ; reference = {self.reference}" if self.reference != "do" else ""
        return f"I({source} ; {target}{right}{reference})"


@dataclass(frozen=True, init=False)
class ExchangedInformation:
    """``Exchange(left ; right)``: what modules send each other, :func:`causalmod.exchange`.

    Attributes:
        modules: a tuple of selectors for each module; together they hold all live units.

    Example:
        >>> print(ExchangedInformation(["left", ["fc1[0]", "fc2[1]"]]))
        Exchange(left ; fc1[0], fc2[1])
    """

    modules: tuple[tuple[str, ...], ...]

    def __init__(self, modules: Iterable[Terms]) -> None:
        held = tuple(_names(module, "module") for module in modules)
        object.__setattr__(self, "modules", held)
        if len(held) < 2 or not all(held):
            raise InputError("exchange is between at least two modules, none of them empty")

    def __str__(self) -> str:
        return f"Exchange({' ; '.join(', '.join(map(quoted, m)) for m in self.modules)})"


Query = Probability | Expectation | Effect | Information | ExchangedInformation


def _names(given: object, role: str) -> tuple[str, ...]:
    """Return selectors without events; one name will do."""
    return tuple(dict.fromkeys(term.variable for term in read_terms(given, role)))
