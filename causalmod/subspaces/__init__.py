"""Subspaces as modules: how wide the interface between two is, and what one responds to."""

from causalmod.subspaces.features import FeatureDirections, Probe, feature_directions
from causalmod.subspaces.interface import Interface, Spectrum, interface_dimension

__all__ = [
    "FeatureDirections",
    "Interface",
    "Probe",
    "Spectrum",
    "feature_directions",
    "interface_dimension",
]
