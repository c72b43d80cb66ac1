"""LoggedAnswer: what logged activations say to an identified query."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from causalmod._display import html_table

if TYPE_CHECKING:
    import pandas as pd

NOTHING = 1e-9  # a share of an answer that is rounding


@dataclass(frozen=True)
class LoggedAnswer:
    """What logged activations say to an identified query.

    Attributes:
        query: the question, as text.
        value: the probability, mean, effect or bits that it asks for. None where it asks for a
            table; NaN where the logs lack what it takes, see ``missing``.
        low, high: 95% interval, from bootstrap resamples of the rows; None without, and where most
            resamples lack a cell.
        missing: the largest share of an answer that rests on empty cells: combinations of values
            that the logs never hold, so that the estimand is undefined there.
        cells: the empty cells, by conditional probability: what is conditioned on, and its values.
        table: for each value set, known and asked about its ``probability`` (NaN where something is
            missing), and what it is ``at_least`` and ``at_most`` whatever is missing.
        rows: number of logged rows.
        binned: the columns that were cut into bins: figures then are about bins, not values.
    """

    query: str
    value: float | None
    low: float | None
    high: float | None
    missing: float
    cells: pd.DataFrame = field(repr=False, compare=False)
    table: pd.DataFrame = field(repr=False, compare=False)
    rows: int
    binned: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"LoggedAnswer({self.query}: {self.describe()}, {self.rows} rows)"

    def describe(self) -> str:
        """Say the answer in a few words."""
        if self.missing > NOTHING:
            cells = f"{len(self.cells)} empty cell{'s' if len(self.cells) != 1 else ''}"
            return f"{self.missing:.0%} of the answer rests on {cells}"
        if self.value is None:
            return f"a table of {len(self.table)}"
        interval = "" if self.low is None else f" [{self.low:.4g}, {self.high:.4g}]"
        return f"{self.value:.4g}{interval}"

    def _repr_html_(self) -> str:
        rows = [("from logs", self.describe()), ("rows", str(self.rows))]
        if self.binned:
            rows.append(("binned", ", ".join(self.binned)))
        return html_table(self.query, rows)

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.table.copy()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return {
            "query": self.query,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "missing": self.missing,
            "cells": self.cells.to_dict("records"),
            "table": self.table.to_dict("records"),
            "rows": self.rows,
            "binned": list(self.binned),
        }
