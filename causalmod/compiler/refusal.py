"""Say why a network cannot be traced, and which line of the user's code is to blame."""

from __future__ import annotations

import os
import sysconfig
import traceback
from pathlib import Path

import torch
from torch import nn

from causalmod.errors import CompileError

_STANDARD = sysconfig.get_path("stdlib") + os.sep
_NOT_THE_USERS = tuple(
    str(folder) + os.sep for folder in (Path(torch.__file__).parent, Path(__file__).parent.parent)
)
_DATA_DEPENDENT = ("GuardOnDataDependent", "data-dependent", "DataDependentOutput", "_local_scalar")


def refusal(model: nn.Module, error: Exception) -> CompileError:
    """Turn an error of the exporter into one about the user's network."""
    place = user_line(error)
    where = f" at {place}" if place else ""
    name, kind, text = type(model).__name__, type(error).__name__, str(error).strip()
    if any(sign in kind or sign in text for sign in _DATA_DEPENDENT):
        return CompileError(
            f"the forward of {name} branches on the values of a tensor{where}; a structural causal "
            "model needs one graph for every input: replace the branch by torch.where, or by "
            "arithmetic on masks"
        )
    if "specialized it to be a constant" in text:
        return CompileError(
            f"the forward of {name} fixes the number of rows{where}: a shape in it is written as "
            "the size of this very batch (a number, or len(x)); use x.shape[0] or -1 instead"
        )
    if "is mutated in the forward" in text or "register it as buffer" in text:
        return CompileError(
            f"the network writes to one of its own tensors while it runs ({text}); a structural "
            "causal model needs a network without state: copy before writing"
        )
    first = text.splitlines()[0].rstrip(".") if text else kind
    return CompileError(
        f"{name} cannot be traced{where}: {kind}: {first}. The network must be built of tensor "
        "operations whose shapes depend on the input shape alone, with the rows of the data in "
        "dimension 0"
    )


def user_line(error: BaseException) -> str | None:
    """Return ``file:line (code)`` of the innermost frame that is the user's.

    So it lies outside torch, this package and the standard library.
    """
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = frame.filename
        standard = file.startswith(_STANDARD) and "site-packages" not in file
        if not standard and not file.startswith((*_NOT_THE_USERS, "<")):
            code = f" ({frame.line})" if frame.line else ""
            return f"{file}:{frame.lineno}{code}"
    return None
