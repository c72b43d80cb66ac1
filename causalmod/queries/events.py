"""Events: what a query says of the values of a variable. Plain data, written as in the field."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, isnan
from numbers import Integral, Real
from typing import Any

from causalmod.errors import InputError

MOST_BINS = 10_000


def number(value: Any, what: str = "a value") -> float:
    """Return a finite number as a float.

    Raises:
        InputError: anything else.
    """
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, Real) or not isfinite(value):
        raise InputError(f"{what} must be a finite number; given {value!r}")
    return float(value)


def written(value: float) -> str:
    """Write a number so that reading it gives the same one.

    Example:
        >>> written(1.0), written(0.1), written(-float("inf"))
        ('1', '0.1', '-inf')
    """
    return repr(float(value)).removesuffix(".0")


@dataclass(frozen=True)
class Equal:
    """The variable has this value, up to rounding (1e-6 of the largest value on the data).

    Example:
        >>> Equal(1).about("y")
        'y = 1'
    """

    value: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", number(self.value))

    def about(self, name: str) -> str:
        """Write the event with the name of the variable."""
        return f"{name} = {written(self.value)}"


@dataclass(frozen=True)
class NotEqual:
    """The variable has any value but this one.

    Example:
        >>> NotEqual(1).about("y")
        'y != 1'
    """

    value: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", number(self.value))

    def about(self, name: str) -> str:
        """Write the event with the name of the variable."""
        return f"{name} != {written(self.value)}"


@dataclass(frozen=True)
class OneOf:
    """The variable has one of some values.

    Example:
        >>> OneOf((1, 0)).about("y")
        'y in {0, 1}'
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        held = tuple(sorted({number(value) for value in self.values}))
        if not held:
            raise InputError("OneOf() needs at least one value")
        object.__setattr__(self, "values", held)

    def about(self, name: str) -> str:
        """Write the event with the name of the variable."""
        return f"{name} in {{{', '.join(map(written, self.values))}}}"


@dataclass(frozen=True)
class Interval:
    """The variable lies in an interval.

    Attributes:
        low, high: its ends; infinite for none.
        closed: the ends that belong to it: ``"both"``, ``"left"``, ``"right"`` or ``"neither"``.
            An infinite end never does.

    Example:
        >>> Interval(0, 1).about("fc1[2]"), Interval(low=0, closed="neither").about("fc1[2]")
        ('fc1[2] in [0, 1)', 'fc1[2] > 0')
    """

    low: float = -inf
    high: float = inf
    closed: str = "left"

    def __post_init__(self) -> None:
        if self.closed not in {"both", "left", "right", "neither"}:
            raise InputError(
                f"closed must be 'both', 'left', 'right' or 'neither'; given {self.closed!r}"
            )
        for end in (self.low, self.high):
            if isinstance(end, bool) or not isinstance(end, Real) or isnan(end):
                raise InputError(f"the ends of an interval are numbers; given {end!r}")
        low, high = float(self.low), float(self.high)
        left = self.closed in {"both", "left"} and low > -inf
        right = self.closed in {"both", "right"} and high < inf
        if low > high or (low == high and not (left and right)):
            raise InputError(
                f"the interval from {written(low)} to {written(high)} is empty; its low end comes "
                "first"
            )
        if low == -inf and high == inf:
            raise InputError("an interval needs at least one end; leave the event out instead")
        names = {(True, True): "both", (True, False): "left", (False, True): "right"}
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        object.__setattr__(self, "closed", names.get((left, right), "neither"))

    @property
    def with_low(self) -> bool:
        """Does the low end belong to the interval?"""
        return self.closed in {"both", "left"}

    @property
    def with_high(self) -> bool:
        """Does the high end belong to the interval?"""
        return self.closed in {"both", "right"}

    def about(self, name: str) -> str:
        """Write the event with the name of the variable."""
        if self.high == inf:
            return f"{name} {'>=' if self.with_low else '>'} {written(self.low)}"
        if self.low == -inf:
            return f"{name} {'<=' if self.with_high else '<'} {written(self.high)}"
        opening, closing = "[" if self.with_low else "(", "]" if self.with_high else ")"
        return f"{name} in {opening}{written(self.low)}, {written(self.high)}{closing}"


@dataclass(frozen=True)
class Bin:
    """The variable lies in one of the equal-frequency bins of what it is on the data.

    Attributes:
        index: number of the bin, from 0.
        bins: how many bins are asked for; equal values share one, so there can be fewer.

    Example:
        >>> Bin(3, 10).about("fc1[2]")
        'fc1[2] in bin(3, 10)'
    """

    index: int
    bins: int

    def __post_init__(self) -> None:
        whole = all(
            isinstance(n, Integral) and not isinstance(n, bool) for n in (self.index, self.bins)
        )
        if not whole or not 2 <= self.bins <= MOST_BINS or not 0 <= self.index < self.bins:
            raise InputError(
                f"bin({self.index}, {self.bins}): expected the number of a bin, from 0, and how "
                f"many bins there are, 2 to {MOST_BINS}"
            )

    def about(self, name: str) -> str:
        """Write the event with the name of the variable."""
        return f"{name} in bin({self.index}, {self.bins})"


Event = Equal | NotEqual | OneOf | Interval | Bin


def read_event(event: object) -> Event | None:
    """Return an event; a number means :class:`Equal`, a set or list :class:`OneOf`.

    Raises:
        InputError: neither an event, nor a number, nor several, nor None.
    """
    if event is None or isinstance(event, Equal | NotEqual | OneOf | Interval | Bin):
        return event
    if isinstance(event, set | frozenset | list | tuple):
        return OneOf(tuple(event))
    if isinstance(event, Real):
        return Equal(float(event))
    raise InputError(
        "an event is a number, a set of numbers, Interval(low, high), NotEqual(value) or "
        f"Bin(index, bins); given {event!r}"
    )
