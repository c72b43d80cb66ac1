"""One question about a source and a target, and the runs that answer it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.exchange.choice import distinct_rows
from causalmod.exchange.groups import Group, Setting, held_between
from causalmod.exchange.laws import Donors, drawn, enumerated
from causalmod.information import Estimator, Observed
from causalmod.information.estimators.exact import value_codes, value_size
from causalmod.information.protocol import MERGE
from causalmod.scm import StructuralCausalModel

FEW_GIVEN = 64  # values of a known intervention that are gone through one by one


@dataclass
class Outside:
    """Counts responses, and those of them outside the range that the data show."""

    outside: int = 0
    total: int = 0

    @property
    def share(self) -> float | None:
        """Share outside; None where nothing was set."""
        return self.outside / self.total if self.total else None


@dataclass(frozen=True)
class Task:
    """One question, with what is needed to answer it.

    Attributes:
        scm: the model.
        source: the group that is set.
        target: the group that is read.
        fit: makes an estimator from observed sources and targets.
        estimator: the one from all rows.
        contexts: number of contexts of sampled figures.
        draws: donors for each context; None to find a number.
        seed: seed of the draws.
        memory: bytes that the work may hold.
        law: of the values that the source is set to; see :mod:`causalmod.exchange.laws`.
        effect: ``"total"`` or ``"direct"``.
        given: a group that is set as well, to values that are known; None for none.
        fixed: entry of ``given_donors`` that it is set to; None where each context has its own.
        literal: is the figure compared with what is observed?
        permuted: are null floors and p-values wanted?
        outside: counts responses that the data never show.
    """

    scm: StructuralCausalModel
    source: Group
    target: Group
    fit: Callable[[Observed | None, Observed], Estimator]
    estimator: Estimator
    contexts: int
    draws: int | None
    seed: int
    memory: int
    law: str = "observed"
    effect: str = "total"
    given: Group | None = None
    fixed: int | None = None
    literal: bool = False
    permuted: bool = True
    outside: Outside = field(default_factory=Outside)

    @property
    def rows(self) -> int:
        """Number of rows of data."""
        return self.scm.rows

    @cached_property
    def donors(self) -> Donors:
        """Values of the source: all, where they are counted, else entries to draw from."""
        if self.estimator.exact:
            most = max(1, self.memory // (8 * self.rows))
            return enumerated(self.source.values, self.law, most)
        return drawn(self.source.values, self.law, self.seed + 1)

    @cached_property
    def given_donors(self) -> Donors | None:
        """Values of the group that is set as well."""
        if self.given is None:
            return None
        listed = enumerated(self.given.values, "observed", self.rows)
        few = self.estimator.exact or len(listed) <= FEW_GIVEN
        return listed if few else drawn(self.given.values, "observed", self.seed + 2)

    @cached_property
    def _held(self) -> dict[str, Tensor]:
        if self.effect == "total":
            return {}
        given = [] if self.given is None else [self.given]
        return held_between(self.scm, [self.source, self.target, *given])

    @cached_property
    def _range(self) -> tuple[Tensor, Tensor]:
        values = self.target.observed().values.double()
        slack = MERGE * values.abs().amax(0)
        return values.amin(0) - slack, values.amax(0) + slack

    def responses(self, contexts: Tensor, donors: Tensor, given: Tensor | None = None) -> Tensor:
        """The target ``[..., coordinate]`` under intervention.

        Args:
            contexts: ``[...]`` data rows.
            donors: ``[...]`` entries of :attr:`donors`.
            given: ``[...]`` entries of :attr:`given_donors`, where there is such a group.
        """
        both = torch.broadcast_tensors(contexts, donors)
        rows, entries = (each.reshape(-1) for each in both)
        settings = [
            Setting(site, index, self.scm.blocks(site)[:, index], rows)
            for site, index in self._held.items()
        ]
        settings += self.source.set_to(self.donors.values, entries)
        if self.given is not None and self.given_donors is not None:
            place = torch.tensor(self.fixed) if given is None else given
            places = place.expand(both[0].shape).reshape(-1)
            settings += self.given.set_to(self.given_donors.values, places)
        got = self.target.under(settings, rows, self.memory).double()
        low, high = self._range
        self.outside.outside += int(((got < low) | (got > high)).sum())
        self.outside.total += got.numel()
        return got.reshape(*both[0].shape, -1)

    def unset(self, contexts: Tensor, copies: int) -> Tensor:
        """The target ``[context, copy, coordinate]`` with the source set to what it is anyway."""
        rows = contexts[:, None].expand(-1, copies).reshape(-1)
        settings = self.source.set_to(self.source.values, rows)
        return self.target.under(settings, rows, self.memory).reshape(*contexts.shape, copies, -1)

    def replays(self) -> int:
        """Values of the target that enumerating every donor holds."""
        settings = len(self.donors) * (1 if self.given_donors is None else len(self.given_donors))
        return settings * self.rows * self.target.width

    def enumerated(self) -> tuple[Tensor, Tensor, Tensor]:
        """Responses ``[donor, context, coordinate]`` to each donor, and the counts of both.

        A context is a row, with each value of the group that is set as well.

        Raises:
            EstimatorError: they do not fit the memory.
        """
        size = self.replays() * 8
        if size > self.memory:
            raise EstimatorError(
                f"estimator={self.estimator.name!r} needs {len(self.donors)} × {self.rows} "
                f"replays, about {size / 1e9:.1f} GB; use another estimator, fewer rows, or "
                "more memory"
            )
        rows, entries = torch.arange(self.rows), torch.arange(len(self.donors))[:, None]
        if self.given_donors is None or self.fixed is not None:
            found = self.responses(rows[None], entries)
            return found, self.donors.weights, torch.ones(self.rows, dtype=torch.long)
        settings = torch.arange(len(self.given_donors)).repeat_interleave(self.rows)
        found = self.responses(rows.repeat(len(self.given_donors))[None], entries, settings[None])
        return found, self.donors.weights, self.given_donors.weights[settings]

    def outcomes(self, values: Tensor) -> Tensor:
        """Number the outcomes ``[...]`` of target values ``[..., coordinate]``, all in one go.

        Raises:
            EstimatorError: the estimator does not count.
        """
        flat = values.reshape(-1, values.shape[-1])
        return counted(self.estimator, flat).reshape(values.shape[:-1])


def counted(estimator: Estimator, values: Tensor) -> Tensor:
    """Number the outcomes of ``[row, coordinate]`` values of the target.

    Raises:
        EstimatorError: the estimator does not count.
    """
    if not estimator.counts:
        raise EstimatorError(
            f"estimator={estimator.name!r} does not give the probability of each outcome, which "
            "this kind compares; use estimator='exact', or 'binned' for a single unit"
        )
    return estimator.codes(values)


def distinct(values: Tensor) -> tuple[Tensor, Tensor]:
    """First row and count of each distinct row of ``[row, coordinate]``, up to rounding."""
    values = values.double()
    return distinct_rows(value_codes(values, value_size(values)))
