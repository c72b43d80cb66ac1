"""Figures: a file each, drawn with matplotlib's objects, returned as a ``Figure``."""

from causalmod.plotting.conformance import describe_conformance, plot_conformance
from causalmod.plotting.dendrogram import plot_dendrogram
from causalmod.plotting.diagram import plot_identification
from causalmod.plotting.distribution import plot_distribution
from causalmod.plotting.dot import to_dot
from causalmod.plotting.flow import describe_flow, plot_flow
from causalmod.plotting.matrix import describe_matrix, plot_matrix
from causalmod.plotting.modules import describe_modules, plot_modules
from causalmod.plotting.modules_count import describe_modules_count, plot_modules_count
from causalmod.plotting.nested import plot_nested
from causalmod.plotting.network import describe_network, plot_network
from causalmod.plotting.nulls import describe_nulls, plot_nulls
from causalmod.plotting.proxies import describe_proxies, plot_proxies
from causalmod.plotting.random_partitions import (
    describe_random_partitions,
    plot_random_partitions,
)
from causalmod.plotting.resolution import describe_resolution, plot_resolution
from causalmod.plotting.sunburst import plot_sunburst
from causalmod.plotting.text import drawable, number, plain
from causalmod.plotting.track import plot_track
from causalmod.plotting.tree import describe_hierarchy

__all__ = [
    "describe_conformance",
    "describe_flow",
    "describe_hierarchy",
    "describe_matrix",
    "describe_modules",
    "describe_modules_count",
    "describe_network",
    "describe_nulls",
    "describe_proxies",
    "describe_random_partitions",
    "describe_resolution",
    "drawable",
    "number",
    "plain",
    "plot_conformance",
    "plot_dendrogram",
    "plot_distribution",
    "plot_flow",
    "plot_identification",
    "plot_matrix",
    "plot_modules",
    "plot_modules_count",
    "plot_nested",
    "plot_network",
    "plot_nulls",
    "plot_proxies",
    "plot_random_partitions",
    "plot_resolution",
    "plot_sunburst",
    "plot_track",
    "to_dot",
]
