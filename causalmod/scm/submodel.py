"""The model inside a module: its members are the variables, all else keeps its own values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from causalmod.errors import PartitionError
from causalmod.interventions import Held
from causalmod.variables import Variable

if TYPE_CHECKING:
    from causalmod.scm.model import StructuralCausalModel


def members_of(
    scm: StructuralCausalModel, module: str | Variable | Iterable[str | Variable]
) -> tuple[Variable, ...]:
    """Return the live units that a module names, with all variables that are tied to them.

    Raises:
        SelectorError: an unknown name.
        PartitionError: an input, a variable outside a submodel, or no live unit.
    """
    named = scm.resolve(module)
    if not named:
        raise PartitionError("a submodel needs members, such as scm.submodel(['fc1[0:4]', 'out'])")
    for variable in named:
        if variable.site in scm.inputs:
            raise PartitionError(
                f"{variable} is an input; inputs are the environment, which every module sees: "
                "leave them out of the submodel"
            )
        if scm.members and variable not in scm.members:
            raise PartitionError(
                f"{variable} is outside this submodel, where it keeps its own value on each row; "
                "call submodel() of the whole model to include it"
            )
    units = {scm.unit_of(variable) for variable in named}
    if None in units:
        apart = next(variable for variable in named if scm.unit_of(variable) is None)
        raise PartitionError(
            f"{apart} is part of several units, as {scm.representative[apart.site]!r} is read in a "
            f"basis; name variables of {scm.representative[apart.site]!r}"
        )
    live = {name for name in units if name is not None} & set(scm.units.names)
    if not live:
        first = next(iter(sorted(map(str, units))))
        raise PartitionError(
            f"none of the {len(units)} units named is live ({first}: "
            f"{scm.units.inert.get(first, 'not a unit')}); see scm.units.inert"
        )
    return tuple(
        Variable(name, index)
        for name, site in scm.sites.items()
        for index in range(site.count)
        if scm.unit_of(Variable(name, index)) in live
    )


def hold_outside(scm: StructuralCausalModel, members: Iterable[Variable]) -> tuple[Held, ...]:
    """Return what holds every variable that is no member, and no input, at its own values."""
    inside: dict[str, set[int]] = {}
    for variable in members:
        inside.setdefault(variable.site, set()).add(variable.index)
    held: list[Held] = []
    for name, site in scm.sites.items():
        if name in scm.inputs or not site.count or scm.unit_of(Variable(name, 0)) is None:
            continue  # what is part of several units answers to all of them
        rest = torch.tensor(sorted(set(range(site.count)) - inside.get(name, set())))
        if len(rest):
            held.append(Held(name, rest, scm.blocks(name)[:, rest]))
    return tuple(held)
