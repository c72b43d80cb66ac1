"""What the report says about one network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from causalmod.modularity import Modularity
    from causalmod.scm import StructuralCausalModel


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A measure from the literature, on the same partition.

    Attributes:
        name: its name, as the table shows it.
        value: the figure.
        unit: ``"bits"``, or empty where there is none.
        meaning: one sentence: what it measures, and on which scale.
    """

    name: str
    value: float
    unit: str = ""
    meaning: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return {"name": self.name, "value": self.value, "unit": self.unit}


@dataclass(frozen=True, kw_only=True)
class ReportSection:
    """One network in the report.

    Attributes:
        name: the network, in a few words.
        description: what it is and what it was trained for.
        result: what was found; None when nothing was before an interruption.
        scm: the compiled network.
        baselines: other measures on the partition found.
        comments: what the figures of this network show, a sentence each.
        seconds: time spent on it.
        truth: the known right answer, in words; empty when it is not known.
        recovered: adjusted Rand index between the partition found and the known one.
    """

    name: str
    description: str
    result: Modularity | None
    scm: StructuralCausalModel
    baselines: tuple[Baseline, ...] = ()
    comments: tuple[str, ...] = ()
    seconds: float = 0.0
    truth: str = ""
    recovered: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return {
            "name": self.name, "description": self.description, "truth": self.truth or None,
            "recovered": self.recovered,
            "modularity": None if self.result is None else self.result.to_dict(),
            "baselines": [baseline.to_dict() for baseline in self.baselines],
            "comments": list(self.comments), "seconds": self.seconds,
        }  # fmt: skip
