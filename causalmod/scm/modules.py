"""Names of modules: what makes ``left`` and ``left.a`` selectors of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from torch import Tensor

from causalmod.errors import InputError, PartitionError
from causalmod.partition import Partition
from causalmod.variables import Variable

Modules = Mapping[str, tuple[Variable, ...]]


class HasModules(Protocol):
    """A partition, or a hierarchy: mappings, perhaps nested, from module name to members."""

    @property
    def modules(self) -> Mapping[str, Any]:
        """Module name → members, or modules inside it."""
        ...


def read_modules(
    partition: object,
    resolve: Callable[[Any], tuple[Variable, ...]],
    taken: Iterable[str],
) -> dict[str, tuple[Variable, ...]]:
    """Return the variables of each module, and of each module of modules, by dotted name.

    Args:
        partition: a partition, or nested mappings from name to members; a name with dots stands for
            nested names.
        resolve: from selectors to variables.
        taken: names that mean something else already.

    Raises:
        PartitionError: not a partition; a module that is named like a site, is empty, or shares a
            variable with another; two modules of one name.
        SelectorError: an unknown name.
    """
    leaves: dict[str, tuple[Variable, ...]] = {}
    for name, members in _leaves(partition, ""):
        if name in leaves:
            raise PartitionError(f"module {name!r} is given twice")
        leaves[name] = resolve(members)
        if not leaves[name]:
            raise PartitionError(f"module {name!r} is empty: give it at least one variable")
    owner: dict[Variable, str] = {}
    modules: dict[str, dict[Variable, None]] = {}
    for name, variables in leaves.items():
        for variable in variables:
            if owner.setdefault(variable, name) != name:
                raise PartitionError(
                    f"{variable} stands in modules {owner[variable]!r} and {name!r}; modules must "
                    "not overlap"
                )
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            modules.setdefault(".".join(parts[:depth]), {}).update(dict.fromkeys(variables))
    for name in modules:
        if name in set(taken):
            raise PartitionError(
                f"module {name!r} is named like a site of the model; give it another name"
            )
    return {name: tuple(variables) for name, variables in modules.items()}


def _leaves(given: object, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield dotted names and members of the modules that hold no other modules."""
    modules = getattr(given, "modules", given)  # of a partition or a hierarchy
    if not isinstance(modules, Mapping) or not modules:
        raise PartitionError(
            "expected a partition, or a mapping from module name to members (or to modules inside "
            f"it), such as {{'left': ['fc1[0:4]'], 'right': ['fc1[4:8]']}}; given {given!r}"
        )
    for name, members in modules.items():
        if not isinstance(name, str) or not all(name.split(".")):
            raise PartitionError(f"module names are non-empty text; given {name!r}")
        if isinstance(members, Mapping | Partition):
            yield from _leaves(members, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", members


def by_site(
    selector: str, variables: tuple[Variable, ...], value: Any
) -> Iterator[tuple[tuple[Variable, ...], Any]]:
    """Yield variables and value of each part, in one site, of an intervention on several.

    Raises:
        InputError: a value that says nothing for each site.
    """
    parts: dict[str, list[int]] = {}
    for place, variable in enumerate(variables):
        parts.setdefault(variable.site, []).append(place)
    for places in parts.values():
        chosen = tuple(variables[place] for place in places)
        is_one = not isinstance(value, Tensor | list | tuple) or (
            isinstance(value, Tensor) and value.ndim == 0
        )
        if len(parts) == 1 or is_one:
            yield chosen, value
        elif isinstance(value, Tensor) and value.shape[-1] == len(variables):
            yield chosen, value[..., places]
        elif not isinstance(value, Tensor) and len(value) == len(variables):
            yield chosen, [value[place] for place in places]
        else:
            given = list(value.shape) if isinstance(value, Tensor) else len(value)
            raise InputError(
                f"do({selector!r}): the {len(variables)} variables stand in {len(parts)} sites, so "
                f"the value is one number, or one per variable in the last dimension; given {given}"
            )
