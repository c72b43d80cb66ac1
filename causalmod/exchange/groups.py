"""Groups of variables: their values on the data, and runs in which one group is set."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.information import Observed
from causalmod.scm import StructuralCausalModel
from causalmod.variables import Variable


class Group:
    """Some variables of a model, laid side by side as coordinates."""

    def __init__(
        self, scm: StructuralCausalModel, selectors: str | Iterable[str], role: str
    ) -> None:
        self._scm = scm
        self.variables = scm.resolve(selectors)
        if not self.variables:
            raise InputError(f"{role} is empty: name at least one variable")
        by_site: dict[str, list[int]] = {}
        for variable in self.variables:
            by_site.setdefault(variable.site, []).append(variable.index)
        self.index = {site: torch.tensor(places) for site, places in by_site.items()}

    def observed(self, rows: Tensor) -> Observed:
        """Values ``[row, coordinate]`` on the given rows, and scales."""
        scales = [self._scm.scales[s][index].flatten() for s, index in self.index.items()]
        return Observed(
            self._columns({s: self._scm.blocks(s)[rows] for s in self.index}), torch.cat(scales)
        )

    def _columns(self, blocks: dict[str, Tensor]) -> Tensor:
        return torch.cat([blocks[s][:, index].flatten(1) for s, index in self.index.items()], dim=1)

    def set_to(self, donors: Tensor) -> dict[str, Callable[[Tensor], Tensor]]:
        """Patches that give this group, in run ``r``, its values on data row ``donors[r]``."""

        def patch(site: str, index: Tensor) -> Callable[[Tensor], Tensor]:
            def change(blocks: Tensor) -> Tensor:
                changed = blocks.clone()
                changed[:, index] = self._scm.blocks(site)[donors][:, index]
                return changed

            return change

        return {site: patch(site, index) for site, index in self.index.items()}

    def under(self, source: Group, contexts: Tensor, donors: Tensor, memory: int) -> Tensor:
        """Values of this group when ``source`` takes donor values: ``[run, coordinate]``.

        Constant units are clamped on the way, as they carry nothing; but this group is what is asked
        about, and answers freely even if it is constant on the data.
        """
        wide = max(sum(site.count * site.width for site in self._scm.sites.values()), 1)
        step = max(1, memory // (wide * 4 * 4))
        parts: list[Tensor] = []
        for start in range(0, len(contexts), step):
            chunk = slice(start, start + step)
            patches = source.set_to(donors[chunk])
            blocks = self._scm.replay(contexts[chunk], patches, list(self.index), free=self.index)
            parts.append(self._columns(blocks))
        return torch.cat(parts)


def check_disjoint(source: Group, target: Group) -> None:
    """Raise InputError when a variable stands on both sides."""
    both: set[Variable] = set(source.variables) & set(target.variables)
    if both:
        shown = ", ".join(sorted(map(str, both))[:3])
        raise InputError(f"source and target must be disjoint; both hold {shown}")
