"""Libraries of the extra ``causal``: loaded where they are used, quietly."""

from __future__ import annotations

import warnings
from importlib import import_module
from types import ModuleType

from causalmod.errors import InputError


def load(name: str) -> ModuleType:
    """Import a module of an optional library.

    What the libraries warn of when they are loaded (names of their own that they deprecate) is not
    the caller's doing, and is kept quiet.

    Raises:
        InputError: the library is not installed; the extra is named.
    """
    library = name.partition(".")[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != library:
            raise
        raise InputError(
            f"this needs {library}, which is not installed: pip install 'causalmod[causal]'"
        ) from error
