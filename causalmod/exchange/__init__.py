"""Information that variables, groups and modules of a model send each other."""

from causalmod.exchange.hybrid import CONTEXT, RESPOND, HybridRuns, Sample, draw_sample
from causalmod.exchange.information import information
from causalmod.exchange.modules import Exchange, exchange, partition_of, unit_labels

__all__ = [
    "CONTEXT",
    "RESPOND",
    "Exchange",
    "HybridRuns",
    "Sample",
    "draw_sample",
    "exchange",
    "information",
    "partition_of",
    "unit_labels",
]
