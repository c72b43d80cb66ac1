"""Search for the best partition: the objective, its nulls, and one file per algorithm."""

from causalmod.search.budget import Meter, SearchBudget
from causalmod.search.nulls import null_network, why_no_null
from causalmod.search.objective import Objective, Terms, score_of, shuffle_in_layers
from causalmod.search.protocol import ALGORITHMS, Candidate

__all__ = [
    "ALGORITHMS",
    "Candidate",
    "Meter",
    "Objective",
    "SearchBudget",
    "Terms",
    "null_network",
    "score_of",
    "shuffle_in_layers",
    "why_no_null",
]
