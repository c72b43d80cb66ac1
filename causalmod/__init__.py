"""causalmod: which parts of a network talk to each other, how much, and is it cause?

The public names are loaded on first use, so that importing the package is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "CausalmodError": "errors",
    "CausalmodWarning": "errors",
    "CompileError": "errors",
    "EstimatorError": "errors",
    "InputError": "errors",
    "OutputError": "errors",
    "PartitionError": "errors",
    "SelectorError": "errors",
    "Partition": "partition",
    "Site": "variables",
    "Variable": "variables",
    "resample": "interventions",
    "StructuralCausalModel": "scm",
    "compile": "scm",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(import_module(f"causalmod.{_PUBLIC[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"causalmod.{name}")
    else:
        raise AttributeError(f"module 'causalmod' has no attribute {name!r}")
    globals()[name] = value
    return value


_MODULES: frozenset[str] = frozenset()


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})


if TYPE_CHECKING:
    from causalmod.errors import (
        CausalmodError,
        CausalmodWarning,
        CompileError,
        EstimatorError,
        InputError,
        OutputError,
        PartitionError,
        SelectorError,
    )
    from causalmod.interventions import resample
    from causalmod.partition import Partition
    from causalmod.scm import StructuralCausalModel, compile
    from causalmod.variables import Site, Variable
