"""What came of a trial: findings, verdicts, and the table of measures against axioms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from causalmod._display import FIGURES
from causalmod.conformance.protocol import Situation
from causalmod.errors import InputError, nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

HOLDS, FAILS, NOT_APPLICABLE, BROKEN = "holds", "fails", "not applicable", "error"
_MARKS = {HOLDS: "+", FAILS: "FAILS", NOT_APPLICABLE: ".", BROKEN: "ERROR"}


@dataclass(frozen=True, eq=False)
class Finding:
    """One claim, tried on one measure.

    Attributes:
        claim: what had to hold.
        status: ``"holds"``, ``"fails"``, ``"not applicable"`` (the measure refused the network) or
            ``"error"`` (it raised, gave no number, is not deterministic, or changed the model).
        values: name of the situation → what the measure read, in its own unit.
        why: how far off it was, or the reason of a refusal.
        counterexample: the situations in question: networks and partitions.
    """

    claim: str
    status: str
    values: Mapping[str, float]
    why: str = ""
    counterexample: tuple[Situation, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        read = ", ".join(f"{name}: {value:.4g}" for name, value in self.values.items())
        parts = [f"{self.status}: {self.claim}", read, self.why]
        return "; ".join(part for part in parts if part)


@dataclass(frozen=True, eq=False)
class Verdict:
    """One axiom, tried on one measure.

    Attributes:
        measure: name of the measure.
        axiom: name of the axiom.
        statement: the axiom in one sentence.
        source: where it comes from.
        tolerance: how far figures may be off, and why.
        findings: what came of each claim.
    """

    measure: str
    axiom: str
    statement: str
    source: str
    tolerance: str
    findings: tuple[Finding, ...]

    @property
    def status(self) -> str:
        """The gravest of the findings: an error, a failure, a hold, or nothing applicable."""
        found = {finding.status for finding in self.findings}
        return next(s for s in (BROKEN, FAILS, HOLDS, NOT_APPLICABLE) if s in found)

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that failed or could not be made for a fault of the measure."""
        return tuple(f for f in self.findings if f.status in {FAILS, BROKEN})

    def __str__(self) -> str:
        lines = [f"{self.measure}: {self.axiom} {self.status}"]
        return "\n".join([*lines, *(f"  {finding}" for finding in self.failures)])


@dataclass(frozen=True, eq=False)
class Conformance:
    """Measures against axioms.

    Attributes:
        verdicts: one for each measure and axiom.
        quick: were only the cheapest networks tried?
        seed: seed that the measures were given.
        seconds: measure → seconds that its trial took.
        complete: False after an interruption.

    Example:
        >>> from causalmod.conformance import check_measure
        >>> found = check_measure("total_weight", axioms=["relabelling"], quick=True)
        >>> found.status("total_weight", "relabelling"), found.ok
        ('holds', True)
    """

    verdicts: tuple[Verdict, ...]
    quick: bool
    seed: int
    seconds: Mapping[str, float]
    complete: bool = True

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the measures, in the order of their trials."""
        return tuple(dict.fromkeys(verdict.measure for verdict in self.verdicts))

    @property
    def axioms(self) -> tuple[str, ...]:
        """Names of the axioms."""
        return tuple(dict.fromkeys(verdict.axiom for verdict in self.verdicts))

    @property
    def ok(self) -> bool:
        """Does no measure fail an axiom, or break?"""
        return all(not verdict.failures for verdict in self.verdicts)

    def verdict(self, measure: str, axiom: str) -> Verdict:
        """Return what came of one axiom on one measure.

        Raises:
            InputError: an unknown name; the nearest is suggested.
        """
        for name, known, kind in (
            (measure, self.measures, "measure"),
            (axiom, self.axioms, "axiom"),
        ):
            if name not in known:
                raise InputError(f"no {kind} {name!r} in this table: {nearest(name, known)}")
        return next(v for v in self.verdicts if (v.measure, v.axiom) == (measure, axiom))

    def status(self, measure: str, axiom: str) -> str:
        """Return ``"holds"``, ``"fails"``, ``"not applicable"`` or ``"error"``."""
        return self.verdict(measure, axiom).status

    def to_frame(self) -> DataFrame:
        """Return the table: a row for each measure, a column for each axiom, the status in it."""
        import pandas as pd

        rows = {
            measure: {axiom: self.status(measure, axiom) for axiom in self.axioms}
            for measure in self.measures
        }
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(self.axioms))

    def findings(self) -> DataFrame:
        """Return every claim as a row: measure, axiom, claim, status, values, why."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "measure": verdict.measure,
                    "axiom": verdict.axiom,
                    "claim": finding.claim,
                    "status": finding.status,
                    "values": dict(finding.values),
                    "why": finding.why,
                }
                for verdict in self.verdicts
                for finding in verdict.findings
            ],
            columns=["measure", "axiom", "claim", "status", "values", "why"],
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write; infinite values become text."""
        return {
            "quick": self.quick,
            "seed": self.seed,
            "complete": self.complete,
            "seconds": dict(self.seconds),
            "verdicts": [
                {
                    "measure": verdict.measure,
                    "axiom": verdict.axiom,
                    "status": verdict.status,
                    "findings": [
                        {
                            "claim": f.claim,
                            "status": f.status,
                            "values": {n: _plain(v) for n, v in f.values.items()},
                            "why": f.why,
                        }
                        for f in verdict.findings
                    ],
                }
                for verdict in self.verdicts
            ],
        }

    def plot(self) -> Figure:
        """Draw the table."""
        return FIGURES.get("conformance")(self)

    def __str__(self) -> str:
        """The table as text, followed by every failure with its figures."""
        width = max(map(len, self.axioms), default=0)
        names = self.measures
        lines = [" " * width + "  " + "  ".join(names)]
        for axiom in self.axioms:
            cells = [_MARKS[self.status(name, axiom)].center(len(name)) for name in names]
            lines.append(f"{axiom:<{width}}  " + "  ".join(cells).rstrip())
        failed = [str(verdict) for verdict in self.verdicts if verdict.failures]
        return "\n".join([*lines, *([""] if failed else []), *failed])

    def __repr__(self) -> str:
        failed = sum(bool(verdict.failures) for verdict in self.verdicts)
        kind = "quick, " if self.quick else ""
        return (
            f"Conformance({kind}{len(self.measures)} measures × {len(self.axioms)} axioms, "
            f"{failed} failed{'' if self.complete else ', interrupted'})"
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.measures)
        rows = "".join(
            f"<tr><th>{escape(axiom)}</th>"
            + "".join(f"<td>{escape(self.status(name, axiom))}</td>" for name in self.measures)
            + "</tr>"
            for axiom in self.axioms
        )
        return f"<table><tr><th></th>{head}</tr>{rows}</table>"


def _plain(value: float) -> float | str:
    return value if abs(value) < float("inf") else str(value)
