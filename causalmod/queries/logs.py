"""Logged activations: columns by name, cut into levels that can be counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from causalmod.errors import InputError, nearest
from causalmod.queries.events import MOST_BINS, Bin, Equal, Event, Interval, NotEqual, OneOf
from causalmod.queries.tables import CELLS, Counts
from causalmod.variables import parse

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

Logs = Any  # a pandas frame, or a mapping from site to tensor
Bins = int | Mapping[str, int] | None
MOST_LEVELS = 64
_SAME = 1e-6


@dataclass(frozen=True, eq=False)
class Coded:
    """Logged data as whole numbers.

    Attributes:
        counts: the empirical distribution, over the variables of a diagram.
        values: variable → ``[level, column]``: what each level stands for (of a bin, its mean).
        columns: variable → its columns.
        edges: column → edges of its bins; absent where values are taken as they are.
        rows: variable → ``[row, column]``: the values that were logged.
    """

    counts: Counts
    values: dict[str, Array]
    columns: dict[str, tuple[str, ...]]
    edges: dict[str, Array] = field(default_factory=dict)
    rows: dict[str, Array] = field(default_factory=dict)

    def drawn(self, rows: Array) -> Coded:
        """Return some of the rows, in the same levels; what a bin stands for is their mean."""
        codes = self.counts.codes[rows]
        counts = Counts(self.counts.names, codes, self.counts.sizes, self.counts.cells)
        values = dict(self.values)
        for place, name in enumerate(self.counts.names):
            binned = [column in self.edges for column in self.columns[name]]
            if any(binned):
                values[name] = _means(codes[:, place], self.rows[name][rows], values[name], binned)
        return Coded(counts, values, self.columns, self.edges)

    def labels(self, name: str) -> list[Any]:
        """Return what each level of a variable is called: a number, or a tuple of numbers."""
        rows = self.values[name].tolist()
        return [row[0] if len(row) == 1 else tuple(row) for row in rows]

    def level_of(self, name: str, wanted: Mapping[str, float]) -> int | None:
        """Return the level in which all columns of a variable have the wanted value, or None."""
        import numpy as np

        met = np.ones(len(self.values[name]), dtype=bool)
        for place, column in enumerate(self.columns[name]):
            met &= self._is(name, place, wanted[column])
        found = met.nonzero()[0]
        return int(found[0]) if len(found) else None

    def encode(self, name: str, values: Array) -> Array:
        """Return the level of each row ``[row, column]``; -1 for values never logged."""
        import numpy as np

        level = np.full(len(values), -1)
        for number, stands_for in enumerate(self.values[name]):
            met = np.ones(len(values), dtype=bool)
            for place, column in enumerate(self.columns[name]):
                met &= self._same(column, values[:, place], float(stands_for[place]))
            level[met] = number
        return level

    def holds(self, name: str, event: Event) -> Array:
        """Tell for which levels of a variable an event holds, in all of its columns."""
        import numpy as np

        met = np.ones(len(self.values[name]), dtype=bool)
        for place in range(len(self.columns[name])):
            values = self.values[name][:, place]
            match event:
                case Equal(value):
                    met &= self._is(name, place, value)
                case NotEqual(value):
                    met &= ~self._is(name, place, value)
                case OneOf(several):
                    met &= np.any([self._is(name, place, value) for value in several], axis=0)
                case Interval(low, high):
                    above = values >= low if event.with_low else values > low
                    met &= above & (values <= high if event.with_high else values < high)
                case Bin():
                    raise InputError(
                        f"{event.about(name)}: on logs, write the interval that the bin stands for"
                    )
        return met

    def _is(self, name: str, place: int, value: float) -> Array:
        return self._same(self.columns[name][place], self.values[name][:, place], value)

    def _same(self, column: str, values: Array, value: float) -> Array:
        """Tell which values lie in the bin of another, or equal it up to rounding."""
        import numpy as np

        if column in self.edges:
            edges = self.edges[column]
            bins = np.searchsorted(edges, values, side="right")
            return bins == np.searchsorted(edges, value, side="right")
        return np.abs(values - value) <= _SAME * max(np.abs(values).max(initial=0.0), abs(value))


def read_logs(
    logs: Logs,
    members: Mapping[str, tuple[str, ...]],
    bins: Bins = None,
    cuts: Mapping[str, Iterable[float]] | None = None,
    cells: int = CELLS,
) -> Coded:
    """Read logged data.

    Args:
        logs: a pandas frame with a column for each variable, or a mapping from site to tensor.
        members: variable of the diagram → its columns.
        bins: cut columns with more distinct values into this many equal-frequency bins.
        cuts: column → values at which a bin must end.
        cells: largest table.

    Raises:
        InputError: a missing column (the nearest is suggested), NaN, or too many distinct values.
    """
    import numpy as np

    frame = read_frame(logs, [column for columns in members.values() for column in columns])
    if isinstance(bins, Mapping):
        known = {name for column in logs for name in (str(column), parse(str(column))[0])}
        known |= {name for column in frame for name in (column, parse(column)[0])}
        for name in bins:
            if name not in known:
                raise InputError(f"bins for an unknown column {name!r}: {nearest(name, known)}")
    codes, values, edges, rows = [], {}, {}, {}
    for name, columns in members.items():
        parts = []
        for column in columns:
            asked = (
                bins.get(column, bins.get(parse(column)[0])) if isinstance(bins, Mapping) else bins
            )
            part, edge = _cut(column, frame[column].to_numpy(), asked, (cuts or {}).get(column, ()))
            parts.append(part)
            if edge is not None:
                edges[column] = edge
        stacked = np.stack(parts, axis=1)
        _, first, level = np.unique(stacked, axis=0, return_index=True, return_inverse=True)
        level = level.reshape(-1)
        codes.append(level)
        rows[name] = frame[list(columns)].to_numpy(dtype=float)
        binned = [column in edges for column in columns]
        values[name] = _means(level, rows[name], rows[name][first], binned)
    sizes = [len(values[name]) for name in members]
    counts = Counts(tuple(members), np.stack(codes, axis=1), sizes, cells)
    return Coded(counts, values, dict(members), edges, rows)


def _means(level: Array, rows: Array, values: Array, binned: list[bool]) -> Array:
    """Return values ``[level, column]`` with the means of the rows where a column is binned."""
    import numpy as np

    size = np.bincount(level, minlength=len(values))
    found = values.copy()
    for place in np.flatnonzero(binned):
        total = np.bincount(level, weights=rows[:, place], minlength=len(values))
        found[:, place] = np.where(size > 0, total / np.maximum(size, 1), found[:, place])
    return found


def read_frame(logs: Logs, columns: list[str]) -> pd.DataFrame:
    """Return the named columns of logged activations as numbers.

    Raises:
        InputError: no logs, a missing column (the nearest is suggested), NaN, or no numbers.
    """
    import numpy as np
    import pandas as pd

    if not isinstance(logs, Mapping | pd.DataFrame):
        raise InputError(
            "logged activations are a pandas frame with a column for each variable, or a mapping "
            f"from site to tensor; given {type(logs).__name__}"
        )
    found = {column: _column(logs, column) for column in columns}
    lengths = {len(values) for values in found.values()}
    if len(lengths) > 1 or lengths == {0}:
        raise InputError(
            f"logged columns need the same number of rows, at least 1; given {lengths}"
        )
    try:
        if any(values.dtype.kind in "cmM" for values in found.values()):  # not silently made real
            raise TypeError
        frame = pd.DataFrame({name: values.astype(float) for name, values in found.items()})
    except (TypeError, ValueError):
        kinds = ", ".join(sorted({str(values.dtype) for values in found.values()}))
        raise InputError(
            f"logged activations are numbers; given columns of {kinds}; encode or drop text"
        ) from None
    for column in columns:
        values = frame[column].to_numpy()
        for what, bad in (("NaN", np.isnan(values).sum()), ("infinite", np.isinf(values).sum())):
            if bad:
                raise InputError(
                    f"column {column!r} is {what} in {bad} of {len(frame)} rows; drop those rows, "
                    "or log the variable whole"
                )
    return frame


def _column(logs: Logs, name: str) -> Any:
    """Return a variable: logged under its own name, or as a column of its site."""
    if name in logs:
        found = _array(logs[name])
        if found.ndim == 1:
            return found
    site, places = parse(name)
    if site in logs:
        found = _array(logs[site])
        place = places[0] if places else 0
        if found.ndim == 1 and place == 0:
            return found
        if found.ndim == 2 and isinstance(place, int) and place < found.shape[1]:
            return found[:, place]
        raise InputError(
            f"site {site!r} is logged with shape {list(found.shape)}, where {name!r} is asked for; "
            "expected [rows, variable], with one number for each variable"
        )
    raise InputError(f"the logs have no column {name!r}: {nearest(name, map(str, logs))}")


def _array(values: Any) -> Array:
    import numpy as np

    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def _cut(
    column: str, values: Array, bins: int | None, cuts: Iterable[float]
) -> tuple[Array, Array | None]:
    """Return the number of each value's level, and the edges where they are bins."""
    import numpy as np

    values = values.astype(float)
    size = max(float(np.abs(values).max()), 1e-300)
    distinct, level = np.unique(np.round(values / size / _SAME), return_inverse=True)
    if bins is None:
        if len(distinct) > MOST_LEVELS:
            raise InputError(
                f"column {column!r} has {len(distinct)} distinct values; say bins=4 to cut such "
                "columns into bins with equally many rows"
            )
        return level, None
    if isinstance(bins, bool) or not isinstance(bins, int) or not 2 <= bins <= MOST_BINS:
        raise InputError(f"bins is a whole number from 2 to {MOST_BINS}; given {bins!r}")
    if len(distinct) <= bins:
        return level, None
    inner = np.quantile(values, np.arange(1, bins) / bins)
    edges = np.unique([*inner, *cuts])
    return np.searchsorted(edges, values, side="right"), edges


def cut_points(event: Event | None) -> list[float]:
    """Return where bins must end so that an event holds for whole bins."""
    if isinstance(event, Interval):
        return [end for end in (event.low, event.high) if abs(end) != float("inf")]
    return []
