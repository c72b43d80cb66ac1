"""Information that variables, groups and modules of a model send each other."""

from causalmod.exchange.hybrid import CONTEXT, RESPOND, HybridRuns, Sample, draw_sample
from causalmod.exchange.information import information
from causalmod.exchange.modules import exchange
from causalmod.exchange.partitions import partition_of, unit_labels
from causalmod.exchange.result import Exchange

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
