"""Every error and warning that causalmod raises on purpose.

A message says what was given, what was expected and what to change. All errors derive from
:class:`CausalmodError`; those about a bad argument are also ``ValueError``, so that code which
knows nothing of causalmod handles them as usual.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class CausalmodError(Exception):
    """Base class of every error that causalmod raises on purpose."""


class InputError(CausalmodError, ValueError):
    """An argument, a tensor or a data file cannot be used as it is."""


class CompileError(CausalmodError, ValueError):
    """A network cannot be turned into a structural causal model."""


class SelectorError(CausalmodError, ValueError):
    """A name selects no site or variable of the model."""


class PartitionError(CausalmodError, ValueError):
    """A partition is malformed, or does not fit the model it is used on."""


class QueryError(CausalmodError, ValueError):
    """A query cannot be read, or what it asks cannot be answered on this model and data.

    Attributes:
        position: where in the text of the query the error is, counted from 0; None when it is
            not in the text.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class EstimatorError(CausalmodError, ValueError):
    """An estimator cannot answer what it was asked."""


class OutputError(CausalmodError, OSError):
    """A result cannot be written where it was asked for."""


class Interrupted(KeyboardInterrupt):
    """A long computation was interrupted; what it had found so far is in ``partial``."""

    def __init__(self, partial: Any = None) -> None:
        super().__init__("interrupted")
        self.partial = partial


class CausalmodWarning(UserWarning):
    """A figure is right as defined, but easy to read wrongly; the text says how."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a clause that suggests the known names closest to ``name``.

    Example:
        >>> nearest("fc11", ["fc1", "fc2", "output"])
        "did you mean 'fc1'?"
        >>> nearest("zzz", ["fc1", "fc2"])
        "known names are 'fc1', 'fc2'"
    """
    names = list(known)
    by_small = {known_name.casefold(): known_name for known_name in names}
    close = difflib.get_close_matches(name.casefold(), by_small, n=1, cutoff=0.6)
    if close:
        return f"did you mean {by_small[close[0]]!r}?"
    if not names:
        return "there are none"
    shown = ", ".join(repr(known_name) for known_name in names[:8])
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"known names are {shown}{more}"
