"""Estimate: a number of bits, with everything that is needed to trust or distrust it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from causalmod._display import html_table
from causalmod.provenance import Provenance


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number of bits with its interval, null floor and the way it was found.

    Attributes:
        bits: the figure. A lower bound where ``upper`` is given.
        low, high: 95% interval of ``bits``; None when ``saturated``. Equal to ``bits`` when the
            figure is exact over the data.
        upper: upper bound of the information, for estimators that bound it from both sides.
        upper_low, upper_high: 95% interval of ``upper``.
        null: null floor: what the same estimator reads where nothing is sent. For averaged and
            observational figures the 95th percentile over permuted labels; for conditional figures
            and exchange the reading with donor = context, which is 0 but for numerical noise.
        p: permutation p-value; None where the null is exactly 0, or the figure saturates.
        kind: ``"observational"``, ``"interventional"``, ``"conditional"``, ``"strength"`` or
            ``"effective"``.
        estimator: name of the estimator.
        resolution: noise scale in standard deviations of each unit; None where no noise is added.
        bins: number of bins; None where nothing is binned.
        contexts: number of context rows (rows, for observational figures).
        donors: number of donor rows for each context: those drawn, or all distinct ones when exact.
        seed: seed of the draws.
        reference: ``"do"`` or ``"observational"``: what interventional figures are compared with.
        law: distribution of the intervention's values: ``"observed"``, ``"product"``, ``"maxent"``.
        effect: ``"total"`` (others respond) or ``"direct"`` (others are held).
        gap: confounding gap in bits, ``KL( sum_b P(b) P(C|do(b)) || P(C) )``: by how much the
            reading with ``reference="observational"`` is above that with ``"do"``. Infinite where
            interventions bring about outcomes that the data never show; None where not known.
        given: variables that are set as well, to values that are known.
        off_manifold: share of the target's responses outside the range seen on the data.
        held_out: were these rows kept from the search that chose what is measured?
        saturated: the draws are too few to tell: the figure is near its ceiling of log2(draws).
        note: why this estimator, and what to beware of.
        provenance: seed, versions, digests, duration.

    Example:
        >>> Estimate(bits=1.0, low=1.0, high=1.0, kind="conditional", estimator="exact")
        Estimate(1.0000 bits, exact over the data; conditional, exact)
    """

    bits: float
    low: float | None
    high: float | None
    kind: str
    estimator: str
    upper: float | None = None
    upper_low: float | None = None
    upper_high: float | None = None
    null: float = 0.0
    p: float | None = None
    resolution: float | None = None
    bins: int | None = None
    contexts: int = 0
    donors: int = 0
    seed: int | None = None
    reference: str | None = None
    law: str | None = None
    effect: str | None = None
    gap: float | None = None
    given: tuple[str, ...] = ()
    off_manifold: float | None = None
    held_out: bool = False
    saturated: bool = False
    note: str = ""
    provenance: Provenance | None = None

    def describe(self) -> str:
        """Return the figure with its interval, as it stands in tables.

        Example:
            >>> Estimate(bits=0.32, low=0.3, high=0.34, upper=0.81, upper_low=0.79, upper_high=0.84,
            ...          kind="conditional", estimator="pairwise").describe()
            '0.32 [0.30, 0.34] to 0.81 [0.79, 0.84]'
        """
        text = _with_interval(self.bits, self.low, self.high)
        if self.upper is not None and self.upper != self.bits:
            text += f" to {_with_interval(self.upper, self.upper_low, self.upper_high)}"
        return text + (" (saturating)" if self.saturated else "")

    def __repr__(self) -> str:
        if self.saturated:
            spread = "saturating, no interval"
        elif self.estimator == "exact":
            spread = "exact over the data"
        elif self.low is None or self.high is None:
            spread = "no interval"
        else:
            spread = f"95% interval {self.low:.4f} to {self.high:.4f}"
        upper = f", at most {self.upper:.4f}" if self.upper is not None else ""
        scale = f", resolution {self.resolution:g}" if self.resolution is not None else ""
        scale += f", {self.bins} bins" if self.bins is not None else ""
        return (
            f"Estimate({self.bits:.4f} bits{upper}, {spread}; {self.kind}, {self.estimator}{scale})"
        )

    def _repr_html_(self) -> str:
        rows = [("bits", self.describe()), ("kind", self.kind), ("estimator", self.estimator)]
        if self.resolution is not None:
            rows.append(("resolution", f"{self.resolution:g} standard deviations"))
        rows.append(("null floor", f"{self.null:.4f}"))
        if self.p is not None:
            rows.append(("p", f"{self.p:.3g}"))
        return html_table("Estimate", rows + ([("note", self.note)] if self.note else []))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return asdict(self)


def _with_interval(value: float, low: float | None, high: float | None) -> str:
    if low is None or high is None or low == high:
        return f"{value:.2f}"
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"
