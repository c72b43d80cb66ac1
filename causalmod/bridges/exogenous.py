"""Exogenous variables of a textbook model as rows that are equally likely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm, prod
from typing import Any

import torch
from torch import Tensor

from causalmod.errors import InputError

_LARGEST_DENOMINATOR = 10_000
_SAME = 1e-12


@dataclass(frozen=True)
class Exogenous:
    """Rows of exogenous values.

    Attributes:
        values: name → float64 ``[row]``.
        sampled: are the rows draws? Else they are all combinations, each as often as it is likely.
        note: which of the two, and why.
        independent: the variables that are independent of all others: all but those given as data.
    """

    values: dict[str, Tensor]
    sampled: bool
    note: str
    independent: tuple[str, ...] = ()


def exogenous_rows(laws: Mapping[str, Any], rows: int, seed: int, most: int) -> Exogenous:
    """Enumerate exogenous variables exactly where that is possible, else draw them.

    Args:
        laws: name → a mapping from value to probability; a sequence of equally likely values; a
            one-dimensional tensor or array: rows of data, taken together with other arrays; or an
            object with ``rvs(size, random_state)``, such as ``scipy.stats.norm()``.
        rows: number of draws, where it takes draws.
        seed: seed of the draws.
        most: number of combinations above which rows are drawn.

    Raises:
        InputError: something else; probabilities that are negative or do not add up to 1; arrays of
            different lengths.
    """
    arrays = {n: _array(n, law) for n, law in laws.items() if _is_array(law)}
    lengths = {name: len(values) for name, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"arrays are rows of one data set, but their lengths differ: {lengths}")
    tables = {name: _table(name, law) for name, law in laws.items() if _is_table(law)}
    others = [name for name in laws if name not in arrays and name not in tables]
    for name in others:
        if not hasattr(laws[name], "rvs"):
            raise InputError(
                f"{name!r}: expected a function of other variables; or, for an exogenous variable, "
                "a mapping from value to probability, a list of equally likely values, a tensor of "
                f"data, or a scipy.stats distribution; given {type(laws[name]).__name__}"
            )
    repeated = {name: _repeated(table) for name, table in tables.items()}
    unfit = [name for name, values in repeated.items() if values is None]
    count = prod(len(v) for v in repeated.values() if v) * (next(iter(lengths.values()), 1))
    if not others and not unfit and count <= most:
        return _enumerated(arrays, {n: v for n, v in repeated.items() if v}, list(laws))
    if others:
        why = f"{others[0]} is continuous"
    elif unfit:
        why = f"the probabilities of {unfit[0]} are no fractions with a small denominator"
    else:
        why = f"there are {count} combinations, more than {most}"
    return _drawn(laws, arrays, tables, rows, seed, why)


def _is_array(law: Any) -> bool:
    return isinstance(law, Tensor) or type(law).__module__ == "numpy"


def _is_table(law: Any) -> bool:
    return isinstance(law, Mapping) or (isinstance(law, Sequence) and not isinstance(law, str))


def _array(name: str, law: Any) -> Tensor:
    values = torch.as_tensor(law).to(torch.float64)
    if values.ndim != 1 or len(values) < 1 or not bool(torch.isfinite(values).all()):
        raise InputError(
            f"{name!r}: data are a one-dimensional array of finite numbers, one per row; given "
            f"shape {list(values.shape)}"
        )
    return values


def _table(name: str, law: Any) -> dict[float, float]:
    """Return value → probability."""
    if not isinstance(law, Mapping):
        if not law:
            raise InputError(f"{name!r}: give at least one value")
        found: dict[float, float] = {}
        for value in law:
            try:
                number = float(value)
            except (TypeError, ValueError):
                raise InputError(f"{name!r}: a list holds numbers; given {value!r}") from None
            found[number] = found.get(number, 0.0) + 1 / len(law)
        return found
    try:
        found = {float(value): float(share) for value, share in law.items()}
    except (TypeError, ValueError):
        raise InputError(
            f"{name!r}: a distribution maps numbers to probabilities, as in {{0: 0.5, 1: 0.5}}; "
            f"given {law!r}"
        ) from None
    total = sum(found.values())
    if not found or min(found.values()) < 0 or abs(total - 1) > 1e-9:
        raise InputError(
            f"{name!r}: probabilities are at least 0 and add up to 1; given {law!r}, which add up "
            f"to {total:g}"
        )
    return found


def _repeated(table: Mapping[float, float]) -> list[float] | None:
    """Return each value as often as it is likely; None where no small number of rows does it."""
    shares = {v: Fraction(p).limit_denominator(_LARGEST_DENOMINATOR) for v, p in table.items()}
    close = all(abs(float(shares[value]) - share) <= _SAME for value, share in table.items())
    if not close or sum(shares.values()) != 1:
        return None
    whole = lcm(*(share.denominator for share in shares.values()))
    return [v for v, share in shares.items() for _ in range(int(share * whole))]


def _enumerated(
    arrays: Mapping[str, Tensor], lists: Mapping[str, list[float]], order: list[str]
) -> Exogenous:
    sizes = [len(values) for values in lists.values()]
    data = len(next(iter(arrays.values()))) if arrays else 1
    places = torch.arange(data * prod(sizes))
    found: dict[str, Tensor] = {}
    left = places
    for name, values in lists.items():
        found[name] = torch.tensor(values, dtype=torch.float64)[left % len(values)]
        left = left // len(values)
    found |= {name: values[left] for name, values in arrays.items()}
    if len(places) == 1:
        found = {name: values.repeat(2) for name, values in found.items()}
    note = f"exogenous variables enumerated exactly, {len(places)} equally likely rows"
    return Exogenous({name: found[name] for name in order}, False, note, tuple(lists))


def _drawn(
    laws: Mapping[str, Any],
    arrays: Mapping[str, Tensor],
    tables: Mapping[str, dict[float, float]],
    rows: int,
    seed: int,
    why: str,
) -> Exogenous:
    import numpy as np

    generator = np.random.default_rng(seed)
    data = len(next(iter(arrays.values()))) if arrays else 1
    picked = torch.from_numpy(generator.integers(data, size=rows))
    found: dict[str, Tensor] = {}
    for name, law in laws.items():
        if name in arrays:
            found[name] = arrays[name][picked]
        elif name in tables:
            values, shares = list(tables[name]), np.array(list(tables[name].values()))
            drawn = generator.choice(values, size=rows, p=shares / shares.sum())
            found[name] = torch.from_numpy(drawn).to(torch.float64)
        else:
            drawn = np.asarray(law.rvs(size=rows, random_state=generator), dtype=np.float64)
            found[name] = _array(name, drawn)
    note = f"exogenous variables sampled, {rows} rows, seed {seed}: {why}"
    return Exogenous(found, True, note, tuple(name for name in laws if name not in arrays))
