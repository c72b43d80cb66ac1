"""Tables and intervals: from samples to what a distribution shows of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod.errors import QueryError
from causalmod.information.estimators.binned import bin_edges
from causalmod.information.estimators.exact import (
    MAX_LEVELS,
    levels,
    value_codes,
    value_size,
)

if TYPE_CHECKING:
    import pandas as pd

_NORMAL = 1.959963984540054  # 97.5% quantile of the standard normal distribution
MOST_CELLS = 100_000


def wilson(share: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """95% interval of a probability from the share of ``count`` draws.

    Source: Wilson, JASA 22(158):209 (1927).

    Example:
        >>> low, high = wilson(torch.tensor([0.0, 0.5]), 10)
        >>> [round(float(x), 4) for x in (*low, *high)]
        [0.0, 0.2366, 0.2775, 0.7634]
    """
    square = _NORMAL**2 / count
    middle = (share + square / 2) / (1 + square)
    half = (share * (1 - share) / count + square / (4 * count)).sqrt() * _NORMAL / (1 + square)
    return (middle - half).clamp_min(0.0), (middle + half).clamp_max(1.0)


def student(values: Tensor) -> tuple[Tensor, Tensor]:
    """95% t-interval of the mean of each column of ``[draw, column]``."""
    mean, count = values.mean(0), len(values)
    if count < 2:
        infinite = torch.full_like(mean, torch.inf)
        return -infinite, infinite
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    half = float(stdtrit(count - 1, 0.975)) * values.std(0) / count**0.5
    return mean - half, mean + half


def has_few_levels(values: Tensor) -> bool:
    """Do all columns of ``[row, column]`` take few values?"""
    return int(levels(values).max()) <= MAX_LEVELS


def levels_of(values: Tensor) -> list[float]:
    """Return the distinct values of ``[row]``, merged within 1e-6 of the largest, in order."""
    column = values.double()[:, None]
    codes = value_codes(column, value_size(column))[:, 0]
    first = torch.full((int(codes.max()) + 1,), torch.inf, dtype=torch.float64)
    return first.scatter_reduce(0, codes, column[:, 0], "amin").tolist()


def counted(values: Tensor, names: tuple[str, ...], kept: Tensor, exact: bool) -> pd.DataFrame:
    """Return the table of a discrete distribution.

    Args:
        values: ``[row, column]``.
        names: of the columns.
        kept: bool ``[row]``: rows that count; the others only count in the whole.
        exact: without intervals.
    """
    import pandas as pd

    size = value_size(values)
    codes = value_codes(values.double(), size)
    cells, count = codes[kept].unique(dim=0, return_counts=True)
    shown: dict[str, Any] = {}
    for column, name in enumerate(names):
        found = torch.tensor(levels_of(values[:, column]), dtype=torch.float64)
        shown[name] = found[cells[:, column]].tolist()
    return pd.DataFrame(shown | shares(count, len(values), exact))


def binned(
    values: Tensor, names: tuple[str, ...], kept: Tensor, observed: Tensor, bins: int, exact: bool
) -> pd.DataFrame:
    """Return the table over equal-frequency bins of what is observed, an interval for each cell.

    Raises:
        QueryError: there would be too many cells.
    """
    import pandas as pd

    edges = [bin_edges(observed[:, column], bins) for column in range(values.shape[1])]
    sizes = [len(each) + 1 for each in edges]
    total = int(torch.tensor(sizes, dtype=torch.float64).prod())
    if total > MOST_CELLS:
        raise QueryError(
            f"a table over {len(names)} variables with up to {bins} bins has {total} cells, and at "
            f"most {MOST_CELLS} make sense; ask for fewer variables or bins, or leave bins out: "
            "the answer then holds samples"
        )
    codes = torch.stack(
        [
            torch.bucketize(values[:, column].double().contiguous(), each)
            for column, each in enumerate(edges)
        ],
        dim=1,
    )
    cells, count = codes[kept].unique(dim=0, return_counts=True)
    shown: dict[str, Any] = {}
    for column, name in enumerate(names):
        breaks = [-torch.inf, *edges[column].tolist(), torch.inf]
        places = cells[:, column].tolist()
        shown[name] = [pd.Interval(breaks[i], breaks[i + 1], closed="right") for i in places]
    return pd.DataFrame(shown | shares(count, len(values), exact))


def shares(count: Tensor, total: int, exact: bool) -> dict[str, list[float]]:
    """Return the column of probabilities, with intervals of what is sampled."""
    share = count.double() / total
    found = {"probability": share.tolist()}
    if not exact:
        low, high = wilson(share, total)
        found |= {"low": low.tolist(), "high": high.tolist()}
    return found


def averaged(
    values: Tensor, names: tuple[str, ...], exact: bool, **further: list[float]
) -> pd.DataFrame:
    """Return the table of means of ``[row, column]``: a row for each column.

    Args:
        values: ``[row, column]``.
        names: of the columns.
        exact: without intervals.
        further: columns of the table that stand after the mean.
    """
    import pandas as pd

    return pd.DataFrame(_means(values, names, exact, further))


def described(values: Tensor, names: tuple[str, ...], exact: bool) -> pd.DataFrame:
    """Return means, standard deviations and quantiles of each column of ``[row, column]``."""
    import numpy as np
    import pandas as pd

    found = _means(values, names, exact, {})
    found["sd"] = values.std(0, unbiased=False).tolist()
    places = {share: rank(share, len(values)) for share in (0.05, 0.5, 0.95)}
    ordered = np.partition(values.numpy(), sorted(set(places.values())), axis=0)
    found |= {f"{share:.0%}": ordered[place].tolist() for share, place in places.items()}
    return pd.DataFrame(found)


def _means(
    values: Tensor, names: tuple[str, ...], exact: bool, further: dict[str, list[float]]
) -> dict[str, Any]:
    found: dict[str, Any] = {"of": list(names), "mean": values.mean(0).tolist(), **further}
    if not exact:
        low, high = student(values)
        found |= {"low": low.tolist(), "high": high.tolist()}
    return found


def rank(share: float, count: int) -> int:
    """Return the place, in order, of the smallest value that a share of them does not pass.

    With a little slack: a share of the rows may be a hair more in floating point.
    """
    return max(0, math.ceil(share * count - 1e-9) - 1)


def per_column(figures: list[float], names: tuple[str, ...]) -> Any:
    """Return one figure as a number, several as a Series."""
    if len(figures) == 1:
        return figures[0]
    import pandas as pd

    return pd.Series(figures, index=pd.Index(names))
