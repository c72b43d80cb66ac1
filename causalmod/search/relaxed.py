"""The objective for soft memberships, which a gradient can be taken of.

A unit that belongs to module ``m`` by a share ``mu`` answers ``mu · natural + (1 - mu) · donor`` in
the run of ``m``, and its response counts by ``mu`` in the covariance that is read: at shares of 0
and 1 this is the hard objective (with one donor for all other modules), but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.exchange.hybrid import Sample, draw_sample
from causalmod.scm import StructuralCausalModel

_FLOOR = 1e-6  # bits under which flow counts as none
_WORST = 8.0  # power of the mean that stands for the worst module


class _Place(NamedTuple):
    """One site: its name, its live units' positions there and among all, and their scales."""

    name: str
    places: Tensor
    units: Tensor
    scale: Tensor


class Relaxed:
    """Costs of soft partitions.

    Args:
        scm: the model.
        rows: row numbers to draw contexts and donors from.
        resolution: noise scale in standard deviations; may be changed later.
    """

    def __init__(self, scm: StructuralCausalModel, rows: Tensor, resolution: float = 1.0) -> None:
        self._scm, self._rows, self.resolution = scm, rows, resolution
        units = scm.units
        self._count = len(units)
        self._places = [
            _Place(name, units.index[own], own, scm.scales[name][units.index[own]])
            for s, name in enumerate(units.sites)
            if len(own := units.at(s))
        ]
        self.rows_run = 0

    def sample(self, contexts: int, donors: int, seed: int) -> Sample:
        """Draw contexts, and one stream of donors for each."""
        return draw_sample(self._rows, contexts, donors, 1, seed)

    def costs(self, shares: Tensor, sample: Sample) -> Tensor:
        """Cost of each soft partition ``[partition, unit, module]``: a smooth maximum of ``c``."""
        parts = shares.movedim(2, 1)  # [partition, module, unit]
        count, k, units = parts.shape
        own = parts.reshape(-1, units)
        jobs = [(own, 1 - own), (torch.zeros_like(own), own)]
        if k > 2:
            jobs.append((1 - own, own))
        natural = torch.cat([n for n, _ in jobs])
        donor = torch.cat([d for _, d in jobs])
        answers = self._answers(natural, donor, sample)
        size = len(own)
        received = self._joint([a[:size] for a in answers], own).reshape(count, k)
        inside = self._apart([a[size : 2 * size] for a in answers], own).reshape(count, k)
        if k == 2:
            rest = received.flip(1)
        else:
            rest = self._joint([a[2 * size :] for a in answers], 1 - own).reshape(count, k)
        crossing = received + rest
        share = (crossing + _FLOOR) / (crossing + 2 * inside + _FLOOR)
        return share.pow(_WORST).mean(1).pow(1 / _WORST)

    def _answers(self, natural: Tensor, donor: Tensor, sample: Sample) -> list[Tensor]:
        """Run jobs: each unit is seen at a mix of its own answer, a donor's and its value there.

        Args:
            natural: ``[job, unit]`` share of the own answer.
            donor: ``[job, unit]`` share of the donor's value; the context has the rest.
            sample: contexts and donors.

        Returns:
            For each site ``[job, context, donor, unit, coordinate]`` own answers of live units.
        """
        contexts, donors = sample.shape
        shape = (len(natural), contexts, donors)
        rows = sample.contexts[None, :, None].expand(shape).reshape(-1)
        found: dict[str, Tensor] = {}
        patches = {p.name: self._mixer(p, natural, donor, sample, found) for p in self._places}
        self.rows_run += len(rows)
        self._scm.replay(rows, patches, list(patches), differentiable=True)
        return [found[p.name] for p in self._places]

    def _mixer(
        self,
        place: _Place,
        natural: Tensor,
        donor: Tensor,
        sample: Sample,
        found: dict[str, Tensor],
    ) -> Callable[[Tensor], Tensor]:
        shape = (len(natural), *sample.shape)
        recorded = self._scm.blocks(place.name)
        count = recorded.shape[1]
        whole = len(place.places) == count

        def spread(weights: Tensor, otherwise: float) -> Tensor:
            weights = weights[:, place.units].to(recorded.dtype)
            if not whole:
                full = torch.full((len(weights), count), otherwise, dtype=weights.dtype)
                weights = full.index_copy(1, place.places, weights)
            return weights[:, None, None, :, None]

        own, drawn = spread(natural, 1.0), spread(donor, 0.0)
        given = recorded[sample.donors[0]]
        context = recorded[sample.contexts][:, None]

        def mix(blocks: Tensor) -> Tensor:
            answers = blocks.reshape(*shape, count, -1)
            found[place.name] = answers if whole else answers[..., place.places, :]
            mixed = own * answers + drawn * given + (1 - own - drawn) * context
            return mixed.reshape(blocks.shape)

        return mix

    def _joint(self, answers: list[Tensor], shares: Tensor) -> Tensor:
        """Gaussian-channel bits ``[job]`` of all responses together, each by its share."""
        donors = answers[0].shape[2]
        gram = torch.eye(donors)
        for place, answer in zip(self._places, answers, strict=True):
            scaled = (answer / (place.scale * self.resolution)).float()
            centred = scaled - scaled.mean(2, keepdim=True)
            weighted = centred * shares[:, place.units][:, None, None, :, None].float()
            gram = gram + weighted.flatten(3) @ centred.flatten(3).mT / donors
        factor, _ = torch.linalg.cholesky_ex(gram)
        bits = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1) / log(2)
        return bits.mean(1)

    def _apart(self, answers: list[Tensor], shares: Tensor) -> Tensor:
        """Gaussian-channel bits ``[job]`` of the responses one by one, summed by share."""
        total = torch.zeros(len(shares))
        for place, answer in zip(self._places, answers, strict=True):
            scaled = answer / (place.scale * self.resolution)
            power = scaled.var(2, unbiased=False).sum(-1).float()
            bits = power.log1p().mean(1) / (2 * log(2))
            total = total + (bits * shares[:, place.units].float()).sum(1)
        return total


def shares_of(labels: Tensor, k: int, sure: float) -> Tensor:
    """Soft memberships near a hard partition: ``sure`` in its own module, the rest spread."""
    hot = torch.nn.functional.one_hot(labels, k).float()
    return hot * sure + (1 - hot) * (1 - sure) / (k - 1)
