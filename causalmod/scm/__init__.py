"""The structural causal model: compiled from a network, observed, intervened on."""

from causalmod.scm.activity import Activity
from causalmod.scm.compile import compile
from causalmod.scm.model import StructuralCausalModel
from causalmod.scm.observations import Observations
from causalmod.scm.saving import load
from causalmod.scm.sites import Sites
from causalmod.scm.sweep import Chunk, Sweep
from causalmod.scm.units import Units

__all__ = [
    "Activity",
    "Chunk",
    "Observations",
    "Sites",
    "StructuralCausalModel",
    "Sweep",
    "Units",
    "compile",
    "load",
]
