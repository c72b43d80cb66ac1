"""Distribution: the answer to a query, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod._display import FIGURES, html_table
from causalmod.errors import InputError, QueryError
from causalmod.provenance import Provenance
from causalmod.queries.summaries import per_column, rank

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """The answer to a query about a model: a distribution over the rows of its data.

    Attributes:
        query: the question, as text.
        kind: ``"probability"`` (of events), ``"discrete"`` or ``"binned"`` (a table),
            ``"continuous"`` (samples), ``"expectation"`` or ``"effect"`` (means).
        names: what each column of the samples is.
        samples: ``[row, column]``: for each row that meets the conditions the outcome; for events 1
            where they hold, else 0; for effects the change on that row. None for a family.
        table: a row for each combination of values, with its ``probability`` (and an interval, when
            sampled); for continuous outcomes, means and effects, a row for each column of the
            samples (and member of a family), with its mean.
        rows: number of rows that meet the conditions.
        of: number of rows asked.
        exact: were all rows of the data asked? Else they are a sample, and figures have intervals.
        low, high: 95% interval of the mean (or probability) of each column: equal to it when exact
            over the data. None for a family and for a table of several values.
        members: for a family, as in ``P(y | do(x))``, the value of what was left open → its member.
        seed: seed of the sample; None when exact.
        provenance: seed, versions, digests, duration.

    Intervals are Student's t for means, and those of Wilson, JASA 22:209 (1927), for probabilities.

    Example:
        >>> import causalmod as cm
        >>> scm = cm.from_functions({"u": [1, 2, 3, 4], "y": lambda u: u * u})
        >>> found = cm.query(scm, "E[y | u > 2]")
        >>> found.mean(), found.rows, found.of
        (12.5, 2, 4)
    """

    query: str
    kind: str
    names: tuple[str, ...]
    table: pd.DataFrame = field(repr=False)
    rows: int
    of: int
    samples: Tensor | None = field(default=None, repr=False)
    exact: bool = True
    low: float | pd.Series | None = None
    high: float | pd.Series | None = None
    members: dict[Any, Distribution] = field(default_factory=dict, repr=False)
    seed: int | None = None
    provenance: Provenance | None = field(default=None, repr=False)

    def mean(self) -> Any:
        """Return the mean (the probability, of events) as a float; a Series for several columns.

        Raises:
            QueryError: the query is a family; its members have means.
        """
        return per_column(self._values().mean(0).tolist(), self.names)

    def quantile(self, q: float) -> Any:
        """Return the smallest value that a share ``q`` of the rows does not pass.

        Raises:
            InputError: ``q`` is not from 0 to 1.
            QueryError: the query is a family.
        """
        if not isinstance(q, float | int) or not 0 <= q <= 1:
            raise InputError(f"a quantile is asked for at a share from 0 to 1; given {q!r}")
        ordered = self._values().sort(0).values
        return per_column(ordered[rank(q, len(ordered))].tolist(), self.names)

    def density(self, points: Sequence[float] | Tensor) -> np.ndarray:
        """Return a kernel estimate of the density of a single continuous outcome at some points.

        A Gaussian kernel with Scott's bandwidth (Scott, *Multivariate Density Estimation*, 1992).

        Raises:
            QueryError: several outcomes, or one that is the same on every row.
        """
        values = self._values()
        if values.shape[1] != 1 or self.kind != "continuous":
            raise QueryError(
                f"a density is of one continuous outcome; this answer is {self.kind} with "
                f"{values.shape[1]} columns: see .table"
            )
        if len(values) < 2 or bool((values == values[0]).all()):
            raise QueryError(
                f"{self.names[0]} is {float(values[0, 0]):g} on every row that meets the "
                "conditions: all mass in one point has no density"
            )
        from scipy.stats import gaussian_kde

        at = torch.as_tensor(points, dtype=torch.float64)
        return gaussian_kde(values[:, 0].numpy())(at.numpy())

    def _values(self) -> Tensor:
        if self.samples is None:
            raise QueryError(
                f"{self.query} is a family with {len(self.members)} members: see .table, or ask "
                f"one of .members ({', '.join(map(str, list(self.members)[:3]))}, ...)"
            )
        return self.samples

    @property
    def is_family(self) -> bool:
        """Does the query leave a value open, so that there is an answer for each?"""
        return bool(self.members)

    def __repr__(self) -> str:
        return f"Distribution({self.query}: {self._figure()}; {self._basis()})"

    def _figure(self) -> str:
        if self.is_family:
            return f"a family of {len(self.members)}"
        if self.kind in {"discrete", "binned"}:
            return f"{self.kind}, {len(self.table)} values"
        if len(self.names) > 1:
            return f"{self.kind}, {len(self.names)} columns"
        figure = f"{self.mean():.6g}"
        if not self.exact:
            figure += f" [{self.low:.6g}, {self.high:.6g}]"
        return f"mean {figure}" if self.kind == "continuous" else figure

    def _basis(self) -> str:
        if self.exact:
            return f"exact over {self.rows} of {self.of} rows"
        return f"sampled, {self.rows} of {self.of} draws, 95% intervals"

    def _repr_html_(self) -> str:
        head = html_table(self.query, [("answer", self._figure()), ("basis", self._basis())])
        return head + self.table.head(50).to_html(index=False, float_format=lambda x: f"{x:.6g}")

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.table.copy()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write; samples are left out."""
        plain = self.table.astype(object).map(_plain)
        return {
            "query": self.query,
            "kind": self.kind,
            "table": plain.to_dict(orient="records"),
            "rows": self.rows,
            "of": self.of,
            "exact": self.exact,
            "seed": self.seed,
            "provenance": None if self.provenance is None else self.provenance.to_dict(),
        }

    def plot(self) -> Figure:
        """Draw bars for a table, a histogram for samples, a line with its interval for a family."""
        return FIGURES.get("distribution")(self)


def _plain(value: Any) -> Any:
    """Return a cell of a table as something that ``json`` can write."""
    return value if isinstance(value, float | int | str | bool) else str(value)
