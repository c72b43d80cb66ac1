"""Bins: how a unit's values are cut, and how the bias of counting them is corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral
from typing import Any, TypeAlias

import torch
from torch import Tensor

from causalmod.errors import InputError, nearest

#: Bins of a single unit, unless asked otherwise.
BINS = 10
RULES = ("frequency", "width")
CORRECTIONS = ("miller-madow", "none")


@dataclass(frozen=True)
class Bins:
    """How the values of a unit are put into bins.

    Attributes:
        count: number of bins.
        rule: ``"frequency"``: equally full on the observed activations; ``"width"``: equally wide
            over their range. Values beyond the range count in the outermost bins.
        edges: outer and inner edges, rising, in place of a rule. Values outside the outer ones are
            discarded, as :func:`numpy.histogram` does.
        correction: of the bias: ``"miller-madow"``, with all degrees of freedom, or ``"none"``.

    Raises:
        InputError: fewer than two bins, an unknown rule or correction, or edges that do not rise.

    Example:
        >>> Bins(edges=(0.0, 0.5, 1.0)).count
        2
    """

    count: int = BINS
    rule: str = "frequency"
    edges: tuple[float, ...] | None = None
    correction: str = "miller-madow"

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise InputError(f"unknown rule of bins {self.rule!r}: {nearest(self.rule, RULES)}")
        if self.correction not in CORRECTIONS:
            known = nearest(self.correction, CORRECTIONS)
            raise InputError(f"unknown correction of bins {self.correction!r}: {known}")
        if self.edges is not None:
            edges = tuple(float(edge) for edge in self.edges)
            finite = all(abs(edge) < float("inf") for edge in edges)
            rising = all(a < b for a, b in pairwise(edges))
            if len(edges) < 3 or not finite or not rising:
                raise InputError(
                    "edges of bins are at least three finite numbers, each above the last (n + 1 "
                    f"edges make n bins); given {edges}"
                )
            object.__setattr__(self, "edges", edges)
            object.__setattr__(self, "count", len(edges) - 1)
        whole = isinstance(self.count, Integral) and not isinstance(self.count, bool)
        if not whole or self.count < 2:
            raise InputError(f"bins must be a whole number of at least 2; given {self.count!r}")

    @classmethod
    def of(cls, bins: Any) -> Bins:
        """Return bins from a number of them, from edges, or as they are."""
        if isinstance(bins, Bins):
            return bins
        if isinstance(bins, Integral):
            return cls(bins)  # type: ignore[arg-type]
        try:
            edges = tuple(torch.as_tensor(bins, dtype=torch.float64).tolist())
        except (TypeError, ValueError, RuntimeError):
            raise InputError(
                "bins is a number of bins, a sequence of edges, or cm.Bins(...), or a pair of "
                f"cm.Bins for source and target; given {bins!r}"
            ) from None
        return cls(edges=edges)

    @classmethod
    def pair(cls, bins: Any) -> tuple[Bins, Bins]:
        """Return the bins of source and target from one for both, or from a pair of :class:`Bins`.

        Example:
            >>> source, target = Bins.pair((Bins(4), Bins(8)))
            >>> source.count, target.count
            (4, 8)
        """
        both = isinstance(bins, Sequence) and not isinstance(bins, str)
        if both and len(bins) == 2 and any(isinstance(side, Bins) for side in bins):
            return cls.of(bins[0]), cls.of(bins[1])
        return cls.of(bins), cls.of(bins)


#: A number of bins, edges, or :class:`Bins`; or a pair of these for source and target.
BinsLike: TypeAlias = "int | Bins | Sequence[float] | Tensor | tuple[Bins, Bins]"
