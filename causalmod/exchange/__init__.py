"""Information that variables, groups and modules of a model send each other."""

from causalmod.exchange.flow import flow
from causalmod.exchange.flow_result import Flow
from causalmod.exchange.hybrid import CONTEXT, RESPOND, HybridRuns, Sample, draw_sample
from causalmod.exchange.information import information
from causalmod.exchange.module_graph import module_graph
from causalmod.exchange.modules import exchange
from causalmod.exchange.partitions import partition_of, unit_labels
from causalmod.exchange.resolution import ResolutionCurve, resolution_curve
from causalmod.exchange.result import Exchange

__all__ = [
    "CONTEXT",
    "RESPOND",
    "Exchange",
    "Flow",
    "HybridRuns",
    "ResolutionCurve",
    "Sample",
    "draw_sample",
    "exchange",
    "flow",
    "information",
    "module_graph",
    "partition_of",
    "resolution_curve",
    "unit_labels",
]
