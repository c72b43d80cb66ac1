"""Measures of modularity to compare with the exchange: one protocol, a file each.

Each is registered by its name in :data:`MEASURES`; a call gives one number for a model and a
partition of its units.
"""

from causalmod.measures.conditional_mutual_information import ConditionalMutualInformation
from causalmod.measures.correlation_clustering import CorrelationClustering, correlation_graph
from causalmod.measures.effective_information import EffectiveInformation
from causalmod.measures.exchanged import ExchangedBits
from causalmod.measures.interaction_graph import InteractionGraph, attribution_graph
from causalmod.measures.interface_dimension import InterfaceDimension, effective_rank
from causalmod.measures.local_specialisation import Lesion, LocalSpecialisation
from causalmod.measures.mutual_information import MutualInformation
from causalmod.measures.newman import NewmanQ, greedy_modules, newman_q
from causalmod.measures.normalised_cut import (
    NormalisedCut,
    ShuffledCut,
    n_cut,
    spectral_clusters,
)
from causalmod.measures.own_score import ModularityScore
from causalmod.measures.post_formula import PostFormula
from causalmod.measures.protocol import MEASURES, Measure
from causalmod.measures.subtracted_information import SubtractedInformation
from causalmod.measures.total_weight import TotalWeight
from causalmod.measures.unit_flow import UnitFlow
from causalmod.measures.weights import unit_weights

__all__ = [
    "MEASURES",
    "ConditionalMutualInformation",
    "CorrelationClustering",
    "EffectiveInformation",
    "ExchangedBits",
    "InteractionGraph",
    "InterfaceDimension",
    "Lesion",
    "LocalSpecialisation",
    "Measure",
    "ModularityScore",
    "MutualInformation",
    "NewmanQ",
    "NormalisedCut",
    "PostFormula",
    "ShuffledCut",
    "SubtractedInformation",
    "TotalWeight",
    "UnitFlow",
    "attribution_graph",
    "correlation_graph",
    "effective_rank",
    "greedy_modules",
    "n_cut",
    "newman_q",
    "spectral_clusters",
    "unit_weights",
]
