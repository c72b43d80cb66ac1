"""Partitions as the user names them, expressed in the live units of a model."""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.errors import PartitionError
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel, Units


def partition_of(
    scm: StructuralCausalModel, partition: Partition, units: Units | None = None
) -> Partition:
    """Express a partition in the live units of a model, once each.

    Whole sites are expanded; a tied name (a pre-activation, say) counts as its unit; inert units
    are dropped.

    Args:
        scm: the model.
        partition: what the user gave.
        units: what it is to split; the model's own units by default. Inputs may be among them.

    Raises:
        SelectorError: an unknown name.
        PartitionError: live units are missing or stand in two modules, tied sites are torn apart,
            inputs are listed where they are the environment, or a module has no live unit.
    """
    units = scm.units if units is None else units
    owned = set(units.sites)
    if not isinstance(partition, Partition):
        raise PartitionError(
            "expected a partition, such as cm.Partition({'left': [...], 'right': [...]}); given "
            f"{type(partition).__name__}"
        )
    owner: dict[str, tuple[str, str]] = {}  # unit → its module, and the name that put it there
    for module, members in partition.modules.items():
        for variable in scm.resolve(members):
            if variable.site in scm.inputs and variable.site not in owned:
                raise PartitionError(
                    f"{variable} is an input; inputs are the environment, which all modules see: "
                    "leave them out of the partition, or measure with inputs='members'"
                )
            unit = scm.unit_of(variable)
            if unit is None:
                home = scm.representative[variable.site]
                raise PartitionError(
                    f"{variable} is part of several units, as {home!r} is read in a basis; name "
                    f"variables of {home!r} in its place"
                )
            first, name = owner.setdefault(unit, (module, str(variable)))
            if first != module:
                raise PartitionError(_torn(name, first, str(variable), module))
    live = units.position
    missing = [unit for unit in live if unit not in owner]
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        driven = [unit for unit in missing if unit.rpartition("[")[0] in scm.inputs]
        more = "; with inputs='members' each input that varies needs a module" if driven else ""
        raise PartitionError(
            f"{len(missing)} live units are in no module: {shown}; add them (scm.units.names "
            f"lists all){more}"
        )
    modules: dict[str, list[str]] = {module: [] for module in partition.modules}
    for unit, (module, _) in owner.items():
        if unit in live:
            modules[module].append(unit)
    empty = [module for module, units in modules.items() if not units]
    if empty:
        raise PartitionError(
            f"module {empty[0]!r} has only inert units, which take part in nothing (see "
            "scm.units.inert); give it a live unit, or leave it out"
        )
    return Partition(modules)


def _torn(variable: str, module: str, other: str, another: str) -> str:
    if variable == other:
        return f"{other} stands in modules {module!r} and {another!r}; modules must not overlap"
    return (
        f"{variable} and {other} are tied (one is an elementwise function of the other), but they "
        f"stand in modules {module!r} and {another!r}; put both in one"
    )


def unit_labels(
    scm: StructuralCausalModel | Units, partition: Partition
) -> tuple[Tensor, tuple[str, ...]]:
    """Return ``[unit]`` module numbers, and the module names, of a partition over live units."""
    units = scm if isinstance(scm, Units) else scm.units
    names = tuple(partition.modules)
    number = {name: place for place, name in enumerate(names)}
    return torch.tensor([number[partition.labels[unit]] for unit in units.names]), names
