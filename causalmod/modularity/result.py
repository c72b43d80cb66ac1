"""modularity: the best partition of a network, and how modular that makes it against chance."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isinf, isnan
from typing import TYPE_CHECKING, Any

from causalmod._display import FIGURES, html_table
from causalmod.exchange import Exchange
from causalmod.partition import Partition
from causalmod.provenance import Provenance

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Modularity:
    """The best partition found, its score, and what the same search finds on null networks.

    Attributes:
        partition: the best partition, in the model's live units.
        score: calibrated modularity; 1 no communication at all, 0 no better than chance, negative
            worse; None when it cannot be calibrated (see ``note``).
        low, high: 95% interval of ``score``.
        raw: ``1 - S``, uncalibrated; biased upwards by the search, never to be read alone.
        ratio: the post's figure: mean exchange over random partitions divided by the minimum.
        p: share of null networks that reach this ``S`` (with the +1 correction); None without
            nulls.
        null: ``"permuted weights"``, ``"architecture"`` (the architecture itself forbids
            communication, in the nulls too) or ``"none"``.
        null_scores: ``S`` of the best partition of each null network.
        k: number of modules.
        curve: k → calibrated score.
        exchange: exchange of the partition, measured on held-out rows.
        resolution_curve: resolution → exchange of the partition.
        random_exchange: exchange (bits) of random partitions, on one smaller sample of the reported
            rows, without bias correction.
        compared_exchange: exchange of the best partition on that same sample, to stand among them.
        held_out: were the figures measured on rows that the search did not see?
        ties: further partitions with an equal minimum.
        inert: inert unit → reason.
        estimator: estimator that ranked and scored.
        evaluations: candidate partitions evaluated.
        forward_rows: rows of the network run, over everything.
        note: what to beware of.
        provenance: seed, versions, digests, duration.
    """

    partition: Partition
    score: float | None
    low: float | None
    high: float | None
    raw: float
    ratio: float
    p: float | None
    null: str
    null_scores: tuple[float, ...]
    k: int
    curve: dict[int, float | None]
    exchange: Exchange
    resolution_curve: dict[float, Exchange]
    random_exchange: tuple[float, ...]
    compared_exchange: float
    held_out: bool
    ties: tuple[Partition, ...] = ()
    inert: dict[str, str] = field(default_factory=dict)
    estimator: str = ""
    evaluations: int = 0
    forward_rows: int = 0
    note: str = ""
    provenance: Provenance | None = None

    def __repr__(self) -> str:
        if self.score is None:
            text = f"not calibrated, raw {self.raw:.2f}"
        elif self.low is None or self.high is None:
            text = f"{self.score:.2f}"
        else:
            text = f"{self.score:.2f} [{self.low:.2f}, {self.high:.2f}]"
        chance = "" if self.p is None else f", p = {self.p:.3g}"
        exchange = self.exchange.estimate.describe()
        return f"Modularity({text}{chance}; k = {self.k}, exchange {exchange} bits)"

    def to_frame(self) -> pd.DataFrame:
        """Return a table of units and the module that each stands in; inert units have none."""
        import pandas as pd

        rows = {**self.partition.labels, **dict.fromkeys(self.inert)}
        return pd.DataFrame({"unit": list(rows), "module": list(rows.values())})

    def plot(self) -> Figure:
        """Draw the exchange of the best partition among that of random partitions."""
        return FIGURES.get("modularity")(self)

    def _repr_html_(self) -> str:
        modules = ", ".join(
            f"{name} ({len(m)} units)" for name, m in self.partition.modules.items()
        )
        shown = "not calibrated" if self.score is None else f"{self.score:.3f}"
        if self.low is not None and self.high is not None:
            shown += f" [{self.low:.3f}, {self.high:.3f}]"
        rows = [
            ("modularity, calibrated", shown),
            ("p", "none" if self.p is None else f"{self.p:.3g}"),
            ("null", self.null),
            ("raw (diagnostic)", f"{self.raw:.3f}"),
            ("exchange (bits)", self.exchange.estimate.describe()),
            ("modules", modules),
            ("inert units", str(len(self.inert))),
            ("measured on rows that the search did not see", "yes" if self.held_out else "no"),
        ]
        return html_table("Modularity", rows + ([("note", self.note)] if self.note else []))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return {
            "score": self.score, "low": self.low, "high": self.high, "raw": self.raw,
            "ratio": _number(self.ratio), "p": self.p,
            "null": self.null, "null_scores": list(self.null_scores), "k": self.k,
            "curve": {str(k): value for k, value in self.curve.items()},
            "partition": self.partition.to_dict(), "exchange": self.exchange.to_dict(),
            "resolution_curve": {f"{r:g}": e.estimate.to_dict() for r, e in
            self.resolution_curve.items()},
            "random_exchange": list(self.random_exchange),
            "compared_exchange": _number(self.compared_exchange), "held_out": self.held_out,
            "ties": [tie.to_dict() for tie in self.ties], "inert": dict(self.inert),
            "estimator": self.estimator, "evaluations": self.evaluations,
            "forward_rows": self.forward_rows, "note": self.note,
            "provenance": None if self.provenance is None else self.provenance.to_dict(),
        }  # fmt: skip


def _number(value: float) -> float | str | None:
    """JSON has neither infinity nor NaN."""
    if isnan(value):
        return None
    return "inf" if isinf(value) else value
