"""Worlds: what the variables of a model are, row by row, under the interventions of a query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from causalmod.compiler import Patch
from causalmod.errors import InputError
from causalmod.information.estimators.exact import is_discrete
from causalmod.interventions import Assignment, Resample, read_value
from causalmod.queries.terms import Term, Treatment
from causalmod.scm import StructuralCausalModel
from causalmod.scm.mechanisms import chain
from causalmod.scm.modules import by_site
from causalmod.variables import Variable

World = tuple[Treatment, ...]


class Columns(NamedTuple):
    """Values ``[row, coordinate]`` of some variables, and a name for each coordinate."""

    values: Tensor
    names: tuple[str, ...]


class Worlds:
    """The worlds of one query: all share the rows, which are what is random.

    Args:
        scm: the model.
        rows: numbers of the rows; None for all of them, in order: then figures are bit for bit
            those of :meth:`StructuralCausalModel.do`, and otherwise agree to rounding.
    """

    def __init__(self, scm: StructuralCausalModel, rows: Tensor | None = None) -> None:
        self.scm = scm
        self._chosen = rows
        self._held: dict[World, dict[str, Tensor]] = {}

    @cached_property
    def rows(self) -> Tensor:
        """Numbers of the rows."""
        return torch.arange(self.scm.rows) if self._chosen is None else self._chosen

    def on(self, keep: Tensor) -> Worlds:
        """Return the worlds of some of the rows: ``keep`` is bool ``[row]``, or positions."""
        if keep.dtype == torch.bool and bool(keep.all()):
            return self
        return Worlds(self.scm, self.rows[keep])

    def prepare(self, world: World, selectors: Iterable[str]) -> None:
        """Run the network once for all that will be read in a world."""
        variables = [v for selector in selectors for v in self.scm.resolve(selector)]
        self._run(world, dict.fromkeys(v.site for v in variables))

    def read(self, selector: str, world: World) -> Columns:
        """Return what a selector names, in a world.

        Raises:
            SelectorError: an unknown name.
            InputError: a value that does not fit the variable it is given to.
        """
        variables = self.scm.resolve(selector)
        blocks = self._run(world, dict.fromkeys(v.site for v in variables))
        return columns(self.scm, variables, blocks)

    @property
    def everything(self) -> bool:
        """Are these all rows that there are?"""
        return self._chosen is None and not self.scm.sampled

    def constant(self, treatment: Treatment) -> Tensor:
        """Return the value of a treatment as ``[row, coordinate]``."""
        made: dict[str, list[Assignment]] = {}
        self._set(treatment, made)
        values = [a.value for changes in made.values() for a in changes if not callable(a.value)]
        rows = len(self.rows)
        return torch.cat([v.expand(rows, *v.shape[1:]).flatten(1) for v in values], dim=1)

    def isolated(
        self, reference: World, changes: Iterable[tuple[Sequence[Variable], Tensor]], target: str
    ) -> Columns:
        """Return what a target is when all that it reads is as in a world, but for some variables.

        Every variable but those of the target is held, so that only arrows that lead straight from
        what is changed to the target carry the change.

        Args:
            reference: the world.
            changes: variables, and what they are instead: ``[row, coordinate]``.
            target: selector of what is read.
        """
        scm = self.scm
        held = {site: b.clone() for site, b in self._run(reference, scm.sites).items()}
        for variables, values in changes:
            start = 0
            for variable in variables:
                width = scm.sites[variable.site].width
                part = values[:, start : start + width]
                held[variable.site][:, variable.index] = part.to(held[variable.site].dtype)
                start += width
        wanted = scm.resolve(target)
        free = {site: torch.zeros(scm.sites[site].count, dtype=torch.bool) for site in held}
        for variable in wanted:
            free[variable.site][variable.index] = True

        def hold(site: str) -> Patch:
            mask = free[site][None, :, None].to(held[site].device)
            return lambda blocks: torch.where(mask, blocks, held[site])

        patches = {site: hold(site) for site in scm.sites}
        sites = list(dict.fromkeys(variable.site for variable in wanted))
        return columns(scm, wanted, scm.replay(self.rows, patches, sites, clamp=False))

    def _run(self, world: World, sites: Iterable[str]) -> dict[str, Tensor]:
        held = self._held.setdefault(world, {})
        missing = [site for site in sites if site not in held]
        if missing:
            held.update(self._replay(world, missing))
        return held

    def _replay(self, world: World, sites: list[str]) -> dict[str, Tensor]:
        scm, patches = self._intervened(world)
        if patches:
            return self._replay_changed(scm, patches, sites)
        found = {site: scm.blocks(site) for site in sites}
        if self._chosen is None:
            return found
        return {site: blocks[self.rows] for site, blocks in found.items()}

    def _replay_changed(
        self, scm: StructuralCausalModel, made: dict[str, list[Assignment]], sites: list[str]
    ) -> dict[str, Tensor]:
        """Replay rows on which something is changed; on the others all is as it was.

        That holds bit for bit (Pearl's axiom of composition), whichever rows are left out.
        """
        patches = {site: chain(changes, None) for site, changes in made.items()}
        if self._chosen is None:
            return scm.replay(self.rows, patches, sites, clamp=False)
        moved = torch.zeros(len(self.rows), dtype=torch.bool)
        for site in made:
            natural = scm.blocks(site)[self.rows]
            changed = patches[site](natural)
            moved |= (changed != natural).flatten(1).any(1).cpu()
        found = {site: scm.blocks(site)[self.rows] for site in sites}
        if not bool(moved.any()):
            return found
        some = {
            site: chain([_only(change, moved) for change in changes], None)
            for site, changes in made.items()
        }
        for site, blocks in scm.replay(self.rows[moved], some, sites, clamp=False).items():
            found[site] = found[site].clone()
            found[site][moved] = blocks
        return found

    def _intervened(
        self, world: World
    ) -> tuple[StructuralCausalModel, dict[str, list[Assignment]]]:
        """Split treatments: numbers are set while the network is replayed, the rest before."""
        by_model: dict[Any, Any] = {}
        made: dict[str, list[Assignment]] = {}
        for treatment in world:
            if treatment.receiver is not None or isinstance(treatment.value, Resample):
                key = treatment.variable
                edge = (key, treatment.receiver)
                by_model[key if treatment.receiver is None else edge] = self._plain(treatment, None)
                continue
            self._set(treatment, made)
        return (self.scm.do(by_model) if by_model else self.scm), made

    def _set(self, treatment: Treatment, made: dict[str, list[Assignment]]) -> None:
        selector = treatment.variable
        variables = self.scm.resolve(selector)
        if isinstance(treatment.value, Term):
            for part, blocks in self._as_elsewhere(treatment, treatment.value, variables):
                index = torch.tensor([variable.index for variable in part])
                made.setdefault(part[0].site, []).append(Assignment(part[0].site, index, blocks))
            return
        value = self._plain(treatment, len(variables))
        for part, part_value in by_site(selector, variables, value):
            name = part[0].site
            index = torch.tensor([variable.index for variable in part])
            like = self.scm.blocks(name)
            site = self.scm.sites[name]
            new = read_value(selector, site, index, part_value, like, len(self.rows))
            made.setdefault(name, []).append(Assignment(name, index, new))

    def _plain(self, treatment: Treatment, count: int | None) -> Any:
        """Return a value as ``do`` takes it."""
        value = treatment.value
        if value is None:
            raise InputError(f"the query gives no value for {treatment.variable!r}")
        if isinstance(value, tuple):
            if count is not None and len(value) != count:
                raise InputError(
                    f"do({treatment}): {len(value)} values for {count} variables; give one value, "
                    "or one for each"
                )
            return torch.tensor([value], dtype=torch.float64)
        if isinstance(value, Term):  # of an edge, since _set takes all others
            parts = list(self._as_elsewhere(treatment, value, self.scm.resolve(treatment.variable)))
            if len(parts) > 1 or self._chosen is not None:
                raise InputError(
                    f"do({treatment}): an edge takes from another world what is of one site, on "
                    "all rows"
                )
            return parts[0][1]
        return value

    def _as_elsewhere(
        self, treatment: Treatment, term: Term, variables: tuple[Variable, ...]
    ) -> Iterator[tuple[tuple[Variable, ...], Tensor]]:
        """Yield variables, and what they become: ``[row, variable, coordinate]``, site by site."""
        found = self.read(term.variable, term.world)
        widths = [self.scm.sites[variable.site].width for variable in variables]
        if sum(widths) != found.values.shape[1]:
            raise InputError(
                f"do({treatment}): {term.name} has {found.values.shape[1]} coordinates and "
                f"{treatment.variable} {sum(widths)}; they must be as many"
            )
        of = dict(zip(variables, found.values.split(widths, dim=1), strict=True))
        for part, _ in by_site(treatment.variable, variables, None):
            blocks = torch.stack([of[variable] for variable in part], dim=1)
            like = self.scm.blocks(part[0].site)
            if blocks.is_floating_point() and not like.is_floating_point():
                raise InputError(
                    f"do({treatment}): {treatment.variable} is {like.dtype} and cannot hold what "
                    f"{term.name} is, {blocks.dtype}"
                )
            yield part, blocks.to(like.dtype)


def joined(base: World, subscript: World) -> World:
    """Return the world of a subscript: what it sets, on top of what the query does as a whole."""
    set_again = {(each.variable, each.receiver) for each in subscript}
    kept = [each for each in base if (each.variable, each.receiver) not in set_again]
    return (*kept, *(_in_base(base, each) for each in subscript))


def _in_base(base: World, treatment: Treatment) -> Treatment:
    value = treatment.value
    if not isinstance(value, Term) or not base:
        return treatment
    nested = Term(value.variable, None, joined(base, value.world))
    return Treatment(treatment.variable, nested, treatment.receiver)


def _only(change: Assignment, runs: Tensor) -> Assignment:
    """Return an assignment for some of the runs that it was made for."""
    value = change.value
    if callable(value) or value.shape[0] == 1:
        return change
    return Assignment(change.site, change.index, value[runs])


def columns(
    scm: StructuralCausalModel, variables: Iterable[Variable], blocks: dict[str, Tensor]
) -> Columns:
    """Lay variables side by side as coordinates, in order."""
    variables = tuple(variables)
    names: list[str] = []
    for variable in variables:
        width = scm.sites[variable.site].width
        names += [variable.name] if width == 1 else [f"{variable.name}.{i}" for i in range(width)]
    values = [
        blocks[site][:, places([variable.index for variable in several])].flatten(1)
        for site, several in groupby(variables, lambda variable: variable.site)
    ]
    return Columns(values[0] if len(values) == 1 else torch.cat(values, dim=1), tuple(names))


def places(index: list[int]) -> list[int] | slice:
    """Return positions as a slice where they are in a row: then nothing is copied."""
    first, last = index[0], index[-1]
    return slice(first, last + 1) if index == list(range(first, last + 1)) else index


def observed(scm: StructuralCausalModel, selector: str) -> Tensor:
    """Return what a selector names, on all rows of the data: ``[row, coordinate]``."""
    variables = scm.resolve(selector)
    return columns(scm, variables, {v.site: scm.blocks(v.site) for v in variables}).values


_DISCRETE: WeakKeyDictionary[StructuralCausalModel, dict[str, bool]] = WeakKeyDictionary()


def is_discrete_on_data(scm: StructuralCausalModel, selector: str) -> bool:
    """Does all that a selector names take few values on the data, as the exact estimator has it?

    Found once for each model.
    """
    held = _DISCRETE.setdefault(scm, {})
    if selector not in held:
        held[selector] = bool(is_discrete(observed(scm, selector)).all())
    return held[selector]
