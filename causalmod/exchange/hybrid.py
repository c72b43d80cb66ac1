"""Hybrid runs: each unit answers for itself, is held at its context value, or takes a donor's.

One run of the network on a context row, in which some units respond through their mechanisms while
others are set to what they were on the same row (context) or on another (donor). Every figure about
modules is read off such runs. Many jobs (settings of the units) go through in one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from causalmod.exchange.coordinates import Coordinates
from causalmod.exchange.staged_runs import CONTEXT, RESPOND, Setting, StagedRuns
from causalmod.exchange.stages import find_stages
from causalmod.information import Bounds, Estimator
from causalmod.scm import StructuralCausalModel, Units

__all__ = ["CONTEXT", "RESPOND", "HybridRuns", "Sample", "Setting", "draw_sample"]

_PIECE_BYTES = 2**25  # what is held at a time: replays are quickest near the processor's cache
_BATCHED = 250_000  # values of one job up to which many jobs are best run in one batch
T = TypeVar("T")


@dataclass(frozen=True)
class Sample:
    """Which rows are contexts and donors.

    Attributes:
        contexts: ``[context]`` row numbers.
        donors: ``[stream, context, donor]`` row numbers; streams are independent of one another.
        weights: ``[donor]`` integer counts where donors are enumerated; None where they are drawn.
    """

    contexts: Tensor
    donors: Tensor
    weights: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of contexts and of donors for each."""
        return self.donors.shape[1], self.donors.shape[2]

    def some(self, which: slice) -> Sample:
        """Return the sample with some of its contexts only."""
        return Sample(self.contexts[which], self.donors[:, which], self.weights)


