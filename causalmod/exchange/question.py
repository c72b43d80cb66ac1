"""Checks of the arguments that say what is asked: kind, reference, law, effect."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from causalmod.errors import InputError, nearest
from causalmod.exchange.groups import Group, check_disjoint
from causalmod.exchange.laws import check_law
from causalmod.scm import StructuralCausalModel

KINDS = ("observational", "interventional", "conditional", "strength", "effective")
REFERENCES = ("do", "observational")
EFFECTS = ("total", "direct")
#: The only law that some kinds are defined for; the others take any, ``observed`` by default.
_LAW_OF = {"strength": "product", "effective": "maxent"}

Selectors = str | Iterable[str]


class Kind(NamedTuple):
    """How something is asked, checked.

    Attributes:
        kind: one of :data:`KINDS`.
        reference: one of :data:`REFERENCES`; None where nothing is compared with a mixture.
        law: of the source's values; None where nothing is set.
        effect: one of :data:`EFFECTS`; None where nothing is set.
    """

    kind: str
    reference: str | None
    law: str | None
    effect: str | None

    @property
    def averaged(self) -> bool:
        """Is the context unknown?"""
        return self.kind in {"interventional", "effective"}


class Question(NamedTuple):
    """What is asked, checked.

    Attributes:
        how: kind, reference, law and effect.
        source, target: the groups.
        given: a group that is set as well.
        noise: inputs that are noise of mechanisms.
    """

    how: Kind
    source: Group
    target: Group
    given: Group | None
    noise: Group | None


def check_kind(
    kind: str, *, reference: str = "do", law: str | None = None, effect: str = "total"
) -> Kind:
    """Return how something is asked.

    Raises:
        InputError: an unknown kind, reference, law or effect, or one that the kind does not take.
    """
    for what, value, known in (
        ("kind", kind, KINDS),
        ("reference", reference, REFERENCES),
        ("effect", effect, EFFECTS),
    ):
        if value not in known:
            raise InputError(f"unknown {what} {value!r}: {nearest(str(value), known)}")
    law = check_law(_LAW_OF.get(kind, "observed") if law is None else law)
    if reference == "observational" and kind not in {"interventional", "effective"}:
        raise InputError(
            f"reference='observational' is a choice of kind='interventional'; kind={kind!r} "
            "compares with no mixture: leave it out"
        )
    if kind == "observational" and law != "observed":
        raise InputError(f"kind='observational' sets nothing, so law={law!r} does not apply")
    if kind in _LAW_OF and law != _LAW_OF[kind]:
        raise InputError(
            f"kind={kind!r} is defined with law={_LAW_OF[kind]!r}; given {law!r}: leave law out, "
            "or use kind='interventional'"
        )
    if kind == "observational":
        return Kind(kind, None, None, None)
    if kind == "strength":
        return Kind(kind, None, law, "direct")
    return Kind(kind, None if kind == "conditional" else reference, law, effect)


def check_question(
    scm: StructuralCausalModel,
    source: Selectors,
    target: Selectors,
    how: Kind,
    *,
    given_do: Selectors = (),
    noise: Selectors = (),
) -> Question:
    """Return what is asked.

    Raises:
        SelectorError: an unknown name.
        InputError: groups that overlap or are empty, or that the kind does not take.
    """
    sender, receiver = Group(scm, source, "source"), Group(scm, target, "target")
    check_disjoint(sender, receiver)
    given = _further(scm, given_do, "given_do", (sender, receiver))
    hidden = _further(scm, noise, "noise", (sender, receiver))
    if given is not None and not (how.averaged or how.kind == "conditional"):
        raise InputError(
            f"kind={how.kind!r} takes no given_do; use 'interventional' or 'conditional'"
        )
    if hidden is not None:
        _check_noise(scm, hidden, how.kind)
    return Question(how, sender, receiver, given, hidden)


def _further(
    scm: StructuralCausalModel, selectors: Selectors, role: str, others: tuple[Group, Group]
) -> Group | None:
    if isinstance(selectors, Iterable) and not isinstance(selectors, str):
        selectors = list(selectors)
        if not selectors:
            return None
    found = Group(scm, selectors, role)
    for other, name in zip(others, ("source", "target"), strict=True):
        check_disjoint(other, found, (name, role))
    return found


def _check_noise(scm: StructuralCausalModel, noise: Group, kind: str) -> None:
    if kind != "strength":
        raise InputError(
            f"noise names inputs that kind='strength' averages over; kind={kind!r} needs no such "
            "list: leave it out"
        )
    inner = [str(variable) for variable in noise.variables if variable.site not in scm.inputs]
    if inner:
        raise InputError(
            f"noise enters a network as an input, and {inner[0]} is none (inputs are "
            f"{', '.join(scm.inputs)})"
        )
