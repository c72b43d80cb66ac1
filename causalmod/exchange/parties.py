"""Who sends and who receives in a map: single variables, or named groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.exchange.groups import Group
from causalmod.scm import StructuralCausalModel
from causalmod.variables import Variable

Selectors = str | Iterable[str] | Mapping[str, "str | Iterable[str]"]


class Parties:
    """The rows or the columns of a map.

    Attributes:
        names: of the parties: of variables, or of groups as they were given.
        groups: of each party.
        together: all their variables in one group, each once.
        columns: of each party: positions of its coordinates in those of ``together``.

    Raises:
        SelectorError: an unknown name.
        InputError: no party.
    """

    def __init__(self, scm: StructuralCausalModel, selectors: Selectors, role: str) -> None:
        if isinstance(selectors, Mapping):
            members = {
                name: Group(scm, some, f"{role} {name!r}") for name, some in selectors.items()
            }
            if not members:
                raise InputError(f"{role} is empty: name at least one group")
        else:
            every = Group(scm, selectors, role)
            members = {v.name: Group(scm, [v.name], role) for v in every.variables}
        self.names = tuple(members)
        self.groups = tuple(members.values())
        ordered = dict.fromkeys(v for group in self.groups for v in group.variables)
        self.together = Group(scm, [variable.name for variable in ordered], role)
        place: dict[Variable, Tensor] = {}
        taken = 0
        for site, index in self.together.index.items():
            width = scm.sites[site].width
            for number in index.tolist():
                place[Variable(site, number)] = torch.arange(taken, taken + width)
                taken += width
        self.columns = [torch.cat([place[v] for v in group.variables]) for group in self.groups]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def single(self) -> bool:
        """Has every party one coordinate?"""
        return all(len(columns) == 1 for columns in self.columns)

    @property
    def variables(self) -> bool:
        """Is every party one variable?"""
        return all(len(group.variables) == 1 for group in self.groups)

    def by_site(self) -> dict[str, Tensor]:
        """Site → numbers of the parties there, which are single variables, in its order."""
        found: dict[str, list[int]] = {}
        for number, group in enumerate(self.groups):
            found.setdefault(group.variables[0].site, []).append(number)
        return {site: torch.tensor(numbers) for site, numbers in found.items()}

    def by_width(self) -> list[tuple[Tensor, Tensor]]:
        """Parties with equally many coordinates: their numbers, and columns ``[party, column]``."""
        found: dict[int, list[int]] = {}
        for number, columns in enumerate(self.columns):
            found.setdefault(len(columns), []).append(number)
        return [
            (torch.tensor(numbers), torch.stack([self.columns[n] for n in numbers]))
            for numbers in found.values()
        ]


def overlap(sources: Parties, targets: Parties) -> Tensor:
    """Which pairs ``[source, target]`` share a variable: nobody sends to himself."""
    found = torch.zeros(len(sources), len(targets), dtype=torch.bool)
    owners: dict[Variable, list[int]] = {}
    for number, group in enumerate(targets.groups):
        for variable in group.variables:
            owners.setdefault(variable, []).append(number)
    for number, group in enumerate(sources.groups):
        for variable in group.variables:
            found[number, owners.get(variable, [])] = True
    return found
