"""Moves: the exchange of a partition, and of those that differ from it in one unit.

A unit that goes to another module changes what is held and what responds in one place. So each
module's run is not made again: what its readers get is updated, and what follows from them is
computed, from the unit's own site on. Distances between responses add up over sites, so those of
earlier sites stay as well.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.errors import EstimatorError, InputError
from causalmod.exchange.coordinates import Coordinates
from causalmod.exchange.hybrid import RESPOND, Sample
from causalmod.exchange.staged_runs import Piece, Setting, StagedRuns
from causalmod.exchange.stages import find_stages
from causalmod.information import ESTIMATORS, Bounds, Estimator
from causalmod.scm import StructuralCausalModel


class _Module(NamedTuple):
    """One module's run: its setting, what it gave, and distances by piece and site."""

    setting: Setting
    pieces: list[Piece]
    squared: list[list[Tensor | None]]
    received: Bounds


class Moves:
    """What each module of a partition receives, for it and for its neighbours.

    All of them share contexts and donors, so that differences are not noise.

    Args:
        scm: the model.
        labels: ``[unit]`` module numbers from 0, each with a unit.
        sample: contexts, and as many donor streams as there are other modules.
        estimator: ``"gaussian"`` or ``"pairwise"``.
        resolution: noise scale in standard deviations.
        unbiased: take off the bias in the number of donors?

    Attributes:
        labels: ``[unit]`` module numbers now.

    Raises:
        EstimatorError: an estimator that does not read distances.
        InputError: a model in which an intervention stands between the units.

    Example:
        >>> import torch, causalmod as cm
        >>> from causalmod.exchange import draw_sample
        >>> case = cm.zoo.isolated()
        >>> scm = cm.compile(case.model, case.inputs)
        >>> labels = torch.zeros(len(scm.units), dtype=torch.long)
        >>> labels[0] = 1
        >>> moves = Moves(scm, labels, draw_sample(torch.arange(scm.rows), 8, 8, 1, seed=0))
        >>> moves.received.shape, moves.after(1, 1).shape
        (torch.Size([2, 8]), torch.Size([2, 8]))
    """

    def __init__(
        self,
        scm: StructuralCausalModel,
        labels: Tensor,
        sample: Sample,
        *,
        estimator: str = "gaussian",
        resolution: float = 1.0,
        unbiased: bool = False,
    ) -> None:
        kind = ESTIMATORS.get(estimator)
        if not kind.by_distance:
            raise EstimatorError(
                f"estimator={estimator!r} reads no distances; moves take 'gaussian' or 'pairwise'"
            )
        stages = find_stages(scm, scm.units)
        if stages is None:
            raise InputError(
                "an intervention stands between the model's units; ask for moves before do()"
            )
        self.labels = labels.clone()
        self._units, self._unbiased = scm.units, unbiased
        self._runs = StagedRuns(scm, scm.units, stages, sample)
        self._coordinates = Coordinates(scm)
        self._estimator = kind.fit(None, self._coordinates.observed(), resolution)
        self._modules = [self._run(m) for m in range(int(labels.max()) + 1)]

    @property
    def received(self) -> Tensor:
        """Bits ``[module, context]`` that each module takes in from the others."""
        return torch.stack([module.received.bits for module in self._modules])

    def after(self, unit: int, module: int) -> Tensor:
        """Bits ``[module, context]`` if one unit went to another module.

        Raises:
            InputError: its own module would be left without units.
        """
        return torch.stack([each.received.bits for each in self._moved(unit, module)])

    def take(self, unit: int, module: int) -> None:
        """Make a move. After many of them rounding adds up: start again from ``labels`` then."""
        self._modules = self._moved(unit, module)
        self.labels[unit] = module

    def _run(self, module: int) -> _Module:
        own = self.labels == module
        state = torch.where(own, RESPOND, _stream(self.labels, module))
        setting = self._runs.setting(state, own)
        pieces = [setting.run(which) for which in self._runs.pieces()]
        squared = [self._distances(setting, piece, 0, []) for piece in pieces]
        return self._read(setting, pieces, squared)

    def _moved(self, unit: int, module: int) -> list[_Module]:
        old = int(self.labels[unit])
        if module == old:
            return self._modules
        if int((self.labels == old).sum()) == 1:
            raise InputError(f"module {old} has this one unit: a move would leave it empty")
        target = torch.tensor(module)
        return [
            self._step(
                each,
                unit,
                RESPOND if m == module else int(_stream(target, m)),
                member=m == module,
            )
            for m, each in enumerate(self._modules)
        ]

    def _step(self, before: _Module, unit: int, state: int, *, member: bool) -> _Module:
        setting = before.setting.moved(unit, state, member)
        pieces: list[Piece] = []
        squared: list[list[Tensor | None]] = []
        for piece, known in zip(before.pieces, before.squared, strict=True):
            new, first = piece.moved(setting, unit)
            pieces.append(new)
            own = known[first]
            if bool(before.setting.members[unit]) != member:  # else its site answers as before
                own = self._one_more(own, new, unit) if member else self._one_less(own, piece, unit)
            start = first if own is None else first + 1
            squared.append(self._distances(setting, new, start, [*known[:first], own]))
        return self._read(setting, pieces, squared)

    def _distances(
        self, setting: Setting, piece: Piece, first: int, known: list[Tensor | None]
    ) -> list[Tensor | None]:
        """Squared distances for each site, those before the first one as they are known."""
        found = known[:first]
        for site, answer in enumerate(piece.members()[first:], start=first):
            if answer is None or answer.shape[1] == 1:
                found.append(None)
                continue
            keep = setting.members[self._coordinates.unit_of]
            keep = keep & (self._coordinates.site_of == site)
            found.append(self._estimator.some(keep).distances(answer.flatten(2)))
        return found

    def _one_more(self, known: Tensor | None, piece: Piece, unit: int) -> Tensor | None:
        """Squared distances at a unit's site with the unit; None if they are to be found afresh."""
        answer = piece.of_unit(unit)
        if known is None or answer.shape[1] == 1:
            return None
        return known + self._of_one(unit).distances(answer)

    def _one_less(self, known: Tensor | None, piece: Piece, unit: int) -> Tensor | None:
        """The same without the unit."""
        answer = piece.of_unit(unit)
        if known is None or answer.shape[1] == 1:
            return None
        return (known - self._of_one(unit).distances(answer)).clamp_min_(0)

    def _of_one(self, unit: int) -> Estimator:
        return self._estimator.some(self._coordinates.unit_of == unit)

    def _read(
        self, setting: Setting, pieces: list[Piece], squared: list[list[Tensor | None]]
    ) -> _Module:
        donors = self._runs.sample.shape[1]
        parts: list[Bounds] = []
        for which, sites in zip(self._runs.pieces(), squared, strict=True):
            moving = [each for each in sites if each is not None]
            size = len(self._runs.sample.contexts[which])
            total = torch.zeros(size, donors, donors, dtype=torch.float64)
            for each in moving:
                total = total.to(each.device).add_(each)
            parts.append(self._estimator.from_distances(total, unbiased=self._unbiased).cpu())
        return _Module(setting, pieces, squared, Bounds.joined(parts))


def _stream(labels: Tensor, module: int) -> Tensor:
    """Donor stream of other modules, as one module sees them."""
    return torch.where(labels < module, labels, labels - 1)
