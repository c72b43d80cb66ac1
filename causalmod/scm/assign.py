"""Read what a user asks of do(): from selectors and values to assignments."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod.errors import InputError, SelectorError
from causalmod.interventions import (
    Assignment,
    EdgeAssignment,
    Interventions,
    Mean,
    Resample,
    read_value,
)
from causalmod.scm.modules import by_site
from causalmod.scm.views import arrives
from causalmod.variables import Variable

if TYPE_CHECKING:
    from causalmod.scm.model import StructuralCausalModel


def assign(
    scm: StructuralCausalModel, interventions: Interventions, rows: Tensor, strict: bool = True
) -> tuple[list[Assignment], list[EdgeAssignment]]:
    """Resolve interventions on variables and on edges.

    Args:
        scm: the model.
        interventions: selector, or (sender, receiver) → value.
        rows: numbers of the data rows that a value per row is given for.
        strict: refuse an edge between sites that are joined when these very variables are not.

    Raises:
        SelectorError: an unknown name, or an edge that there is not.
        InputError: a variable or edge set twice, or a value that does not fit.
    """
    if not isinstance(interventions, Mapping) or not interventions:
        raise InputError(
            "do() takes a non-empty mapping from selector to value, such as {'fc1[3]': 0.0}; "
            f"given {interventions!r}"
        )
    made: list[Assignment] = []
    on_edges: list[EdgeAssignment] = []
    seen: dict[Variable | tuple[Variable, Variable], str] = {}
    for key, value in interventions.items():
        if isinstance(key, tuple):
            on_edges += _on_edges(scm, key, value, rows, seen, strict=strict)
            continue
        selector = _text(key)
        variables = scm.resolve(selector)
        for variable in variables:
            _once(seen, variable, str(variable), selector)
        for part, held in by_site(selector, variables, value):
            made.append(_assignment(scm, selector, part, held, rows))
    return made, on_edges


def _assignment(
    scm: StructuralCausalModel,
    selector: str,
    variables: tuple[Variable, ...],
    value: Any,
    rows: Tensor,
) -> Assignment:
    """Read a value for some variables of one site."""
    site = scm.sites[variables[0].site]
    index = torch.tensor([variable.index for variable in variables])
    if isinstance(value, Resample):
        new: Any = _resampled(scm, variables, value)[rows]
    elif isinstance(value, Mean):
        new = _mean(selector, scm.blocks(site.name)[:, index])
    else:
        new = read_value(selector, site, index, value, scm.blocks(site.name), len(rows))
    return Assignment(site.name, index, new)


def _mean(selector: str, blocks: Tensor) -> Tensor:
    if not blocks.is_floating_point():
        raise InputError(
            f"do({selector!r}): cm.mean() needs a site of floating-point numbers; this one is "
            f"{blocks.dtype}"
        )
    return blocks.mean(0, keepdim=True)


def _on_edges(
    scm: StructuralCausalModel,
    key: tuple[Any, ...],
    value: Any,
    rows: Tensor,
    seen: dict[Any, str],
    *,
    strict: bool,
) -> list[EdgeAssignment]:
    if len(key) != 2:
        raise SelectorError(
            "do(): an edge is a pair (sender, receiver), such as ('fc1[3]', 'fc2[0]'); given "
            f"{key!r}"
        )
    sender, receiver = _text(key[0]), _text(key[1])
    label = f"{sender} -> {receiver}"
    pairs = list(product(by_site(label, scm.resolve(sender), value), _parts(scm, receiver)))
    made: list[EdgeAssignment] = []
    for (senders, held), (site, receivers) in pairs:
        if len(pairs) == 1:
            scm.edge_routes.check(senders[0].site, site)
        for one in senders:
            for index in receivers:
                pair = (one, Variable(site, index))
                _once(seen, pair, f"the edge from {pair[0]} to {pair[1]}", label)
        index = torch.tensor(receivers)
        reached = site in scm.edge_routes.receivers(senders[0].site)
        if reached and (not strict or arrives(scm, senders, [site])[site][index].any()):
            given = _assignment(scm, sender, senders, held, rows)
            made.append(EdgeAssignment(given, site, index))
    if not made:
        senders = pairs[0][0][0]
        raise scm.edge_routes.refusal(senders[0].site, sender, receiver, _reached(scm, senders))
    return made


def _reached(scm: StructuralCausalModel, senders: Sequence[Variable]) -> list[str]:
    """Name what some variables of one site reach: whole sites, or the variables of a site."""
    found = arrives(scm, senders, scm.edge_routes.receivers(senders[0].site))
    names: list[str] = []
    for name, at in found.items():
        if bool(at.all()):
            names.append(name)
        else:
            names += [scm.site(name).variables[index] for index in at.nonzero().flatten().tolist()]
    return names


def _parts(scm: StructuralCausalModel, receiver: str) -> list[tuple[str, list[int]]]:
    """Return the sites that a receiver stands in, and its positions in each."""
    if receiver not in scm.modules:
        return [scm.receiver(receiver)]
    found: dict[str, list[int]] = {}
    for variable in scm.modules[receiver]:
        found.setdefault(variable.site, []).append(variable.index)
    return list(found.items())


def _text(selector: Any) -> str:
    name = selector.name if isinstance(selector, Variable) else selector
    if not isinstance(name, str):
        raise SelectorError(
            "do(): each key is one selector, such as 'fc1[0:4]', or a pair (sender, receiver); "
            f"given {selector!r}"
        )
    return name


def _once(seen: dict[Any, str], what: Any, named: str, by: str) -> None:
    if what in seen:
        raise InputError(
            f"{named} is set twice: by {seen[what]!r} and {by!r}; give each variable one value"
        )
    seen[what] = by


def _resampled(
    scm: StructuralCausalModel, variables: Sequence[Variable], value: Resample
) -> Tensor:
    """Return ``[rows, variable, coordinate]`` of values that the variables take elsewhere."""
    columns = torch.tensor([variable.index for variable in variables])
    recorded = scm.blocks(variables[0].site)[:, columns]
    if value.joint:
        return recorded[permutation(scm.rows, value.seed)]
    # Keyed by name: one variable's donors do not depend on which others are set with it.
    each = [permutation(scm.rows, value.seed, variable.name) for variable in variables]
    return recorded[torch.stack(each, dim=1), torch.arange(len(variables))]


def permutation(count: int, seed: int, name: str = "") -> Tensor:
    """Return a random order of the rows, the same for the same seed and name."""
    if name:
        seed = int.from_bytes(hashlib.sha256(f"{seed}|{name}".encode()).digest()[:7], "big")
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))
