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
from causalmod.scm.sweep.engine import Job
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
    for each in [asked] if one or not isinstance(asked, Iterable) else asked:
        found += _read_one(scm, each, value)
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


def _read_one(scm: StructuralCausalModel, each: Any, value: Value) -> list[tuple[str, Make]]:
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
    return [pair for selector in selectors for pair in _each_variable(scm, selector, value)]


def _each_variable(
    scm: StructuralCausalModel, selector: str, value: Value
) -> list[tuple[str, Make]]:
    """One intervention for each variable; the value is tried out on the first, at once."""
    variables = scm.resolve(selector)
    first = _resolve(scm, {variables[0].name: value})
    if isinstance(value, Resample) and value.joint:
        # All variables have the same donors, so they are looked up once.
        blocks = scm.blocks(variables[0].site)
        donors = permutation(scm.rows, value.seed)
        return [(v.name, _resampled(v, blocks, donors)) for v in variables]
    if isinstance(value, (bool, int, float)):
        return [(v.name, _constant(v, first[0][0])) for v in variables]
    return [(v.name, _maker(scm, v.name, value)) for v in variables]


def _resampled(variable: Variable, blocks: Tensor, donors: Tensor) -> Make:
    def make() -> Job:
        index = torch.tensor([variable.index])
        value = blocks[:, variable.index][donors][:, None]
        return Job(variable.name, (Assignment(variable.site, index, value),), ())

    return make


def _constant(variable: Variable, like: Assignment) -> Make:
    def make() -> Job:
        index = torch.tensor([variable.index])
        return Job(variable.name, (Assignment(variable.site, index, like.value),), ())

    return make


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
