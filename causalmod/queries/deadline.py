"""A limit on how long a search for a formula may take."""

from __future__ import annotations

from math import isfinite
from numbers import Real
from time import monotonic

from causalmod.errors import InputError, QueryError


class Deadline:
    """Gives up once some seconds have passed; None for never.

    Nested factors of an identified distribution can double the formula at each level, so that a
    graph which is unlucky enough takes longer than anybody waits.

    Raises:
        InputError: no positive number.

    Example:
        >>> Deadline(None).check("ID", 300)
        >>> Deadline(0)
        Traceback (most recent call last):
        ...
        causalmod.errors.InputError: seconds is a number above 0, or None for no limit; given 0
    """

    def __init__(self, seconds: float | None = None) -> None:
        positive = isinstance(seconds, Real) and isfinite(seconds) and seconds > 0
        if isinstance(seconds, bool) or not (seconds is None or positive):
            raise InputError(
                f"seconds is a number above 0, or None for no limit; given {seconds!r}"
            )
        self.seconds = seconds
        self._end = None if seconds is None else monotonic() + seconds

    def check(self, what: str, variables: int) -> None:
        """Give up where the time has passed.

        Raises:
            QueryError: it has; says what was tried and how to go on.
        """
        if self._end is not None and monotonic() > self._end:
            raise QueryError(
                f"gave up after {self.seconds:g} s: no formula found yet by {what}, and no proof "
                f"that there is none, on a graph of {variables} variables. Raise seconds=, ask on "
                "a coarser graph (level='group', 'site' or 'module'), or log more, so that "
                "adjustment is enough"
            )
