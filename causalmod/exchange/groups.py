"""Groups of variables: their values on the data, and runs in which one group is set."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from causalmod.errors import EstimatorError, InputError
from causalmod.information import Observed
from causalmod.scm import StructuralCausalModel
from causalmod.variables import Variable

_RUN_BYTES = 2**24  # activations held at a time: replays are quickest within the processor's cache


class Group:
    """Some variables of a model, laid side by side as coordinates.

    Raises:
        SelectorError: an unknown name.
        InputError: no variable, or something that is no name.
    """

    def __init__(
        self, scm: StructuralCausalModel, selectors: str | Iterable[str], role: str
    ) -> None:
        self._scm = scm
        if not isinstance(selectors, (str, Iterable)):
            raise InputError(
                f"{role} is a selector such as 'fc1[3]' or a list of them; given {selectors!r}"
            )
        self.variables = scm.resolve(selectors)
        if not self.variables:
            raise InputError(f"{role} is empty: name at least one variable")
        by_site: dict[str, list[int]] = {}
        for variable in self.variables:
            by_site.setdefault(variable.site, []).append(variable.index)
        self.index = {site: torch.tensor(places) for site, places in by_site.items()}

    @property
    def width(self) -> int:
        """Number of coordinates."""
        return sum(self._scm.sites[s].width * len(index) for s, index in self.index.items())

    def observed(self) -> Observed:
        """Values ``[row, coordinate]`` on all rows of the data, and scales."""
        scales = [self._scm.scales[s][index].flatten() for s, index in self.index.items()]
        return Observed(
            self._columns({s: self._scm.blocks(s) for s in self.index}), torch.cat(scales)
        )

    def _columns(self, blocks: dict[str, Tensor]) -> Tensor:
        return torch.cat([blocks[s][:, index].flatten(1) for s, index in self.index.items()], dim=1)

    def set_to(self, donors: Tensor) -> dict[str, Callable[[Tensor], Tensor]]:
        """Patches that give this group, in run ``r``, its values on data row ``donors[r]``."""

        def patch(site: str, index: Tensor) -> Callable[[Tensor], Tensor]:
            recorded = self._scm.blocks(site)[:, index]

            def change(blocks: Tensor) -> Tensor:
                changed = blocks.clone()
                changed[:, index] = recorded[donors]
                return changed

            return change

        return {site: patch(site, index) for site, index in self.index.items()}

    def under(self, source: Group, contexts: Tensor, donors: Tensor, memory: int) -> Tensor:
        """Values of this group when ``source`` takes donor values.

        Constant units are clamped on the way, as they carry nothing; but this group is what is
        asked about, and answers freely even if it is constant on the data.

        Args:
            source: the group that is set.
            contexts: ``[run]`` row of everything else.
            donors: ``[run]`` row that the source is taken from.
            memory: bytes that the runs may hold.

        Returns:
            Tensor: ``[run, coordinate]``.

        Raises:
            EstimatorError: a value overflows.
        """
        wide = max(sum(site.count * site.width for site in self._scm.sites.values()), 1)
        step = max(256, min(memory, _RUN_BYTES) // (wide * 4))
        parts: list[Tensor] = []
        for start in range(0, len(contexts), step):
            chunk = slice(start, start + step)
            patches = source.set_to(donors[chunk])
            blocks = self._scm.replay(contexts[chunk], patches, list(self.index), free=self.index)
            parts.append(self._columns(blocks))
        return check_finite(torch.cat(parts), "the target", self.variables)


def check_finite(responses: Tensor, who: str, variables: Iterable[object]) -> Tensor:
    """Return responses.

    Raises:
        EstimatorError: some are NaN or infinite.
    """
    if responses.is_floating_point() and not bool(torch.isfinite(responses).all()):
        shown = ", ".join(str(variable) for _, variable in zip(range(3), variables, strict=False))
        raise EstimatorError(
            f"values of {who} ({shown}, ...) are NaN or infinite when others are set to what they "
            "are on other rows of the data; compile the model in float64, or leave out the rows "
            "with extreme values"
        )
    return responses


def check_disjoint(source: Group, target: Group) -> None:
    """Check that no variable stands on both sides.

    Raises:
        InputError: one does.
    """
    both: set[Variable] = set(source.variables) & set(target.variables)
    if both:
        shown = ", ".join(sorted(map(str, both))[:3])
        raise InputError(f"source and target must be disjoint; both hold {shown}")
