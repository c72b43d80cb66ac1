"""Hybrid runs of one setting of the units at a time, stage by stage, of what is looked at only.

See :mod:`causalmod.exchange.stages` for what that saves. What a setting gave is kept for as long as
it is wanted, so that another one in which a single unit differs is a small step from it: a rank-one
update of the maps that read the unit, then whatever follows from these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from causalmod.exchange.stages import Map, Stage

if TYPE_CHECKING:
    from causalmod.exchange.hybrid import Sample
    from causalmod.scm import StructuralCausalModel
    from causalmod.scm.units import Units

RESPOND = -2
CONTEXT = -1
_PIECE = 2**20  # values of the widest site at a time: near enough to the processor's cache


class StagedRuns:
    """Runs on one sample, through the stages of a model; see :func:`find_stages`."""

    def __init__(
        self, scm: StructuralCausalModel, units: Units, stages: tuple[Stage, ...], sample: Sample
    ) -> None:
        self.scm, self.units, self.stages, self.sample = scm, units, stages, sample
        self.at = [units.at(s) for s in range(len(units.sites))]
        self.blocks = [scm.blocks(name) for name in units.sites]
        self.sites = [scm.sites[name] for name in units.sites]
        self.used = [stream.unique(return_inverse=True) for stream in sample.donors]

    def setting(self, states: Tensor, members: Tensor) -> Setting:
        """Prepare one setting.

        Args:
            states: ``[unit]``: :data:`RESPOND`, :data:`CONTEXT`, or the number of a donor stream.
            members: bool ``[unit]``: whose answers are wanted.
        """
        return Setting(self, states, members)

    def pieces(self) -> list[slice]:
        """Cut the contexts into runs that fit the processor's cache."""
        contexts, donors = self.sample.shape
        widest = max(site.count * site.width for site in self.sites)
        step = max(1, _PIECE // (donors * widest))
        return [slice(start, start + step) for start in range(0, contexts, step)]


class Setting:
    """Which units answer for themselves, which are held at what, and whose answers are wanted.

    Attributes:
        states, members: as given.
        state: for each site, that of each of its variables; inert ones stand still.
        columns: for each site, the variables that have to be computed.
        wanted: for each site, which of these are members.
    """

    def __init__(self, runs: StagedRuns, states: Tensor, members: Tensor) -> None:
        self.runs, self.states, self.members = runs, states, members
        self.state: list[Tensor] = []
        self.columns: list[Tensor] = []
        self.wanted: list[Tensor] = []
        self.responding: list[Tensor] = []
        for site, own in zip(runs.sites, runs.at, strict=True):
            index, here = runs.units.index[own], states[own]
            state = torch.full((site.count,), CONTEXT)
            state[index] = here
            needed = members[own] | (here == RESPOND)
            self.state.append(state)
            self.columns.append(index[needed])
            self.wanted.append(members[own][needed])
            self.responding.append(here[needed] == RESPOND)
        self._held: dict[tuple[str, int], Tensor | None] = {}
        self._weights: dict[tuple[str, int], Tensor] = {}
        self._places: dict[tuple[int, int], Tensor] = {}

    def run(self, which: slice) -> Piece:
        """Run the setting on some of the contexts."""
        piece = Piece(self, which)
        for place in range(len(self.runs.stages)):
            piece.compute(place)
        return piece

    def moved(self, unit: int, state: int, member: bool) -> Setting:
        """Return the setting with one unit in another state."""
        states, members = self.states.clone(), self.members.clone()
        states[unit], members[unit] = state, member
        return Setting(self.runs, states, members)

    def outputs(self, place: int) -> Tensor | None:
        """Outputs of maps that a stage looks at; None for all."""
        return self.columns[place] if self.runs.stages[place].by_column else None

    def weight(self, place: int, each: Map, of: int) -> Tensor:
        """Weights ``[variable, output]`` of the variables of a map's source in one state."""
        key = (each.node, of)
        if key not in self._weights:
            outputs = self.outputs(place)
            rows = each.weight.index_select(0, self._at(each.source, of))
            self._weights[key] = rows if outputs is None else rows.index_select(1, outputs)
        return self._weights[key]

    def _at(self, source: int, of: int) -> Tensor:
        """Variables of a site that are in one state."""
        if (source, of) not in self._places:
            self._places[source, of] = (self.state[source] == of).nonzero().flatten()
        return self._places[source, of]

    def held(self, place: int, each: Map, stream: int) -> Tensor | None:
        """What the variables that a donor stream sets give to a map, for each row of data used.

        ``stream`` may be :data:`CONTEXT`; None where it sets no variable.
        """
        key = (each.node, stream)
        if key not in self._held:
            of = self._at(each.source, stream)
            if stream != CONTEXT and not len(of):
                self._held[key] = None
                return None
            sample = self.runs.sample
            rows = sample.contexts if stream == CONTEXT else self.runs.used[stream][0]
            # index_select is many times as fast as indexing with masks or lists
            recorded = self.runs.blocks[each.source][..., 0].index_select(0, rows)
            given = recorded.index_select(1, of) @ self.weight(place, each, stream)
            if stream == CONTEXT and each.bias is not None:
                outputs = self.outputs(place)
                given += each.bias if outputs is None else each.bias[outputs]
            self._held[key] = given
        return self._held[key]


class Piece:
    """What one setting gave on some of the contexts.

    Attributes:
        answers: for each site ``[context, donor or 1, column, coordinate]``, None without columns.
        totals: node of a linear map → ``[context, donor or 1, output]``.
    """

    def __init__(self, setting: Setting, which: slice) -> None:
        self._setting, self._which = setting, which
        self._runs = setting.runs
        self._contexts = self._runs.sample.contexts[which]
        self.answers: list[Tensor | None] = []
        self.totals: dict[str, Tensor] = {}

    def members(self) -> list[Tensor | None]:
        """For each site ``[context, donor or 1, member, coordinate]``; None without members."""
        found: list[Tensor | None] = []
        for answer, wanted in zip(self.answers, self._setting.wanted, strict=True):
            if answer is None or not bool(wanted.any()):
                found.append(None)
            else:
                found.append(answer if bool(wanted.all()) else answer[:, :, wanted])
        return found

    def of_unit(self, unit: int) -> Tensor:
        """``[context, donor or 1, coordinate]`` of one unit that is computed."""
        place = int(self._runs.units.site[unit])
        answer = self.answers[place]
        assert answer is not None
        here = self._setting.columns[place] == int(self._runs.units.index[unit])
        return answer[:, :, here.nonzero()[0, 0]]

    def compute(self, place: int) -> None:
        """Compute one site from those before it."""
        columns = self._setting.columns[place]
        stage = self._runs.stages[place]
        if not len(columns):
            self.answers.append(None)
        elif stage.settled:
            self.answers.append(self._runs.blocks[place][self._contexts][:, None, columns])
        else:
            for each in stage.maps:
                self.totals[each.node] = self._total(place, each)
            self.answers.append(self._follow(place))

    def _follow(self, place: int) -> Tensor:
        """Return the answers of a site, given what the maps before it gave."""
        stage, columns = self._runs.stages[place], self._setting.columns[place]
        known = {each.node: self.totals[each.node] for each in stage.maps}
        if stage.by_column and stage.node in known:
            return known[stage.node][..., None]
        known |= {self._runs.stages[s].node: self._mixed(s) for s in stage.whole}
        shape = (len(self._contexts), max(value.shape[1] for value in known.values()))
        flat = {
            node: value.expand(*shape, *value.shape[2:]).flatten(0, 1)
            for node, value in known.items()
        }
        scm, rows = self._runs.scm, self._contexts[:, None].expand(shape).reshape(-1)
        for s in stage.whole:
            node = self._runs.stages[s].node
            flat[node] = self._runs.sites[s].join(flat[node], scm.recorded(node))
        flat |= {node: scm.taken(node, rows) for node in stage.outside}
        made = scm.program.run(flat, [stage.node], rows=len(rows))[stage.node]
        if stage.by_column:
            return made.reshape(*shape, -1, 1)
        return self._runs.sites[place].split(made)[:, columns].unflatten(0, shape)

    def _total(self, place: int, each: Map) -> Tensor:
        """Return what a linear map gives, ``[context, donor or 1, output]``."""
        setting = self._setting
        still = setting.held(place, each, CONTEXT)
        assert still is not None
        total = still[self._which][:, None]
        for stream, (_, places) in enumerate(self._runs.used):
            given = setting.held(place, each, stream)
            if given is not None:
                rows = places[self._which].to(given.device)
                part = given.index_select(0, rows.flatten()).view(*rows.shape, -1)
                total = part.add_(total) if total.shape[1] == 1 else total.add_(part)
        answers = self._responses(each.source)
        if answers is None:
            return total
        weight = setting.weight(place, each, RESPOND)
        if total.shape[1] == 1 or answers.shape[1] == 1:
            return total + answers @ weight
        total.flatten(0, 1).addmm_(answers.flatten(0, 1), weight)
        return total

    def _responses(self, place: int) -> Tensor | None:
        """Return ``[context, donor or 1, variable]`` of the units that answer for themselves."""
        answer, responding = self.answers[place], self._setting.responding[place]
        if answer is None or not bool(responding.any()):
            return None
        return (answer if bool(responding.all()) else answer[:, :, responding])[..., 0]

    def _mixed(self, place: int) -> Tensor:
        """Return all values of a site, ``[context, donor or 1, variable, coordinate]``."""
        state, recorded = self._setting.state[place], self._runs.blocks[place]
        total = recorded[self._contexts][:, None]
        for stream, donors in enumerate(self._runs.sample.donors):
            if bool((state == stream).any()):
                given = recorded[donors[self._which]]
                total = torch.where((state == stream)[:, None].to(given.device), given, total)
        answer, responding = self.answers[place], self._setting.responding[place]
        if answer is not None and bool(responding.any()):
            shape = torch.broadcast_shapes(total.shape[:2], answer.shape[:2])
            total = total.expand(*shape, *total.shape[2:]).clone()
            total[:, :, self._setting.columns[place][responding]] = answer[:, :, responding]
        return total

    # --- one unit in another state --------------------------------------------------------------

    def moved(self, setting: Setting, unit: int) -> tuple[Piece, int]:
        """Return what a setting gives in which one unit is in another state.

        Returns:
            The piece, and the first site that is not as in this one.
        """
        place = int(self._runs.units.site[unit])
        column = int(self._runs.units.index[unit])
        new = Piece(setting, self._which)
        new.answers = self.answers[:place]
        new.totals = dict(self.totals)
        new.compute(place)
        change = new._value(place, column) - self._value(place, column)
        stale = {place}
        for later in range(place + 1, len(self._runs.stages)):
            stage = self._runs.stages[later]
            if not len(setting.columns[later]) or not stale & {*stage.whole, *_sources(stage.maps)}:
                new.answers.append(self.answers[later])
                continue
            for each in stage.maps:
                if each.source == place:
                    weight = each.weight[column]
                    outputs = setting.outputs(later)
                    weight = weight if outputs is None else weight[outputs]
                    new.totals[each.node] = torch.addcmul(
                        self.totals[each.node], change[..., None], weight
                    )
                elif each.source in stale:
                    new.totals[each.node] = self._updated(new, later, each)
            new.answers.append(new._follow(later))
            stale.add(later)
        return new, place

    def _updated(self, new: Piece, place: int, each: Map) -> Tensor:
        before, after = self._responses(each.source), new._responses(each.source)
        if before is None or after is None:
            return self.totals[each.node]
        weight = new._setting.weight(place, each, RESPOND)
        change, total = after - before, self.totals[each.node]
        if change.shape[:2] != total.shape[:2]:
            return total + change @ weight
        return torch.addmm(total.flatten(0, 1), change.flatten(0, 1), weight).view(total.shape)

    def _value(self, place: int, column: int) -> Tensor:
        """The value of one variable that its readers see, ``[context, donor or 1]``."""
        state = int(self._setting.state[place][column])
        recorded = self._runs.blocks[place][:, column, 0]
        if state == CONTEXT:
            return recorded[self._contexts][:, None]
        if state != RESPOND:
            return recorded[self._runs.sample.donors[state][self._which]]
        answer = self.answers[place]
        assert answer is not None
        at = (self._setting.columns[place] == column).nonzero()[0, 0]
        return answer[:, :, at, 0]


def _sources(maps: Sequence[Map]) -> Iterator[int]:
    return (each.source for each in maps)
