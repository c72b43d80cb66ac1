"""Effects: total, controlled and natural ones, and those along named paths."""

from __future__ import annotations

from causalmod.errors import QueryError
from causalmod.queries import summaries
from causalmod.queries.check import check_effect
from causalmod.queries.conditions import meeting
from causalmod.queries.distribution import Distribution
from causalmod.queries.kinds import EFFECTS, Effect
from causalmod.queries.paths import AlongPaths
from causalmod.queries.single import summarised
from causalmod.queries.terms import Term, Treatment, quoted
from causalmod.queries.worlds import Columns, World, Worlds


def effect(worlds: Worlds, asked: Effect) -> Distribution:
    """Measure an effect: on each row the outcome in one world minus the outcome in another.

    Raises:
        SelectorError: an unknown name.
        QueryError: treatment, mediators and outcome overlap; a path that is none; or no row meets
            the conditions.
    """
    check_effect(worlds.scm, asked)
    of = len(worlds.rows)
    kept = worlds.on(meeting(worlds, (), asked.given)) if asked.given else worlds
    changed, reference = _outcomes(kept, asked)
    change = (changed.values.double() - reference.values.double()).cpu()
    names = reference.names if len(reference.names) > 1 else (quoted(asked.outcome),)
    exact = worlds.everything
    ends = {
        "reference": reference.values.double().mean(0).tolist(),
        "changed": changed.values.double().mean(0).tolist(),
    }
    table = summaries.averaged(change, names, exact, **ends)
    fields = {"query": str(asked), "rows": len(kept.rows), "of": of, "exact": exact}
    return summarised(change, names, "effect", table, fields)


def _outcomes(worlds: Worlds, asked: Effect) -> tuple[Columns, Columns]:
    """Return the outcome after the change and before it."""
    before: World = tuple(Treatment(c.variable, c.reference) for c in asked.changes)
    after: World = tuple(Treatment(c.variable, c.value) for c in asked.changes)

    def outcome(world: World) -> Columns:
        return worlds.read(asked.outcome, world)

    match asked.kind:
        case "TE":
            return outcome(after), outcome(before)
        case "CDE":
            return outcome((*after, *asked.mediators)), outcome((*before, *asked.mediators))
        case "NDE":
            return _held_as_in(worlds, asked, after, before), outcome(before)
        case "NIE":
            return _held_as_in(worlds, asked, before, after), outcome(before)
        case "PSE":
            along = AlongPaths(worlds, before, after, asked.paths)
            return along.outcome(), outcome(before)
    raise QueryError(f"unknown effect {asked.kind!r}; expected one of {', '.join(EFFECTS)}")


def _held_as_in(worlds: Worlds, asked: Effect, world: World, other: World) -> Columns:
    """Return the outcome in a world in which the mediators are what they are in another.

    Without named mediators these are all variables but treatment and outcome.
    """
    if asked.mediators:
        held = tuple(Treatment(m.variable, Term(m.variable, None, other)) for m in asked.mediators)
        return worlds.read(asked.outcome, (*world, *held))
    values = [(worlds.scm.resolve(t.variable), worlds.constant(t)) for t in world]
    return worlds.isolated(other, values, asked.outcome)
