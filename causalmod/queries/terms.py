"""The parts of a query: variables, with what is said of them and the world they live in."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from causalmod.errors import InputError, SelectorError
from causalmod.interventions import Resample
from causalmod.queries.events import Event, number, read_event, written
from causalmod.variables import Variable

#: A name that needs no quotes. It ends before ``_{``, where a subscript begins.
PLAIN_NAME = r"[^\W\d](?:(?!_\{)[\w.:@])*"
INDEX = r"\[[\d:,\s]*\]"
_RESERVED = {"do", "in", "inf", "bin", "resample", "reference"}


Selector = str | Variable
Value = Union[float, Sequence[float], Resample, "Term", None]
#: What may be given for treatments: objects, names (values left open), or selector → value; an edge
#: is a pair of selectors.
Treatments = Union[Selector, "Treatment", Iterable["Selector | Treatment"], Mapping[Any, Any]]
#: What may be given for terms: objects, names, or selector → event.
Terms = Union[Selector, "Term", Iterable["Selector | Term"], Mapping[Any, Any]]


def quoted(selector: str) -> str:
    """Write a selector as it stands in a query: in backticks where its name is not plain.

    Example:
        >>> quoted("fc1[3]"), quoted("2[0]"), quoted("h.0.attn")
        ('fc1[3]', '`2`[0]', 'h.0.attn')
    """
    found = re.fullmatch(rf"(?P<name>.+?)(?P<index>{INDEX})?", selector, re.DOTALL)
    name, index = (found["name"], found["index"] or "") if found else (selector, "")
    plain = re.fullmatch(PLAIN_NAME, name) and name not in _RESERVED
    return f"{name}{index}" if plain else f"`{name.replace('`', '``')}`{index}"


def selector_of(name: object) -> str:
    """Return the text of a selector.

    Raises:
        SelectorError: neither text nor a variable of a model.
    """
    if isinstance(name, Variable):
        return name.name
    if not isinstance(name, str) or not name.strip():
        raise SelectorError(f"a query names variables by text such as 'fc1[3]'; given {name!r}")
    return name.strip()


@dataclass(frozen=True, init=False)
class Treatment:
    """One assignment of an intervention: ``x = 0.5`` in ``do(x = 0.5)`` or in a subscript.

    Attributes:
        variable: selector of what is set.
        value: a number; one number per variable; :func:`causalmod.resample`; a counterfactual
            :class:`Term` (``m = m_{x=0}``); or None where the query leaves it open, as in
            ``P(y | do(x))``, which is the whole family over the values that ``x`` takes.
        receiver: only this reader sees the new value: an intervention on an edge.

    Example:
        >>> print(Treatment("fc1[3]", 0.5), Treatment("a", 1, receiver="b"), sep="; ")
        fc1[3] = 0.5; a -> b = 1
    """

    variable: str
    value: float | tuple[float, ...] | Resample | Term | None = None
    receiver: str | None = None

    def __init__(
        self, variable: Selector, value: Value = None, receiver: Selector | None = None
    ) -> None:
        held: Any = value
        if isinstance(value, list | tuple):
            held = tuple(number(each, "each value of a treatment") for each in value)
        elif isinstance(value, Term):
            if value.event is not None or not value.world:
                raise InputError(
                    f"{value} is no value: name a variable in a world of its own, as in m_{{x = 0}}"
                )
        elif not (value is None or isinstance(value, Resample)):
            held = number(value, "the value of a treatment (functions: call scm.do first)")
        object.__setattr__(self, "variable", selector_of(variable))
        object.__setattr__(self, "value", held)
        object.__setattr__(self, "receiver", None if receiver is None else selector_of(receiver))

    def __str__(self) -> str:
        name = quoted(self.variable)
        if self.receiver is not None:
            name += f" -> {quoted(self.receiver)}"
        match self.value:
            case None:
                return name
            case Resample(seed=seed, joint=joint):
                return f"{name} = resample({seed}{'' if joint else ', separate'})"
            case tuple() as values:
                return f"{name} = [{', '.join(map(written, values))}]"
            case Term() as term:
                return f"{name} = {term}"
            case float() as value:
                return f"{name} = {written(value)}"
        raise InputError(f"cannot write the treatment {self!r}")


@dataclass(frozen=True, init=False)
class Term:
    """A variable in a world, and what is said of it: ``y``, ``y > 0``, ``y_{x = 0}``.

    Attributes:
        variable: selector of a variable, a site, a group or a module.
        event: what is said of its value; None where nothing is.
        world: the subscript: what is set in the world that the term is read in, on top of what the
            query does as a whole. Empty for the world of the query itself.

    Example:
        >>> print(Term("y", 1, world={"fc1[3]": 0}))
        y_{fc1[3] = 0} = 1
    """

    variable: str
    event: Event | None = None
    world: tuple[Treatment, ...] = ()

    def __init__(
        self,
        variable: Selector,
        event: Event | float | Collection[float] | None = None,
        world: Treatments = (),
    ) -> None:
        object.__setattr__(self, "variable", selector_of(variable))
        object.__setattr__(self, "event", read_event(event))
        object.__setattr__(self, "world", read_treatments(world))

    @property
    def name(self) -> str:
        """The variable with its subscript, without the event."""
        subscript = ", ".join(map(str, self.world))
        return quoted(self.variable) + (f"_{{{subscript}}}" if subscript else "")

    def __str__(self) -> str:
        return self.name if self.event is None else self.event.about(self.name)


def read_treatments(given: object) -> tuple[Treatment, ...]:
    """Return treatments; a mapping from selector (or pair of selectors, an edge) to value will do.

    Raises:
        InputError: a variable is set twice, or something is no treatment.
    """
    if isinstance(given, Mapping):
        found = tuple(
            Treatment(key[0], value, key[1]) if isinstance(key, tuple) else Treatment(key, value)
            for key, value in given.items()
        )
    else:
        items = [given] if isinstance(given, str | Variable | Treatment) else _listed(given, "do")
        found = tuple(i if isinstance(i, Treatment) else Treatment(selector_of(i)) for i in items)
    seen: set[tuple[str, str | None]] = set()
    for each in found:
        key = (each.variable, each.receiver)
        if key in seen:
            raise InputError(f"{each.variable!r} is set twice in one intervention")
        seen.add(key)
    return found


def read_terms(given: object, role: str) -> tuple[Term, ...]:
    """Return terms; names, or a mapping from selector to event, will do.

    Raises:
        InputError: something is no term.
    """
    if isinstance(given, Mapping):
        return tuple(Term(key, event) for key, event in given.items())
    items = [given] if isinstance(given, str | Variable | Term) else _listed(given, role)
    return tuple(i if isinstance(i, Term) else Term(selector_of(i)) for i in items)


def _listed(given: object, role: str) -> list[Any]:
    if not isinstance(given, Iterable):
        raise InputError(f"{role} takes names such as 'fc1[3]', or a mapping; given {given!r}")
    return list(given)
