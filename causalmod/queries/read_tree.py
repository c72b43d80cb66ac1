"""From the syntax tree of a query to plain objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from causalmod.errors import CausalmodError, QueryError
from causalmod.interventions import Resample
from causalmod.queries.events import Bin, Equal, Event, Interval, NotEqual, OneOf
from causalmod.queries.kinds import (
    Change,
    Effect,
    ExchangedInformation,
    Expectation,
    Information,
    Probability,
    Query,
)
from causalmod.queries.terms import Term, Treatment
from causalmod.variables import parse

if TYPE_CHECKING:
    from lark import Token, Tree

Complain = Callable[[int, str], QueryError]
_ALIASES = {"ATE": "TE"}
_DIRECTION = {"<": 1, "<=": 1, ">": -1, ">=": -1}
_PLAIN = {"≤": "<=", "≥": ">="}


def read_tree(tree: Tree[Token], complain: Complain) -> Query:
    """Build the query that a syntax tree says.

    Args:
        tree: made by the grammar in ``query.lark``.
        complain: makes an error from a position in the text and a message.

    Raises:
        QueryError: what is written has the right form but makes no sense.
    """
    return cast("Query", _Reader(complain).read(tree.children[0]))


class _Reader:
    """One method for each rule of the grammar."""

    def __init__(self, complain: Complain) -> None:
        self._complain = complain

    def read(self, node: Any) -> Any:
        """Build what a node says; errors of the objects are told at its place in the text."""
        if not hasattr(node, "data"):
            return node
        try:
            return getattr(self, f"_{node.data}")(*node.children)
        except QueryError:
            raise
        except CausalmodError as error:
            raise self._complain(node.meta.start_pos, str(error)) from None

    def _all(self, nodes: tuple[Any, ...]) -> list[Any]:
        return [self.read(node) for node in nodes]

    # --- queries ----------------------------------------------------------------------------------

    def _probability(self, _: Token, terms: Any, conditions: Any) -> Probability:
        do, given = self.read(conditions) if conditions else ((), ())
        return Probability(self.read(terms), do, given)

    def _expectation(self, _: Token, terms: Any, conditions: Any) -> Expectation:
        do, given = self.read(conditions) if conditions else ((), ())
        return Expectation(self.read(terms), do, given)

    def _effect(self, kind: Token, outcome: Any, changes: Any, further: Any, given: Any) -> Effect:
        paths: list[tuple[str, ...]] = []
        mediators: list[Treatment] = []
        name = _ALIASES.get(str(kind), str(kind))
        for node in further.children if further else ():
            path, value = self._path_and_value(*node.children)
            if name == "PSE" and value is None:
                paths.append(tuple(path))
            elif len(path) == 1:
                mediators.append(Treatment(path[0], value))
            else:
                raise self._complain(
                    node.meta.start_pos, f"{kind} takes mediators here, not paths; ask for PSE"
                )
        known = self.read(given) if given else ()
        return Effect(
            name,
            self.read(outcome),
            tuple(self.read(changes)),
            tuple(mediators),
            tuple(paths),
            known,
        )

    def _information(
        self, _: Token, source: Any, target: Any, known: Any, word: Any, reference: Any
    ) -> Information:
        names, given, do = self.read(source), [], False
        for node in known.children if known else ():
            if node.data == "selector":
                given.append(self.read(node))
                continue
            if self.read(node) != names:
                raise self._complain(
                    node.meta.start_pos,
                    f"information sets its source: expected do({', '.join(names)})",
                )
            do = True
        chosen = "do" if reference is None else str(reference)
        return Information(names, self.read(target), do, tuple(given), chosen)

    def _exchange(self, _: Token, *groups: Any) -> ExchangedInformation:
        return ExchangedInformation(tuple(self._all(groups)))

    # --- conditions -------------------------------------------------------------------------------

    def _conditions(self, *nodes: Any) -> tuple[tuple[Treatment, ...], tuple[Term, ...]]:
        do: list[Treatment] = []
        given: list[Term] = []
        for node in nodes:
            if node.data == "do":
                do += self._set_once(node.children[1].children, do)
            else:
                given.append(self.read(node))
        return tuple(do), tuple(given)

    def _do_groups(self, _: Token, group: Any) -> tuple[str, ...]:
        return self.read(group)

    def _assignments(self, *nodes: Any) -> list[Treatment]:
        return self._set_once(nodes, [])

    def _set_once(self, nodes: Any, before: list[Treatment]) -> list[Treatment]:
        found: list[Treatment] = []
        seen = {(each.variable, each.receiver) for each in before}
        for node in nodes:
            each = self.read(node)
            if (each.variable, each.receiver) in seen:
                raise self._complain(
                    node.meta.start_pos,
                    f"{each.variable!r} is set twice in one intervention",
                )
            seen.add((each.variable, each.receiver))
            found.append(each)
        return found

    def _assignment(self, path: Any, value: Any) -> Treatment:
        steps, held = self._path_and_value(path, value)
        if len(steps) > 2:
            raise self._complain(
                path.meta.start_pos, "an intervention on an edge names two ends: do(a -> b = 1)"
            )
        return Treatment(steps[0], held, steps[1] if steps[1:] else None)

    def _path_and_value(self, path: Any, value: Any) -> tuple[list[str], Any]:
        return self._all(path.children), None if value is None else self.read(value)

    def _value(self, node: Any) -> Any:
        held = self.read(node)
        if node.data == "world_variable" and not held.world:
            raise self._complain(
                node.meta.start_pos,
                f"expected a number, or a variable in its own world: {held.variable}_{{x = 0}}",
            )
        return held

    def _vector(self, *nodes: Any) -> tuple[float, ...]:
        return tuple(self._all(nodes))

    def _resample(self, _: Token, seed: Any, separate: Any) -> Resample:
        return Resample(self._whole(seed), separate is None)

    def _changes(self, *nodes: Any) -> list[Change]:
        return self._all(nodes)

    def _change(self, selector: Any, reference: Any, value: Any) -> Change:
        return Change(self.read(selector), self.read(reference), self.read(value))

    # --- terms and events -------------------------------------------------------------------------

    def _terms(self, *nodes: Any) -> tuple[Term, ...]:
        return tuple(self._all(nodes))

    def _term(self, variable: Any, event: Any = None) -> Term:
        term: Term = self.read(variable)
        return Term(term.variable, self.read(event), term.world)

    def _reversed(self, low: Any, sign: Token, variable: Any) -> Term:
        term: Term = self.read(variable)
        sense = _PLAIN.get(sign, str(sign))
        event = _half(_turned(sense), self.read(low))
        return Term(term.variable, event, term.world)

    def _between(self, low: Any, first: Token, variable: Any, second: Token, high: Any) -> Term:
        term: Term = self.read(variable)
        senses = [_PLAIN.get(sign, str(sign)) for sign in (first, second)]
        ends = [self.read(low), self.read(high)]
        if _DIRECTION[senses[0]] != _DIRECTION[senses[1]]:
            raise self._complain(
                second.start_pos or 0, "both comparisons must point the same way, as in 0 < x <= 1"
            )
        if _DIRECTION[senses[0]] < 0:
            senses, ends = [_turned(sense) for sense in reversed(senses)], ends[::-1]
        closed = _closed("=" in senses[0], "=" in senses[1])
        return Term(term.variable, Interval(ends[0], ends[1], closed), term.world)

    def _world_variable(self, selector: Any, subscript: Any) -> Term:
        world = tuple(self.read(subscript)) if subscript else ()
        return Term(self.read(selector), None, world)

    def _equal(self, value: Any) -> Event:
        return Equal(self.read(value))

    def _not_equal(self, _: Token, value: Any) -> Event:
        return NotEqual(self.read(value))

    def _compared(self, sign: Token, value: Any) -> Event:
        return _half(_PLAIN.get(sign, str(sign)), self.read(value))

    def _one_of(self, *values: Any) -> Event:
        return OneOf(tuple(self._all(values)))

    def _interval(self, opening: Any, low: Any, high: Any, closing: Any) -> Event:
        closed = _closed(str(opening.children[0]) == "[", str(closing.children[0]) == "]")
        return Interval(self.read(low), self.read(high), closed)

    def _bin(self, _: Token, index: Any, bins: Any) -> Event:
        return Bin(self._whole(index), self._whole(bins))

    # --- words ------------------------------------------------------------------------------------

    def _group(self, *nodes: Any) -> tuple[str, ...]:
        return tuple(self._all(nodes))

    def _selector(self, name: Token, index: Token | None) -> str:
        plain = name[1:-1].replace("``", "`") if name.type == "QUOTED" else str(name)
        text = plain if index is None else f"{plain}{''.join(index.split())}"
        if index is not None:
            parse(text)
        return text

    def _number(self, token: Token) -> float:
        return float(token)

    def _whole(self, node: Any) -> int:
        value = self.read(node)
        if value != int(value):
            raise self._complain(node.meta.start_pos, "expected a whole number")
        return int(value)


def _half(sense: str, value: float) -> Interval:
    closed = _closed("=" in sense, "=" in sense)
    return (
        Interval(value, float("inf"), closed)
        if sense[0] == ">"
        else Interval(-float("inf"), value, closed)
    )


def _turned(sense: str) -> str:
    """Return what a comparison is from the other side."""
    return {"<": ">", ">": "<"}[sense[0]] + sense[1:]


def _closed(low: bool, high: bool) -> str:
    names = {(True, True): "both", (True, False): "left", (False, True): "right"}
    return names.get((low, high), "neither")
