"""Measures of modularity on trial: what each must satisfy, and on which networks it fails."""

from causalmod.conformance.protocol import AXIOMS, Axiom, Situation
from causalmod.conformance.result import Conformance, Finding, Verdict
from causalmod.conformance.run import check_measure, conformance

__all__ = [
    "AXIOMS",
    "Axiom",
    "Conformance",
    "Finding",
    "Situation",
    "Verdict",
    "check_measure",
    "conformance",
]
