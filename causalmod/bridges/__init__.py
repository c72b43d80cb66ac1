"""To and from other kinds of causal models."""

from causalmod.bridges.functions import from_functions

__all__ = ["from_functions"]
