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
    "QueryError": "errors",
    "SelectorError": "errors",
    "Distribution": "queries",
    "Identification": "queries",
    "Verification": "queries",
    "Falsification": "queries",
    "Bins": "information",
    "Estimate": "information",
    "Conformance": "conformance",
    "Exchange": "exchange",
    "FeatureDirections": "subspaces",
    "FittedBasis": "variables",
    "Flow": "exchange",
    "Hierarchy": "hierarchy",
    "Interface": "subspaces",
    "Modularity": "modularity",
    "ResolutionCurve": "exchange",
    "Partition": "partition",
    "Probe": "subspaces",
    "Proxies": "proxies",
    "SearchBudget": "search",
    "Site": "variables",
    "Spectrum": "subspaces",
    "StructuralCausalModel": "scm",
    "Sweep": "scm",
    "Variable": "variables",
    "arrow_strengths": "information",
    "compile": "scm",
    "check_measure": "conformance",
    "conformance": "conformance",
    "exchange": "exchange",
    "flow": "exchange",
    "hierarchy": "hierarchy",
    "track": "modularity",
    "Track": "modularity",
    "falsify": "queries",
    "feature_directions": "subspaces",
    "from_dowhy": "bridges",
    "from_functions": "bridges",
    "from_pgmpy": "bridges",
    "identify": "queries",
    "information": "exchange",
    "interface_dimension": "subspaces",
    "load": "scm",
    "mean": "interventions",
    "modularity": "modularity",
    "module_graph": "exchange",
    "proxies": "proxies",
    "query": "queries",
    "resample": "interventions",
    "resolution_curve": "exchange",
    "to_dot": "plotting",
    "to_dowhy": "bridges",
    "to_frame": "bridges",
    "to_gml": "bridges",
    "to_pgmpy": "bridges",
    "verify": "queries",
}
_MODULES = {"bases": "bases", "queries": "queries", "rules": "queries.rules", "zoo": "zoo"}

__all__ = [
    "Bins",
    "CausalmodError",
    "CausalmodWarning",
    "CompileError",
    "Conformance",
    "Distribution",
    "Estimate",
    "EstimatorError",
    "Exchange",
    "Falsification",
    "FeatureDirections",
    "FittedBasis",
    "Flow",
    "Hierarchy",
    "Identification",
    "InputError",
    "Interface",
    "Interrupted",
    "Modularity",
    "OutputError",
    "Partition",
    "PartitionError",
    "Probe",
    "Proxies",
    "QueryError",
    "ResolutionCurve",
    "SearchBudget",
    "SelectorError",
    "Site",
    "Spectrum",
    "StructuralCausalModel",
    "Sweep",
    "Track",
    "Variable",
    "Verification",
    "__version__",
    "arrow_strengths",
    "bases",
    "check_measure",
    "compile",
    "conformance",
    "exchange",
    "falsify",
    "feature_directions",
    "flow",
    "from_dowhy",
    "from_functions",
    "from_pgmpy",
    "hierarchy",
    "identify",
    "information",
    "interface_dimension",
    "load",
    "mean",
    "modularity",
    "module_graph",
    "proxies",
    "queries",
    "query",
    "resample",
    "resolution_curve",
    "rules",
    "to_dot",
    "to_dowhy",
    "to_frame",
    "to_gml",
    "to_pgmpy",
    "track",
    "verify",
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
        value = import_module(f"{__name__}.{_MODULES[name]}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if TYPE_CHECKING:
    from causalmod import bases, queries, zoo
    from causalmod.bridges import (
        from_dowhy,
        from_functions,
        from_pgmpy,
        to_dowhy,
        to_frame,
        to_gml,
        to_pgmpy,
    )
    from causalmod.conformance import Conformance, check_measure, conformance
    from causalmod.errors import (
        CausalmodError,
        CausalmodWarning,
        CompileError,
        EstimatorError,
        InputError,
        Interrupted,
        OutputError,
        PartitionError,
        QueryError,
        SelectorError,
    )
    from causalmod.exchange import (
        Exchange,
        Flow,
        ResolutionCurve,
        exchange,
        flow,
        information,
        module_graph,
        resolution_curve,
    )
    from causalmod.hierarchy import Hierarchy, hierarchy
    from causalmod.information import Bins, Estimate, arrow_strengths
    from causalmod.interventions import mean, resample
    from causalmod.modularity import Modularity, Track, modularity, track
    from causalmod.partition import Partition
    from causalmod.plotting import to_dot
    from causalmod.proxies import Proxies, proxies
    from causalmod.queries import (
        Distribution,
        Falsification,
        Identification,
        Verification,
        falsify,
        identify,
        query,
        rules,
        verify,
    )
    from causalmod.scm import StructuralCausalModel, Sweep, compile, load
    from causalmod.search import SearchBudget
    from causalmod.subspaces import (
        FeatureDirections,
        Interface,
        Probe,
        Spectrum,
        feature_directions,
        interface_dimension,
    )
    from causalmod.variables import FittedBasis, Site, Variable
