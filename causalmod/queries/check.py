"""Questions that contradict themselves are refused before any work is done on them."""

from __future__ import annotations

from collections.abc import Sequence

from causalmod.errors import InputError, QueryError
from causalmod.queries.kinds import Effect, Expectation, Probability
from causalmod.queries.terms import Term, Treatment
from causalmod.queries.worlds import World, joined
from causalmod.scm import StructuralCausalModel
from causalmod.variables import Variable


def check_model(given: object) -> None:
    """Check that a compiled model was given.

    Raises:
        InputError: it was not.
    """
    if not isinstance(given, StructuralCausalModel):
        raise InputError(
            "expected a compiled model, scm = cm.compile(network, data); given "
            f"{type(given).__name__}"
        )


def check_conditional(scm: StructuralCausalModel, query: Probability | Expectation) -> None:
    """Check the names of a query, and that nothing is set and asked about in one world.

    Raises:
        SelectorError: an unknown name; the nearest is suggested.
        QueryError: see above; or a value that is left open in a subscript.
    """
    set_by(scm, query.do)
    for role, terms in (("asked about", query.outcomes), ("conditioned on", query.given)):
        for term in terms:
            check_term(scm, query.do, term, role)


def check_term(scm: StructuralCausalModel, base: World, term: Term, role: str) -> None:
    """Check one term in the world of its query."""
    for treatment in term.world:
        if treatment.value is None:
            raise QueryError(
                f"{term.name}: a subscript needs a value for {treatment.variable!r}; leave values "
                "open in do(...) only"
            )
        if isinstance(treatment.value, Term):
            check_term(scm, base, treatment.value, "used as a value")
    set_by(scm, term.world)
    treated = set_by(scm, joined(base, term.world), twice=True)
    for variable in scm.resolve(term.variable):
        if variable in treated:
            raise QueryError(
                f"{variable} is set by do({treated[variable]}) and {role} in the same world, where "
                "it is what it is set to; ask about another variable, or about another world: "
                f"P(... | {variable} = ...) without do, or {variable}_{{...}}"
            )


def set_by(
    scm: StructuralCausalModel, treatments: Sequence[Treatment], twice: bool = False
) -> dict[Variable, Treatment]:
    """Return which treatment sets each variable.

    Raises:
        QueryError: two do, unless ``twice`` allows it (then the later one counts).
    """
    found: dict[Variable, Treatment] = {}
    for treatment in treatments:
        variables = scm.resolve(treatment.variable)
        if treatment.receiver is not None:
            scm.resolve(treatment.receiver)
            continue
        for variable in variables:
            if variable in found and not twice:
                raise QueryError(
                    f"{variable} is set twice: by {str(found[variable])!r} and {str(treatment)!r}; "
                    "give each variable one value"
                )
            found[variable] = treatment
    return found


def check_effect(scm: StructuralCausalModel, query: Effect) -> None:
    """Check the names of an effect, and that treatment, mediators and outcome are apart.

    Raises:
        SelectorError: an unknown name.
        QueryError: they are not apart.
    """
    owner: dict[Variable, str] = {}
    parts = [("the treatment", change.variable) for change in query.changes]
    parts += [("a mediator", each.variable) for each in query.mediators]
    parts.append(("the outcome", query.outcome))
    for role, selector in parts:
        for variable in scm.resolve(selector):
            if variable in owner:
                raise QueryError(
                    f"{query}: {variable} is {owner[variable]} and {role}; treatment, mediators "
                    "and outcome must be different variables"
                )
            owner[variable] = role
    for term in query.given:
        check_term(scm, (), term, "conditioned on")
