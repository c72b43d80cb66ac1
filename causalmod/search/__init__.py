"""Search for the best partition: the objective, its nulls, and one file per algorithm."""

from causalmod.search.budget import Meter, SearchBudget
from causalmod.search.journal import Journal
from causalmod.search.nulls import null_network, why_no_null
from causalmod.search.objective import Objective
from causalmod.search.problem import Candidate, Problem
from causalmod.search.protocol import ALGORITHMS
from causalmod.search.same_size import shuffle_in_layers
from causalmod.search.terms import Terms, score_of
from causalmod.search.weighting import WEIGHTINGS

__all__ = [
    "ALGORITHMS",
    "WEIGHTINGS",
    "Candidate",
    "Journal",
    "Meter",
    "Objective",
    "Problem",
    "SearchBudget",
    "Terms",
    "null_network",
    "score_of",
    "shuffle_in_layers",
    "why_no_null",
]
