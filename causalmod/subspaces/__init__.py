"""Subspaces as modules: how wide the interface between two is, and what one responds to."""

from causalmod.subspaces.features import Features, Probe, features
from causalmod.subspaces.interface import Interface, Spectrum, interface_dimension

__all__ = [
    "Features",
    "Interface",
    "Probe",
    "Spectrum",
    "features",
    "interface_dimension",
]
