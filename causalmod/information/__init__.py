"""Information in bits: estimators behind one protocol, with intervals and null floors."""

from causalmod.information.bins import Bins
from causalmod.information.estimate import Estimate
from causalmod.information.linear_gaussian import arrow_strengths, exact_arrow_strengths
from causalmod.information.protocol import ESTIMATORS, Bounds, Estimator, Observed

__all__ = [
    "ESTIMATORS",
    "Bins",
    "Bounds",
    "Estimate",
    "Estimator",
    "Observed",
    "arrow_strengths",
    "exact_arrow_strengths",
]
