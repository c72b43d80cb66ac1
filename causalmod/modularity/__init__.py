"""How modular a network is: its best partition, calibrated on null networks."""

from causalmod.modularity.measure import modularity
from causalmod.modularity.result import Modularity

__all__ = ["Modularity", "modularity"]
