"""Code of the user's own, imported by its name on the command line."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import Any

from causalmod.errors import InputError, nearest


def imported(text: str, kind: str, expected: str) -> Any:
    """Import what ``package.module:name`` names.

    The current directory is on the path, as for ``python -m``.

    Args:
        text: the name.
        kind: what it should be, for messages.
        expected: what should have stood after ``package.module:``.

    Raises:
        InputError: the text is no such name, or it cannot be imported.
    """
    path, colon, name = text.partition(":")
    if not colon or not name or not all(part.isidentifier() for part in path.split(".")):
        raise InputError(f"{text!r} names no {kind}; expected package.module:{expected}")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(path)
    except ImportError as reason:
        raise InputError(
            f"cannot import {path!r}: {reason}; run the command in the folder that holds it, or "
            "install it"
        ) from reason
    except Exception as reason:
        raise InputError(f"importing {path!r} failed: {where(reason)}") from reason
    for part in name.split("."):
        if not hasattr(found, part):
            names = [n for n in dir(found) if not n.startswith("_")]
            raise InputError(f"{path!r} has no {part!r}: {nearest(part, names)}")
        found = getattr(found, part)
    return found


def where(error: Exception) -> str:
    """Return the error, with the last line of the user's own code that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not {"site-packages", "importlib"} & set(Path(f.filename).parts)]
    ours = str(Path(__file__).parent)
    own = [f for f in own if not f.filename.startswith((ours, "<"))]
    place = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {error}{place}"
