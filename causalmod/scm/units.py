"""Units: what a partition splits. Tied sites count once; inert units are found and left out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from causalmod.errors import InputError

if TYPE_CHECKING:
    from causalmod.scm.model import StructuralCausalModel


@dataclass(frozen=True)
class Units:
    """The live units of a model, in network order.

    Attributes:
        names: names of the live units.
        sites: the sites that they stand in (tied sites are represented by one).
        layer: ``[unit]`` position of each unit's site in ``sites``.
        index: ``[unit]`` position of each unit in its site.
        inert: name of each inert unit → why it takes part in nothing.
    """

    names: tuple[str, ...]
    sites: tuple[str, ...]
    layer: Tensor
    index: Tensor
    inert: dict[str, str]

    @cached_property
    def position(self) -> dict[str, int]:
        """Unit name → its position."""
        return {name: place for place, name in enumerate(self.names)}

    def at(self, site: int) -> Tensor:
        """Positions of the units of ``sites[site]``."""
        return (self.layer == site).nonzero().flatten()

    def __len__(self) -> int:
        return len(self.names)


def find_units(scm: StructuralCausalModel) -> Units:
    """Find the live units of a model.

    A unit is inert when it is constant on the data, or when nothing that it may influence, along
    edges that pass no constant unit, is a readout (one of the network's outputs).

    Raises:
        InputError: no unit is live.
    """
    readable = _readable(scm)
    sites = [s for s in scm.sites if s not in scm.inputs and scm.representative[s] == s]
    names: list[str] = []
    layers: list[int] = []
    places: list[int] = []
    inert: dict[str, str] = {}
    for layer, site in enumerate(sites):
        constant, read = scm.constant[site], readable[site]
        for index, name in enumerate(scm.sites[site].variables):
            if constant[index]:
                inert[name] = "constant on the data"
            elif not read[index]:
                inert[name] = "influences no output"
            else:
                names.append(name)
                layers.append(layer)
                places.append(index)
    if not names:
        raise InputError(
            f"none of the model's {len(inert)} units is live: all are constant on the data or "
            "influence no output; check the data and the weights"
        )
    return Units(tuple(names), tuple(sites), torch.tensor(layers), torch.tensor(places), inert)


def _readable(scm: StructuralCausalModel) -> dict[str, Tensor]:
    """Site → bool ``[variable]``: does a path of varying units lead from it to a readout?"""
    outputs = set(scm.outputs)
    found: dict[str, Tensor] = {}
    for site in reversed(list(scm.sites)):  # sites stand in the order in which they are computed
        count = scm.sites[site].count
        found[site] = torch.full((count,), site in outputs)
        for (source, target), matrix in scm.edges.items():
            if source == site:
                live = found[target] & ~scm.constant[target]
                found[site] = found[site] | (matrix & live).any(1)
    return found
