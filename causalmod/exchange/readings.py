"""Readings: what was read of one question about modules, and the figure reported of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from causalmod.exchange.contexts import over_contexts
from causalmod.information import Bounds, Estimate


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was read of one question.

    Attributes:
        bounds: ``[context]`` bits (``[set]`` of draws, for the averaged form).
        contexts: context rows behind the figure.
        donors: donors for each context.
        null: what is read where nothing is sent.
        exact: is everything enumerated?
        blocks: ``[block]`` bits on disjoint blocks of rows.
        saturated: is it near its ceiling? None where its upper bound decides.
        permuted: ``[permutation]`` bits with labels of donors permuted, where that says something.
        cap: an upper bound ``[context]`` from a figure that cannot be smaller, if it is known.
        gap: confounding gap in bits, where it is known.
        literal: is the gap part of the figure?
        new: share of outcomes under intervention that the data never show.
    """

    bounds: Bounds
    contexts: int
    donors: int
    null: float = 0.0
    exact: bool = False
    blocks: Bounds | None = None
    saturated: bool | None = None
    permuted: Tensor | None = None
    cap: Bounds | None = None
    gap: float | None = None
    literal: bool = False
    new: float = 0.0

    def report(self, settings: dict[str, Any]) -> Estimate:
        """The figure with its interval.

        Args:
            settings: further fields of the estimate.
        """
        plain = float(self.bounds.bits.double().mean())
        fields = over_contexts(
            self.bounds, self.donors, exact=self.exact, saturated=self.saturated, blocks=self.blocks
        )
        fields |= {"contexts": self.contexts, "null": self.null, "gap": self.gap}
        if self.cap is not None and self.cap.upper is not None:
            fields = self._capped(fields, self.cap)
        if self.permuted is not None and not fields.get("saturated"):
            values = self.permuted
            fields["null"] = max(0.0, float(values.quantile(0.95)))
            fields["p"] = (1 + int((values >= plain).sum())) / (1 + len(values))
        if self.literal and self.gap is not None:
            ends = ("bits", "low", "high")
            fields |= {e: fields[e] + self.gap for e in ends if fields[e] is not None}
        fields = settings | fields
        if self.new:
            fields["note"] = (
                f"{self.new:.1%} of the interventions bring about outcomes that the data never "
                "show, so the reading with reference='observational' is infinite; "
                "reference='do' is finite"
            )
        return Estimate(**fields)

    def _capped(self, fields: dict[str, Any], cap: Bounds) -> dict[str, Any]:
        most = over_contexts(cap, self.donors, saturated=False)
        full = fields.get("saturated", False)
        if most["upper"] >= fields["upper"] and not full:
            return fields
        if full:  # nothing can be said from below
            fields |= {"bits": 0.0, "low": 0.0, "high": 0.0, "saturated": False}
        fields |= {name: most[name] for name in ("upper", "upper_low", "upper_high")}
        ends = ((end, fields[end]) for end in ("bits", "low", "high"))
        return fields | {end: min(value, most["upper"]) for end, value in ends if value is not None}


def summed(parts: Sequence[Reading], *, saturated: bool) -> Reading:
    """The sum over modules, of readings of the same contexts."""
    apart = [part.blocks for part in parts if part.blocks is not None]
    permuted = [part.permuted for part in parts if part.permuted is not None]
    gaps = [part.gap for part in parts if part.gap is not None]
    caps = [part.cap for part in parts if part.cap is not None]
    moving = sum(bool(part.bounds.bits.any()) for part in parts)
    return Reading(
        bounds=_sum([part.bounds for part in parts]),
        contexts=max(part.contexts for part in parts),
        donors=max(part.donors for part in parts),
        null=sum(part.null for part in parts),
        exact=all(part.exact for part in parts),
        blocks=_sum(apart) if apart else None,
        saturated=saturated,
        permuted=torch.stack(permuted).sum(0) if permuted else None,
        cap=_sum(caps) if caps and len(caps) == moving else None,
        gap=sum(gaps) if gaps else None,
        literal=any(part.literal for part in parts),
        new=max(part.new for part in parts),
    )


def _sum(parts: list[Bounds]) -> Bounds:
    uppers = [part.upper for part in parts if part.upper is not None]
    bits = torch.stack([part.bits for part in parts]).sum(0)
    return Bounds(bits, torch.stack(uppers).sum(0) if uppers else None)


class Form(Protocol):
    """One form of the exchange: what is read of each question."""

    def receive(self, modules: Sequence[int]) -> list[Reading]:
        """What modules receive from all others, on the same contexts."""
        ...

    def send(self, module: int) -> Reading:
        """What a module sends all others together."""
        ...

    def pair(self, sender: int, receiver: int, *, direct: bool) -> Reading:
        """What a module sends one other, the rest held, or left to respond."""
        ...
