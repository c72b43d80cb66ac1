"""Null networks: the same units and weights, wired at random."""

from causalmod.search.nulls.network import null_network, why_no_null

__all__ = ["null_network", "why_no_null"]