def draw_sample(rows: Tensor, contexts: int, donors: int, streams: int, seed: int) -> Sample:
    """Draw contexts without replacement, and for each its own donors with replacement."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(rows), generator=generator)[:contexts]
    picks = torch.randint(len(rows), (streams, len(order), donors), generator=generator)
    return Sample(rows[order], rows[picks])


class HybridRuns:
    """Runs jobs on one sample and hands the responses of all live units to an estimator.

    Args:
        scm: the model.
        sample: contexts and donors.
        dtype: of the responses that an estimator gets.
        memory: bytes that the runs may hold.
        units: which units answer or are set; those of the model by default. Inputs may be among
            them (:func:`causalmod.scm.units.find_units`): what they answer is the context's value.
    """

    def __init__(
        self,
        scm: StructuralCausalModel,
        sample: Sample,
        dtype: torch.dtype = torch.float64,
        memory: int = 2 * 10**9,
        units: Units | None = None,
    ) -> None:
        self.scm = scm
        self.sample = sample
        self.units = scm.units if units is None else units
        self.coordinates = Coordinates(scm, self.units)
        self._places = self.coordinates.places
        self._dtype, self._memory = dtype, memory
        contexts, donors = sample.shape
        streams = len(sample.donors)
        copies = 6 + 2 * streams  # natural values, the mix and its parts, responses, distances
        one = contexts * donors * max(int(self.coordinates.unit_of.numel()), donors) * 8 * copies
        self.jobs_at_once = max(1, memory // max(one, 1))
        self.rows_run = 0
        stages = find_stages(scm, self.units)
        worth = contexts * donors * int(self.coordinates.unit_of.numel()) > _BATCHED
        mapped = stages is not None and any(stage.maps for stage in stages)
        self.staged = None
        if stages is not None and mapped and worth:
            self.staged = StagedRuns(scm, self.units, stages, sample)

    def run(self, states: Tensor) -> list[Tensor]:
        """Run jobs and return what each live unit's own mechanism gave.

        Args:
            states: ``[job, unit]``: :data:`RESPOND`, :data:`CONTEXT`, or the number of a donor
                stream.

        Returns:
            For each site of the units ``[job, context, donor, unit, coordinate]``.
        """
        contexts, donors = self.sample.shape
        rows = self.sample.contexts[None, :, None].expand(len(states), contexts, donors).reshape(-1)
        natural: dict[str, Tensor] = {}
        patches = {
            name: self._mixer(name, s, states, natural)
            for s, name in enumerate(self.units.sites)
            if len(self._places[s])
        }
        self.rows_run += len(rows)
        names = list(patches)
        self.scm.replay(rows, patches, names)
        return [natural[name] for name in names]

    def _mixer(
        self, name: str, site: int, states: Tensor, natural: dict[str, Tensor]
    ) -> Callable[[Tensor], Tensor]:
        """Patch of one site: note what its units answer, then hold some of them."""
        shape = (len(states), *self.sample.shape)
        live, count = self._places[site], self.scm.sites[name].count
        state = torch.full((len(states), count), RESPOND)  # inert units are clamped or unread
        state[:, live] = states[:, self.units.at(site)]
        held = [int(number) for number in state.unique() if number != RESPOND]

        def mix(blocks: Tensor) -> Tensor:
            mixed, here = blocks.reshape(*shape, count, -1), state.to(blocks.device)
            natural[name] = mixed if len(live) == count else mixed[..., live, :]
            recorded = self.scm.blocks(name)
            for number in held:
                rows = self.sample.donors[number] if number >= 0 else self.sample.contexts[:, None]
                given = (here == number)[:, None, None, :, None]
                mixed = torch.where(given, recorded[rows], mixed)
            return mixed.reshape(blocks.shape)

        return mix

    def in_batches(self, states: Tensor, read: Callable[[list[Tensor], slice], T]) -> list[T]:
        """Run jobs a batch at a time, as memory allows, and read each batch's responses."""
        found: list[T] = []
        for start in range(0, len(states), self.jobs_at_once):
            part = slice(start, min(start + self.jobs_at_once, len(states)))
            found.append(read(self.run(states[part]), part))
        return found

    def answers(self, states: Tensor, members: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Run one job, some contexts at a time, and yield what some units answer.

        Args:
            states: ``[unit]``, as for :meth:`run`.
            members: bool ``[unit]``: whose answers are wanted.

        Yields:
            ``[context, donor, coordinate]`` in the network's own dtype, and which coordinates these
            are, bool. Coordinates that no donor moves may be left out, but for one.
        """
        keep = members[self.coordinates.unit_of]
        if self.staged is not None:
            setting = self.staged.setting(states, members)
            self.rows_run += self.sample.shape[0] * self.sample.shape[1]
            for which in self.staged.pieces():
                yield self.moving(setting.run(which).members(), keep)
            return
        contexts, donors = self.sample.shape
        held = (
            donors * len(keep) * 4 * (4 + len(self.sample.donors)) + donors * int(keep.sum()) * 32
        )
        step = max(1, min(self._memory, _PIECE_BYTES) // held)
        for start in range(0, contexts, step):
            part = self.sample.some(slice(start, start + step))
            some = HybridRuns(self.scm, part, self._dtype, units=self.units)
            parts = [
                response[0][:, :, members[self.units.at(site)]].flatten(2)
                for site, response in zip(some.filled, some.run(states[None]), strict=True)
            ]
            self.rows_run += some.rows_run
            yield torch.cat(parts, dim=-1), keep

    def moving(self, answers: list[Tensor | None], keep: Tensor) -> tuple[Tensor, Tensor]:
        """Lay answers of one piece side by side, as :meth:`answers` yields them."""
        donors = self.sample.shape[1]
        parts, kept = [], []
        for site, answer in enumerate(answers):
            own = self.coordinates.site_of == site
            moves = answer is not None and answer.shape[1] > 1
            kept.append(keep[own] & moves)
            if answer is not None and moves:
                parts.append(answer.flatten(2))
        which = torch.cat(kept)
        if parts:
            return torch.cat(parts, dim=-1), which
        still = next(answer for answer in answers if answer is not None)
        which[keep.nonzero()[0]] = True
        return still.flatten(2)[..., :1].expand(-1, donors, -1), which

    def joint(self, estimator: Estimator, states: Tensor, members: Tensor) -> Bounds:
        """Bits that donors send to groups of units, in each context.

        Args:
            estimator: fitted to all coordinates.
            states: ``[job, unit]``, as for :meth:`run`.
            members: bool ``[job, unit]``: whose joint response is read.

        Returns:
            Bounds: ``[job, context]``.
        """
        if self.staged is not None:
            jobs = zip(states, members, strict=True)
            return Bounds.stacked([self._joint_in_stages(estimator, *job) for job in jobs]).cpu()

        def read(responses: list[Tensor], part: slice) -> Bounds:
            flat = torch.cat([r.flatten(3) for r in responses], dim=-1).to(self._dtype)
            keep = members[part][:, self.coordinates.unit_of][:, None, None, :]
            return estimator.response(
                torch.where(keep.to(flat.device), flat, 0.0), self.sample.weights
            )

        return Bounds.joined(self.in_batches(states, read)).cpu()

    def _joint_in_stages(self, estimator: Estimator, states: Tensor, members: Tensor) -> Bounds:
        return Bounds.joined(
            [
                estimator.some(which).response(answers.to(self._dtype), self.sample.weights)
                for answers, which in self.answers(states, members)
            ]
        )

    def apart(self, estimators: list[Estimator], states: Tensor, members: Tensor) -> Tensor:
        """Bits that donors send to each unit on its own, summed over members ``[job, context]``."""
        if self.staged is not None:
            jobs = zip(states, members, strict=True)
            return torch.stack([self._apart_in_stages(estimators, *job) for job in jobs])

        def read(responses: list[Tensor], part: slice) -> Tensor:
            total = torch.zeros(())
            for s, response in enumerate(responses):
                site = self.filled[s]
                each = estimators[site].response(
                    response.to(self._dtype).movedim(3, 2), self.sample.weights
                )
                keep = members[part][:, self.units.at(site)][:, None, :]
                total = total + torch.where(keep, each.bits.cpu(), 0.0).sum(-1)
            return total

        return torch.cat(self.in_batches(states, read))

    def _apart_in_stages(
        self, estimators: list[Estimator], states: Tensor, members: Tensor
    ) -> Tensor:
        assert self.staged is not None
        setting = self.staged.setting(states, members)
        self.rows_run += self.sample.shape[0] * self.sample.shape[1]
        found: list[Tensor] = []
        for which in self.staged.pieces():
            answers = setting.run(which).members()
            total = torch.zeros(len(self.sample.contexts[which]))
            for site, answer in enumerate(answers):
                if answer is None or answer.shape[1] == 1:  # no donor moves it
                    continue
                fitted = estimators[site].some(members[self.units.at(site)])
                responses = answer.to(self._dtype).movedim(2, 1)
                total = total + fitted.response(responses, self.sample.weights).bits.sum(-1).cpu()
            found.append(total)
        return torch.cat(found)

    @property
    def filled(self) -> list[int]:
        """Sites (by number) that have live units, in the order of the responses."""
        return [s for s in range(len(self.units.sites)) if len(self._places[s])]
