"""How modular a network is: its best partition, calibrated on null networks."""

from causalmod.modularity.measure import modularity
from causalmod.modularity.result import Modularity
from causalmod.modularity.tracking import Track, track

__all__ = ["Modularity", "Track", "modularity", "track"]
