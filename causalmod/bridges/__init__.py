"""To and from other kinds of causal models."""

from causalmod.bridges.dowhy import from_dowhy, to_dowhy
from causalmod.bridges.functions import from_functions
from causalmod.bridges.graphs import to_frame, to_gml
from causalmod.bridges.pgmpy import from_pgmpy, to_pgmpy

__all__ = [
    "from_dowhy",
    "from_functions",
    "from_pgmpy",
    "to_dowhy",
    "to_frame",
    "to_gml",
    "to_pgmpy",
]
