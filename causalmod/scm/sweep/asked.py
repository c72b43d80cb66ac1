"""Read what a user asks of a sweep: which interventions, one after the other."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod.errors import InputError, SelectorError, nearest
from causalmod.interventions import (
    Assignment,
    EdgeAssignment,
    Interventions,
    Resample,
    Value,
)
from causalmod.scm.assign import assign, permutation
from causalmod.scm.sweep.jobs import Job
from causalmod.variables import Variable

if TYPE_CHECKING:
    from causalmod.scm.model import StructuralCausalModel

Edge = tuple[str, str]
Each = str | Variable | Edge
Asked = Each | Interventions | Sequence[Each | Interventions]
Make = Callable[[], Job]


def read(scm: StructuralCausalModel, asked: Asked, value: Value) -> list[tuple[str, Make]]:
    """Return the name of each intervention, and a function that resolves it.

    Args:
        scm: the model.
        asked: selectors and globs (each of their variables is one intervention), edges (each
            variable of the sender is one), and mappings as for ``do`` (one each).
        value: what selectors and edges are set to.

    Raises:
        SelectorError: an unknown name or edge.
        InputError: nothing is asked for, or a value does not fit.
    """
    one = isinstance(asked, (str, Variable, Mapping)) or _is_edge(asked)
    found: list[tuple[str, Make]] = []
    same = _OneValue(scm, value)
    for each in [asked] if one or not isinstance(asked, Iterable) else asked:
        found += _read_one(scm, each, same)
    if not found:
        raise InputError(
            "sweep() needs at least one intervention: selectors, globs, edges, or mappings as for "
            f"do(); given {asked!r}"
        )
    return found


def _is_edge(asked: Any) -> bool:
    """A pair of names is an edge; several selectors are written as a list."""
    return (
        isinstance(asked, tuple)
        and len(asked) == 2
        and all(isinstance(part, (str, Variable)) for part in asked)
    )


def _read_one(scm: StructuralCausalModel, each: Any, same: _OneValue) -> list[tuple[str, Make]]:
    value = same.value
    if isinstance(each, Mapping):
        made = _resolve(scm, each)
        name = ", ".join(f"{_name(key)}={_brief(new)}" for key, new in each.items())
        return [(name, lambda: Job(name, *made))]
    if _is_edge(each):
        sender, receiver = (_text(part) for part in each)
        _resolve(scm, {(sender, receiver): value})
        return [
            (f"{one} -> {receiver}", _maker(scm, (one.name, receiver), value))
            for one in scm.resolve(sender)
        ]
    if not isinstance(each, (str, Variable)):
        raise SelectorError(
            "sweep(): expected selectors such as 'fc1' or 'h.*.attn.heads', edges (sender, "
            f"receiver), or mappings as for do(); given {each!r}"
        )
    selectors = _globbed(scm, _text(each))
    return [(v.name, same.make(v)) for selector in selectors for v in scm.resolve(selector)]


class _OneValue:
    """The value that all single variables of a sweep are set to, tried out once for each site.

    Attributes:
        value: as the user gave it.
    """

    def __init__(self, scm: StructuralCausalModel, value: Value) -> None:
        self.value = value
        self._scm = scm
        self._on_site: dict[str, Tensor | None] = {}

    def make(self, variable: Variable) -> Make:
        """Return a function that resolves the intervention on one variable."""
        if variable.site not in self._on_site:
            self._on_site[variable.site] = self._find(variable)
        values = self._on_site[variable.site]
        if values is None:
            return _maker(self._scm, variable.name, self.value)

        def job() -> Job:
            own = slice(variable.index, variable.index + 1) if values.shape[1] > 1 else slice(1)
            made = Assignment(variable.site, torch.tensor([variable.index]), values[:, own])
            return Job(variable.name, (made,), ())

        return job

    def _find(self, variable: Variable) -> Tensor | None:
        """Values ``[rows or 1, variables or 1, coordinate]`` that a whole site can share."""
        made, _ = _resolve(self._scm, {variable.name: self.value})
        if isinstance(self.value, Resample) and self.value.joint:
            donors = permutation(self._scm.rows, self.value.seed)
            return self._scm.blocks(variable.site)[donors]
        is_number = isinstance(self.value, (bool, int, float))
        return made[0].value if is_number and isinstance(made[0].value, Tensor) else None


def _maker(scm: StructuralCausalModel, key: str | Edge, value: Value) -> Make:
    name = key if isinstance(key, str) else f"{key[0]} -> {key[1]}"
    return lambda: Job(name, *_resolve(scm, {key: value}, strict=False))


def _resolve(
    scm: StructuralCausalModel, mapping: Any, strict: bool = True
) -> tuple[tuple[Assignment, ...], tuple[EdgeAssignment, ...]]:
    made, on_edges = assign(scm, mapping, torch.arange(scm.rows), strict)
    if len(made) == 1 and not on_edges and callable(made[0].value):
        # Nothing lies before it that could change, so its natural value is the recorded one.
        natural = scm.blocks(made[0].site)[:, made[0].index]
        new: Tensor = made[0].value(natural)
        made = [Assignment(made[0].site, made[0].index, new)]
    return tuple(made), tuple(on_edges)


def _globbed(scm: StructuralCausalModel, selector: str) -> list[str]:
    if not any(sign in selector for sign in "*?") or selector in scm.sites:
        return [selector]
    labels = {label: s.name for s in scm.sites.values() for label in (s.name, *s.aliases)}
    found = [name for label, name in labels.items() if fnmatch.fnmatchcase(label, selector)]
    if not found:
        raise SelectorError(f"sweep(): no site is like {selector!r}: {nearest(selector, labels)}")
    return list(dict.fromkeys(found))


def _text(selector: str | Variable) -> str:
    return selector.name if isinstance(selector, Variable) else selector


def _name(key: Any) -> str:
    return " -> ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _brief(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"tensor{list(value.shape)}" if value.ndim else f"{value.item():g}"
    return getattr(value, "__name__", None) or repr(value)
