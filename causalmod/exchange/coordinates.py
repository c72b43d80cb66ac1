"""The coordinates of a model's live units, laid side by side."""

from __future__ import annotations

import torch

from causalmod.information import Observed
from causalmod.scm import StructuralCausalModel, Units


class Coordinates:
    """Where each live unit stands: its site, its place there, its columns.

    Args:
        scm: the model.
        units: which units; those of the model by default.

    Attributes:
        places: for each site of the units, the positions of its live units.
        unit_of: ``[coordinate]`` unit to which each column belongs.
        site_of: ``[coordinate]`` position of its site among those of the units.
    """

    def __init__(self, scm: StructuralCausalModel, units: Units | None = None) -> None:
        self._scm = scm
        units = scm.units if units is None else units
        self._sites = units.sites
        self.places = [units.index[units.at(s)] for s in range(len(units.sites))]
        widths = [scm.sites[name].width for name in units.sites]
        self.unit_of = torch.cat([units.at(s).repeat_interleave(w) for s, w in enumerate(widths)])
        self.site_of = units.site[self.unit_of]

    def observed(self) -> Observed:
        """Activations ``[row, coordinate]`` and scales of all live units."""
        values = [
            self._scm.blocks(n)[:, p].flatten(1)
            for n, p in zip(self._sites, self.places, strict=True)
        ]
        scales = [
            self._scm.scales[n][p].flatten() for n, p in zip(self._sites, self.places, strict=True)
        ]
        return Observed(torch.cat(values, dim=1), torch.cat(scales))

    def observed_apart(self) -> list[Observed]:
        """For each site its live units as ``[row, unit, 1, coordinate]``, to measure one by one."""
        return [
            Observed(self._scm.blocks(n)[:, p].unsqueeze(-2), self._scm.scales[n][p].unsqueeze(-2))
            for n, p in zip(self._sites, self.places, strict=True)
        ]
