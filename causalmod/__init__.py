"""causalmod: which parts of a network talk to each other, how much, and is it cause?

The public names are loaded on first use, so that importing the package is quick.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "CausalmodError": "errors",
    "CausalmodWarning": "errors",
    "CompileError": "errors",
    "EstimatorError": "errors",
    "InputError": "errors",
    "Interrupted": "errors",
    "OutputError": "errors",
    "PartitionError": "errors",
    "SelectorError": "errors",
    "Estimate": "information",
    "Exchange": "exchange",
    "Flow": "exchange",
    "Modularity": "modularity",
    "Partition": "partition",
    "SearchBudget": "search",
    "Site": "variables",
    "StructuralCausalModel": "scm",
    "Variable": "variables",
    "compile": "scm",
    "exchange": "exchange",
    "flow": "exchange",
    "information": "exchange",
    "modularity": "modularity",
    "resample": "interventions",
}
_MODULES = frozenset({"zoo"})

__all__ = [
    "CausalmodError",
    "CausalmodWarning",
    "CompileError",
    "Estimate",
    "EstimatorError",
    "Exchange",
    "Flow",
    "InputError",
    "Interrupted",
    "Modularity",
    "OutputError",
    "Partition",
    "PartitionError",
    "SearchBudget",
    "SelectorError",
    "Site",
    "StructuralCausalModel",
    "Variable",
    "__version__",
    "compile",
    "exchange",
    "flow",
    "information",
    "modularity",
    "resample",
    "zoo",
]


class _Package(ModuleType):
    """Keeps ``causalmod.exchange`` the function when the submodule of that name is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if TYPE_CHECKING:
    from causalmod import zoo
    from causalmod.errors import (
        CausalmodError,
        CausalmodWarning,
        CompileError,
        EstimatorError,
        InputError,
        Interrupted,
        OutputError,
        PartitionError,
        SelectorError,
    )
    from causalmod.exchange import Exchange, Flow, exchange, flow, information
    from causalmod.information import Estimate
    from causalmod.interventions import resample
    from causalmod.modularity import Modularity, modularity
    from causalmod.partition import Partition
    from causalmod.scm import StructuralCausalModel, compile
    from causalmod.search import SearchBudget
    from causalmod.variables import Site, Variable
