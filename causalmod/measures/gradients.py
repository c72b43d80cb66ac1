"""How each unit responds directly to small changes of each other one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.exchange.coordinates import Coordinates
from causalmod.scm import StructuralCausalModel

_MOST = 20_000  # coordinates that are differentiated one by one


class Gradient(NamedTuple):
    """Derivatives of one coordinate of a unit.

    Attributes:
        unit: position of the unit.
        scale: its standard deviation on the data.
        slopes: ``[row, coordinate]``, by all coordinates of all live units; 0 where none is direct.
    """

    unit: int
    scale: float
    slopes: Tensor


def direct_gradients(
    scm: StructuralCausalModel, rows: Tensor, shares: Tensor | None = None
) -> Iterator[Gradient]:
    """Differentiate each unit's mechanism by the other units that it reads directly.

    All units are held at their values, so that what one does to another through a third does not
    count.

    Args:
        scm: the model.
        rows: ``[row]`` row numbers.
        shares: ``[row]`` how far units are from their means: 1 as they are, 0 at the means.

    Yields:
        One :class:`Gradient` for each coordinate of each live unit, in order.

    Raises:
        InputError: more than 20,000 coordinates.
    """
    units, coordinates = scm.units, Coordinates(scm)
    width = len(coordinates.unit_of)
    if width > _MOST:
        raise InputError(
            f"the live units have {width} coordinates, and each is differentiated by itself (at "
            f"most {_MOST}): choose fewer sites, or coarser variables"
        )
    held: dict[str, Tensor] = {}
    natural: dict[str, Tensor] = {}
    filled = [site for site, places in zip(units.sites, coordinates.places, strict=True)
              if len(places)]  # fmt: skip
    for site in filled:
        values = scm.blocks(site)
        mean = values.mean(0)
        value = values[rows]
        if shares is not None:
            value = mean + shares.to(value)[:, None, None] * (value - mean)
        held[site] = value.clone().requires_grad_(True)

    def hold(site: str, blocks: Tensor) -> Tensor:
        natural[site] = blocks
        return held[site]

    patches = {site: (lambda blocks, site=site: hold(site, blocks)) for site in filled}
    scm.replay(rows, patches, filled, differentiable=True)
    leaves = list(held.values())
    lives = [coordinates.places[units.sites.index(site)] for site in filled]
    for place, site in zip(lives, filled, strict=True):
        members = units.at(units.sites.index(site))
        for unit, index in zip(members.tolist(), place.tolist(), strict=True):
            for column in range(natural[site].shape[-1]):
                answer = natural[site][:, index, column]
                scale = float(scm.scales[site][index, column])
                slopes = torch.zeros(len(rows), width)
                if answer.requires_grad:
                    found = torch.autograd.grad(
                        answer.sum(), leaves, retain_graph=True, allow_unused=True
                    )
                    slopes = torch.cat(
                        [
                            torch.zeros(len(rows), len(live) * leaf.shape[-1])
                            if grad is None
                            else grad[:, live].flatten(1).cpu()
                            for grad, live, leaf in zip(found, lives, leaves, strict=True)
                        ],
                        dim=1,
                    )
                yield Gradient(unit, scale, slopes.double())
