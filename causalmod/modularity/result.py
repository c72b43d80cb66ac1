"""modularity: the best partition of a network, and how modular that makes it against chance."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isinf, isnan
from typing import TYPE_CHECKING, Any

from causalmod._display import FIGURES, html_table
from causalmod.errors import InputError
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
        k: number of modules; 1 where no modular structure was found. ``partition`` is then all in
            one, and all figures are those of the best split, which is ``exchange.partition``.
        curve: number of modules tried → calibrated score, where null networks were searched.
        split_scores: number of modules tried → ``S`` of the best partition.
        split_nulls: number of modules tried → ``S`` of the null networks.
        chosen: was the number of modules chosen here?
        agreement: share of subsets of the rows on which the same number is chosen.
        exchange: exchange of the partition, measured on held-out rows.
        resolution_curve: resolution → exchange of the partition.
        random_exchange: exchange (bits) of random partitions, on one smaller sample of the reported
            rows, without bias correction.
        compared_exchange: exchange of the best partition on that same sample, to stand among them.
        held_out: were the figures measured on rows that the search did not see?
        ties: further partitions with an equal minimum.
        inert: inert unit → reason.
        margins: unit → by how much ``S`` rises when it moves to its best other module.
        unclear: units that belong nowhere cleanly: their move would cost next to nothing.
        stability: mean adjusted Rand index of the partitions found from several seeds.
        weighting: what the exchange was weighed against.
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
    split_scores: dict[int, float] = field(default_factory=dict)
    split_nulls: dict[int, tuple[float, ...]] = field(default_factory=dict)
    chosen: bool = False
    agreement: float | None = None
    ties: tuple[Partition, ...] = ()
    inert: dict[str, str] = field(default_factory=dict)
    margins: dict[str, float] = field(default_factory=dict)
    unclear: tuple[str, ...] = ()
    stability: float | None = None
    weighting: str = "internal"
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
        one = ", no modular structure found" if self.k == 1 else ""
        return f"Modularity({text}{chance}; k = {self.k}{one}, exchange {exchange} bits)"

    @property
    def statement(self) -> str:
        """How many modules, and how sure that is, in one sentence."""
        return state_count(self)

    def to_frame(self) -> pd.DataFrame:
        """Return a table of units and the module that each stands in; inert units have none."""
        import pandas as pd

        rows = {**self.partition.labels, **dict.fromkeys(self.inert)}
        return pd.DataFrame({"unit": list(rows), "module": list(rows.values())})

    def plot(self, kind: str = "exchange") -> Figure:
        """Draw a figure.

        Args:
            kind: ``"exchange"``: the exchange of the best partition among that of random
                partitions; ``"number"``: the scores of the numbers of modules that were tried.

        Raises:
            InputError: another kind.
        """
        figures = {"exchange": "modularity", "number": "number of modules"}
        if kind not in figures:
            raise InputError(f"kind is one of {', '.join(map(repr, figures))}; given {kind!r}")
        return FIGURES.get(figures[kind])(self)

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
            ("number of modules", self.statement),
            ("inert units", str(len(self.inert))),
            ("units that belong nowhere cleanly", ", ".join(self.unclear[:8]) or "none"),
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
            "split_scores": {str(k): value for k, value in self.split_scores.items()},
            "split_nulls": {str(k): list(value) for k, value in self.split_nulls.items()},
            "chosen": self.chosen, "agreement": self.agreement, "statement": self.statement,
            "partition": self.partition.to_dict(), "exchange": self.exchange.to_dict(),
            "resolution_curve": {f"{r:g}": e.estimate.to_dict() for r, e in
            self.resolution_curve.items()},
            "random_exchange": list(self.random_exchange),
            "compared_exchange": _number(self.compared_exchange), "held_out": self.held_out,
            "ties": [tie.to_dict() for tie in self.ties], "inert": dict(self.inert),
            "margins": {unit: _number(margin) for unit, margin in self.margins.items()},
            "unclear": list(self.unclear), "stability": self.stability, "weighting": self.weighting,
            "estimator": self.estimator, "evaluations": self.evaluations,
            "forward_rows": self.forward_rows, "note": self.note,
            "provenance": None if self.provenance is None else self.provenance.to_dict(),
        }  # fmt: skip


def state_count(result: Modularity) -> str:
    """Return how many modules, and how sure that is, in one sentence."""
    split, nulls = len(result.exchange.partition), result.null_scores
    against = f"{len(nulls)} null networks (p = {result.p:.3g})" if result.p is not None else ""
    if result.k == 1:
        return (
            f"1: no modular structure found; the best split, into {split}, is not told apart from "
            f"those of {against}"
        )
    if not result.chosen:
        return f"{split}, as asked"
    others = [
        f"{k}: {'S ' if score is None else ''}{number:.2f}"
        for k, score in result.curve.items()
        if k != split
        for number in [result.split_scores.get(k, 0.0) if score is None else score]
    ]
    sure = "" if result.agreement is None else f", chosen on {result.agreement:.0%} of subsets"
    text = f"{split}{sure}"
    if others:
        text += f"; modularity with other numbers is {', '.join(others)}"
    return text + (f"; compared with {against}" if against else "; not compared with chance")


def _number(value: float) -> float | str | None:
    """JSON has neither infinity nor NaN."""
    if isnan(value):
        return None
    return "inf" if isinf(value) else value
