"""Probability tables, and the value of an estimand on them.

An array has one axis per variable of its table, of length 1 for the variables that it does not
depend on, so that arithmetic is numpy's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

from causalmod.errors import QueryError
from causalmod.queries.estimand import Conditional, Estimand, Product, Ratio, Sum

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

CELLS = 2**24  # of one table: 128 MB


class Source(Protocol):
    """What an estimand is evaluated on: something that gives marginal tables."""

    names: tuple[str, ...]
    sizes: tuple[int, ...]

    def marginal(self, names: Iterable[str]) -> Array:
        """Return ``P(names)``, one axis per variable of the source, others of length 1."""
        ...


class Joint:
    """The joint distribution of all variables, as one array."""

    def __init__(self, names: Sequence[str], table: Array) -> None:
        self.names = tuple(names)
        self.sizes = table.shape
        self._table = table

    def marginal(self, names: Iterable[str]) -> Array:
        """Return ``P(names)``."""
        kept = set(names)
        axes = tuple(axis for axis, name in enumerate(self.names) if name not in kept)
        return self._table.sum(axis=axes, keepdims=True)


class Counts:
    """The empirical distribution of coded rows.

    Args:
        names: the variables.
        codes: whole numbers ``[row, variable]``.
        sizes: number of levels of each variable.
        cells: refuse tables of more cells than this.
    """

    def __init__(
        self, names: Sequence[str], codes: Any, sizes: Sequence[int], cells: int = CELLS
    ) -> None:
        self.names = tuple(names)
        self.codes = codes
        self.sizes = tuple(sizes)
        self.cells = cells

    def marginal(self, names: Iterable[str]) -> Array:
        """Return ``P(names)``.

        Raises:
            QueryError: the table would be too large.
        """
        import numpy as np

        kept = set(names)
        axes = [axis for axis, name in enumerate(self.names) if name in kept]
        check_size([self.names[a] for a in axes], [self.sizes[a] for a in axes], self.cells)
        shape = [size if axis in axes else 1 for axis, size in enumerate(self.sizes)]
        if not axes:
            return np.ones(shape)
        flat = np.ravel_multi_index(self.codes[:, axes].T, [self.sizes[a] for a in axes])
        count = np.bincount(flat, minlength=prod(shape))
        return count.reshape(shape) / len(self.codes)


def check_size(names: Sequence[str], sizes: Sequence[int], cells: int) -> None:
    """Refuse a table that is too large, saying how large.

    Raises:
        QueryError: it has more than ``cells`` cells.
    """
    needed = prod(map(int, sizes))
    if needed > cells:
        product = " × ".join(f"{size} ({name})" for name, size in zip(names, sizes, strict=True))
        raise QueryError(
            f"a table over {', '.join(names)} has {needed:.3g} cells ({product}), more than the "
            f"limit of {cells:.3g}; use fewer bins, log fewer variables so that another route is "
            "taken, or raise cells="
        )


def evaluate(
    estimand: Estimand, source: Source, held: dict[int, tuple[Array, Array]] | None = None
) -> tuple[Array, Array]:
    """Return the value of an estimand, with empty cells as nothing and as anything.

    Where ``P(a | b)`` has no ``b`` in the data it is undefined. In the first array it counts as 0,
    in the second as uniform; so the first, summed over the outcomes, is the share of the answer
    that the data support, and the two agree where nothing is missing.

    Args:
        estimand: the estimand.
        source: what gives marginal tables.
        held: keeps the values of parts, so that one that stands in several places is found once;
            for small tables.

    Raises:
        QueryError: a table would be too large.
    """
    if held is None:
        return _evaluate(estimand, source, None)
    if id(estimand) not in held:
        held[id(estimand)] = _evaluate(estimand, source, held)
    return held[id(estimand)]


def _evaluate(
    estimand: Estimand, source: Source, held: dict[int, tuple[Array, Array]] | None
) -> tuple[Array, Array]:
    import numpy as np

    match estimand:
        case Conditional(variables, given):
            return _conditional(source, variables, given)
        case Product(factors):
            low = full = np.ones((1,) * len(source.names))
            for factor in factors:
                found = evaluate(factor, source, held)
                _check_broadcast(source, low, found[0])
                low, full = low * found[0], full * found[1]
            return low, full
        case Sum(over, body):
            axes = tuple(source.names.index(name) for name in over)
            low, full = evaluate(body, source, held)
            return low.sum(axes, keepdims=True), full.sum(axes, keepdims=True)
        case Ratio(above, below):
            low, full = evaluate(above, source, held)
            _, divisor = evaluate(below, source, held)
            _check_broadcast(source, low, divisor)
            return _over(low, divisor), _over(full, divisor)


def _conditional(
    source: Source, variables: Sequence[str], given: Sequence[str]
) -> tuple[Array, Array]:
    joint = source.marginal([*variables, *given])
    if not given:
        return joint, joint
    known = source.marginal(given)
    low = _over(joint, known)
    levels = prod(source.sizes[source.names.index(name)] for name in variables)
    return low, low + (known == 0) / levels


def _over(above: Array, below: Array) -> Array:
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, 0.0)


def _check_broadcast(source: Source, left: Array, right: Array) -> None:
    if left.size * right.size <= CELLS:
        return
    shape = [max(a, b) for a, b in zip(left.shape, right.shape, strict=True)]
    kept = [axis for axis, size in enumerate(shape) if size > 1]
    cells = source.cells if isinstance(source, Counts) else CELLS
    check_size([source.names[a] for a in kept], [shape[a] for a in kept], cells)
