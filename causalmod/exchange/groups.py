"""Groups of variables: their values on the data, and runs in which one group is set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.errors import EstimatorError, InputError
from causalmod.information import Observed
from causalmod.scm import StructuralCausalModel
from causalmod.variables import Variable

_RUN_BYTES = 2**24  # activations held at a time: replays are quickest within the processor's cache


class Setting(NamedTuple):
    """What some variables of one site are set to in each run.

    Attributes:
        site: name of the site.
        places: ``[variable]`` positions in it.
        values: ``[entry, variable, coordinate]``.
        entries: ``[run]`` entry that each run takes.
    """

    site: str
    places: Tensor
    values: Tensor
    entries: Tensor


class Group:
    """Some variables of a model, laid side by side as coordinates.

    Raises:
        SelectorError: an unknown name.
        InputError: no variable, or something that is no name.
    """

    def __init__(
        self, scm: StructuralCausalModel, selectors: str | Iterable[str], role: str
    ) -> None:
        self.scm = scm
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
        return sum(self.scm.sites[s].width * len(index) for s, index in self.index.items())

    @property
    def values(self) -> dict[str, Tensor]:
        """Site → values ``[row, variable, coordinate]`` on all rows of the data."""
        return {site: self.scm.blocks(site)[:, index] for site, index in self.index.items()}

    def observed(self) -> Observed:
        """Values ``[row, coordinate]`` on all rows of the data, and scales."""
        scales = [self.scm.scales[s][index].flatten() for s, index in self.index.items()]
        return Observed(self.columns(self.values), torch.cat(scales))

    def columns(self, values: dict[str, Tensor]) -> Tensor:
        """Site → values ``[run, variable, coordinate]`` side by side, ``[run, coordinate]``."""
        parts = [values[site].flatten(1) for site in self.index]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def set_to(self, values: dict[str, Tensor], entries: Tensor) -> list[Setting]:
        """Give this group, in run ``r``, its values in entry ``entries[r]``.

        Args:
            values: site → ``[entry, variable, coordinate]``.
            entries: ``[run]`` numbers of entries.
        """
        return [Setting(site, index, values[site], entries) for site, index in self.index.items()]

    def under(self, settings: Sequence[Setting], contexts: Tensor, memory: int) -> Tensor:
        """Values ``[run, coordinate]`` of this group when variables are set.

        Constant units are clamped on the way, as they carry nothing; but this group is what is
        asked about, and answers freely even if it is constant on the data.

        Args:
            settings: what is set; where two name one variable, the later one holds.
            contexts: ``[run]`` row of everything else.
            memory: bytes that the runs may hold.

        Raises:
            EstimatorError: a value overflows.
        """
        wide = max(sum(site.count * site.width for site in self.scm.sites.values()), 1)
        step = max(256, min(memory, _RUN_BYTES) // (wide * 4))
        parts: list[Tensor] = []
        for start in range(0, len(contexts), step):
            chunk = slice(start, start + step)
            parts.append(self.columns(self.run(patches(settings, chunk), contexts[chunk])))
        return torch.cat(parts)

    def run(
        self, changes: dict[str, Callable[[Tensor], Tensor]], contexts: Tensor
    ) -> dict[str, Tensor]:
        """Site → values ``[run, variable, coordinate]`` of this group in one batch of runs.

        They are what the mechanisms give, also where a change then makes something else of them.

        Args:
            changes: site → function of its natural blocks.
            contexts: ``[run]`` row of everything else.

        Raises:
            EstimatorError: a value overflows.
        """
        natural: dict[str, Tensor] = {}

        def noting(site: str, change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
            def noted(blocks: Tensor) -> Tensor:
                natural[site] = blocks
                return change(blocks)

            return noted

        noted = {s: noting(s, c) if s in self.index else c for s, c in changes.items()}
        found = self.scm.replay(contexts, noted, list(self.index), free=self.index) | natural
        own: dict[str, Tensor] = {}
        for site, index in self.index.items():
            whole = len(index) == self.scm.sites[site].count and bool((index.diff() == 1).all())
            own[site] = found[site] if whole else found[site][:, index]
            check_finite(own[site], "the target", self.variables)
        return own


def patches(
    settings: Sequence[Setting], runs: slice = slice(None)
) -> dict[str, Callable[[Tensor], Tensor]]:
    """Settings as functions of the natural blocks of each site, for some of the runs."""
    by_site: dict[str, list[Setting]] = {}
    for setting in settings:
        by_site.setdefault(setting.site, []).append(setting)

    def patch(some: list[Setting]) -> Callable[[Tensor], Tensor]:
        def change(blocks: Tensor) -> Tensor:
            changed = blocks.clone()
            for _, places, values, entries in some:
                changed[:, places] = values[entries[runs]].to(blocks.dtype)
            return changed

        return change

    return {site: patch(some) for site, some in by_site.items()}


def held_between(scm: StructuralCausalModel, groups: Sequence[Group]) -> dict[str, Tensor]:
    """Site → positions of the units that a direct effect holds at their context value.

    All but those of the groups. A unit and its pre-activation are tied: they count as one, held
    where it is read, and neither is held where the other belongs to a group.

    Args:
        scm: the model.
        groups: source, target and whatever else is set.
    """
    tied: dict[str, set[int]] = {}
    for variable in (variable for group in groups for variable in group.variables):
        home = scm.representative[variable.site]
        one = scm.unit_of(variable) is not None  # else it is part of all of them
        own = {variable.index} if one else set(range(scm.sites[home].count))
        tied.setdefault(home, set()).update(own)
    moved = {site for group in groups for site in group.index}
    for (source, reader), edges in scm.edges.items():  # in the order of computation
        if source in moved and bool(edges.any()):
            moved.add(reader)
    held: dict[str, Tensor] = {}
    for name, site in scm.sites.items():
        if name not in moved or name in scm.inputs or scm.representative[name] != name:
            continue
        rest = sorted(set(range(site.count)) - tied.get(name, set()))
        if rest:
            held[name] = torch.tensor(rest)
    return held


def check_finite(responses: Tensor, who: str, variables: Iterable[object]) -> Tensor:
    """Return responses.

    Raises:
        EstimatorError: some are NaN or infinite.
    """
    if not responses.is_floating_point() or bool(torch.isfinite(responses.sum())):
        return responses
    if not bool(torch.isfinite(responses).all()):
        shown = ", ".join(str(variable) for _, variable in zip(range(3), variables, strict=False))
        raise EstimatorError(
            f"values of {who} ({shown}, ...) are NaN or infinite when others are set to what they "
            "are on other rows of the data; compile the model in float64, or leave out the rows "
            "with extreme values"
        )
    return responses


def check_disjoint(
    source: Group, target: Group, roles: tuple[str, str] = ("source", "target")
) -> None:
    """Check that no variable stands on both sides.

    Raises:
        InputError: one does.
    """
    both: set[Variable] = set(source.variables) & set(target.variables)
    if both:
        shown = ", ".join(sorted(map(str, both))[:3])
        raise InputError(f"{roles[0]} and {roles[1]} must be disjoint; both hold {shown}")
