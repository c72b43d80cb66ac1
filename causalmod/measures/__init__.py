"""Measures of modularity to compare with the exchange: one protocol, a file each."""

from causalmod.measures.mutual_information import MutualInformation
from causalmod.measures.newman import NewmanQ, newman_q
from causalmod.measures.protocol import MEASURES, Measure
from causalmod.measures.weights import unit_weights

__all__ = ["MEASURES", "Measure", "MutualInformation", "NewmanQ", "newman_q", "unit_weights"]
