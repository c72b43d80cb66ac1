"""Units: what a partition splits. Tied sites count once; inert units are found and left out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.variables import Variable

if TYPE_CHECKING:
    from causalmod.scm.model import StructuralCausalModel


@dataclass(frozen=True)
class Units:
    """The live units of a model, in network order.

    Attributes:
        names: names of the live units.
        sites: the sites that they stand in (tied sites are represented by one).
        site: ``[unit]`` position of each unit's site in ``sites``.
        index: ``[unit]`` position of each unit in its site.
        layer: ``[unit]`` depth of its site: most steps from an input. Sites side by side (the
            tracks of a branched network) share a layer.
        inert: name of each inert unit → why it takes part in nothing.

    Example:
        >>> import torch, causalmod as cm
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
        >>> units = cm.compile(net.eval(), torch.eye(2)).units  # a unit and its tanh are one
        >>> units.sites, units.layer.tolist()
        (('1', 'output'), [1, 1, 1, 2])
    """

    names: tuple[str, ...]
    sites: tuple[str, ...]
    site: Tensor
    index: Tensor
    layer: Tensor
    inert: dict[str, str]

    @cached_property
    def position(self) -> dict[str, int]:
        """Unit name → its position."""
        return {name: place for place, name in enumerate(self.names)}

    def at(self, site: int) -> Tensor:
        """Positions of the units of ``sites[site]``.

        Example:
            >>> import torch, causalmod as cm
            >>> cm.compile(torch.nn.Linear(2, 3).eval(), torch.eye(2)).units.at(0).tolist()
            [0, 1, 2]
        """
        return (self.site == site).nonzero().flatten()

    def __len__(self) -> int:
        return len(self.names)


def find_units(scm: StructuralCausalModel, *, inputs: bool = False) -> Units:
    """Find the live units of a model.

    A unit is inert when it is constant on the data, or when nothing that it may influence, along
    edges that pass no constant unit, is a readout (one of the network's outputs). The units of a
    submodel are its members, which were live when it was made; what they do outside is read there.

    Args:
        scm: the model.
        inputs: are input variables units too, as where modules own inputs?

    Raises:
        InputError: no unit is live.
    """
    members = {variable.name for variable in scm.members}
    readable = _read_by(scm, members) if members else _readable(scm)
    sites = [s for s in scm.sites if _is_home(scm, s, inputs)]
    names: list[str] = []
    homes: list[int] = []
    places: list[int] = []
    inert: dict[str, str] = {}
    for home, site in enumerate(sites):
        constant = scm.constant[site]
        for index, name in enumerate(scm.sites[site].variables):
            if members and name not in members and site not in scm.inputs:
                continue
            if constant[index]:
                inert[name] = "constant on the data"
            elif not readable[site][index]:
                inert[name] = "influences no output"
            else:
                names.append(name)
                homes.append(home)
                places.append(index)
    if not names:
        raise InputError(
            f"none of the model's {len(inert)} units is live: all are constant on the data or "
            "influence no output; check the data and the weights"
        )
    depth = _depths(scm)
    home = torch.tensor(homes)
    layer = torch.tensor([depth[site] for site in sites])[home]
    return Units(tuple(names), tuple(sites), home, torch.tensor(places), layer, inert)


def _is_home(scm: StructuralCausalModel, site: str, inputs: bool) -> bool:
    """Do the variables of a site count as units (a chain of tied sites counts once)?"""
    return inputs if site in scm.inputs else scm.representative[site] == site


def _read_by(scm: StructuralCausalModel, members: set[str]) -> dict[str, Tensor]:
    """Site → bool ``[variable]``: is it a member of a submodel, or an input that one reads?"""
    inside = {
        name: torch.tensor([each in members for each in site.variables])
        for name, site in scm.sites.items()
    }
    for (source, target), matrix in scm.edges.items():
        if source in scm.inputs:
            inside[source] = inside[source] | (matrix & inside[target]).any(1)
    return inside


def _depths(scm: StructuralCausalModel) -> dict[str, int]:
    """Site → most steps from an input; a step within a chain of tied sites does not count."""
    depth = dict.fromkeys(scm.sites, 0)
    for target in scm.sites:  # sites stand in the order in which they are computed
        for (source, reader), matrix in scm.edges.items():
            if reader == target and bool(matrix.any()):
                step = int(scm.representative[source] != scm.representative[target])
                depth[target] = max(depth[target], depth[source] + step)
    return depth


def _readable(scm: StructuralCausalModel) -> dict[str, Tensor]:
    """Site → bool ``[variable]``: does a path of varying units lead from it to a readout?"""
    outputs = set(scm.outputs)
    found: dict[str, Tensor] = {}
    for site in reversed(list(scm.sites)):  # sites stand in the order in which they are computed
        reached = scm.to_readouts[site] | (site in outputs)
        for (source, target), matrix in scm.edges.items():
            if source == site:
                live = found[target] & ~scm.constant[target]
                reached = reached | (matrix & live).any(1)
        found[site] = reached
    return found


def unit_edges(scm: StructuralCausalModel) -> dict[tuple[str, str], Tensor]:
    """Return the edges between units (and inputs), site by site.

    A site that is tied to another counts as that one. One that is part of several units, as where
    its activation is read in a basis, is looked through.

    Returns:
        dict: (source site, target site) → bool ``[source variable, target variable]``; only sites
        whose variables are units, and inputs.
    """
    edges = {pair: matrix.clone() for pair, matrix in scm.edges.items()}
    for name, site in scm.sites.items():
        if site.count == 0 or scm.unit_of(Variable(name, 0)) is not None:
            continue
        before = {s: m for (s, t), m in edges.items() if t == name}
        after = {t: m for (s, t), m in edges.items() if s == name}
        for source, first in before.items():
            for target, second in after.items():
                through = first.float() @ second.float() > 0
                _add(edges, (source, target), through)
        edges = {pair: matrix for pair, matrix in edges.items() if name not in pair}
    found: dict[tuple[str, str], Tensor] = {}
    for (source, target), matrix in edges.items():
        pair = (scm.representative[source], scm.representative[target])
        if pair[0] != pair[1]:
            _add(found, pair, matrix)
    return found


def _add(edges: dict[tuple[str, str], Tensor], pair: tuple[str, str], matrix: Tensor) -> None:
    edges[pair] = edges[pair] | matrix if pair in edges else matrix
