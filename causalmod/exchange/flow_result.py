"""Flow: a map of what each source sends each target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from causalmod._display import FIGURES
from causalmod.provenance import Provenance

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_TABLES = ("bits", "low", "high", "upper", "null", "p", "adjusted", "significant", "saturated")


@dataclass(frozen=True, kw_only=True)
class Flow:
    """What each source sends each target: tables with a row per source, a column per target.

    Pairs that share a variable are NaN, and so are those that were not reached before an interrupt.

    Attributes:
        bits: the figures, in bits. Lower bounds where ``upper`` is given.
        low, high: 95% intervals of ``bits``; NaN where saturated. Those of the conditional form
            hold the spread over contexts of these rows; for what other data would give, measure the
            pair with :func:`causalmod.information`, whose intervals are wider.
        upper: upper bounds, for estimators that bound from both sides.
        null: null floors; see :class:`causalmod.Estimate`.
        p: p-values of single pairs; None where nothing sent reads exactly 0.
        adjusted: p-values that allow for the number of pairs.
        significant: is something sent, at 5% of all claims (or of all maps, see ``significance``)?
            Without p-values: does the figure stand above its floor?
        saturated: are draws too few to tell?
        kind: kind of information.
        estimator: name of the estimator.
        reason: why that one.
        significance: how p-values were adjusted; None where that was not asked for.
        resolution: noise scale in standard deviations; None where no noise is added.
        bins: number of bins; None where nothing is binned.
        contexts: number of context rows.
        donors: donor rows for each context.
        seed: seed of the draws.
        law, effect, reference: as for :func:`causalmod.information`.
        complete: were all sources measured?
        provenance: seed, versions, digests, duration.
    """

    bits: pd.DataFrame
    low: pd.DataFrame = field(repr=False)
    high: pd.DataFrame = field(repr=False)
    null: pd.DataFrame = field(repr=False)
    saturated: pd.DataFrame = field(repr=False)
    significant: pd.DataFrame = field(repr=False)
    upper: pd.DataFrame | None = field(repr=False, default=None)
    p: pd.DataFrame | None = field(repr=False, default=None)
    adjusted: pd.DataFrame | None = field(repr=False, default=None)
    kind: str
    estimator: str
    reason: str = ""
    significance: str | None = None
    resolution: float | None = None
    bins: int | None = None
    contexts: int = 0
    donors: int = 0
    seed: int | None = None
    law: str | None = None
    effect: str | None = None
    reference: str | None = None
    complete: bool = True
    provenance: Provenance | None = None

    def __repr__(self) -> str:
        rows, columns = self.bits.shape
        most = self.bits.max().max()
        part = "" if self.complete else ", interrupted"
        return (
            f"Flow({rows} sources × {columns} targets, at most {most:.4f} bits; {self.kind}, "
            f"{self.estimator}{part})"
        )

    def to_frame(self) -> pd.DataFrame:
        """Return a long table: a row for each pair that was measured, a column for each table."""
        import pandas as pd

        tables = {name: getattr(self, name) for name in _TABLES}
        named = {name: table for name, table in tables.items() if table is not None}
        index = pd.MultiIndex.from_product(
            [self.bits.index, self.bits.columns], names=["source", "target"]
        )
        long = pd.DataFrame({name: t.to_numpy().ravel() for name, t in named.items()}, index=index)
        return long.dropna(subset=["bits"])

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write; pairs that were not measured are None."""
        settings = (
            "kind", "estimator", "reason", "significance", "resolution", "bins", "contexts",
            "donors", "seed", "law", "effect", "reference", "complete",
        )  # fmt: skip
        tables = {name: getattr(self, name) for name in _TABLES}
        return {
            "sources": list(self.bits.index),
            "targets": list(self.bits.columns),
            **{name: _plain(table) for name, table in tables.items() if table is not None},
            **{name: getattr(self, name) for name in settings},
            "provenance": None if self.provenance is None else self.provenance.to_dict(),
        }

    def _repr_html_(self) -> str:
        some = self.bits.iloc[:20, :12]
        table = some.to_html(float_format=lambda bits: f"{bits:.4f}", na_rep="")
        rows, columns = self.bits.shape
        cut = "" if some.shape == self.bits.shape else f", of {rows} × {columns}"
        return f"<p>Flow in bits ({self.kind}, {self.estimator}{cut})</p>{table}"

    def plot(self) -> Figure:
        """Draw the map as a heat map."""
        return FIGURES.get("flow")(self)


def _plain(table: pd.DataFrame) -> list[list[Any]]:
    return table.astype(object).where(table.notna(), None).values.tolist()
