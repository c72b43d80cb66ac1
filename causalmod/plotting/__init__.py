"""Figures: a file each, drawn with matplotlib's objects, returned as a ``Figure``."""

from causalmod.plotting.diagram import plot_identification
from causalmod.plotting.distribution import plot_distribution
from causalmod.plotting.dot import to_dot
from causalmod.plotting.flow import describe_flow, plot_flow
from causalmod.plotting.matrix import describe_matrix, plot_matrix
from causalmod.plotting.network import describe_network, plot_network
from causalmod.plotting.nulls import describe_nulls, plot_nulls
from causalmod.plotting.random_partitions import (
    describe_random_partitions,
    plot_random_partitions,
)
from causalmod.plotting.resolution import describe_resolution, plot_resolution
from causalmod.plotting.text import drawable, number, plain

__all__ = [
    "describe_flow",
    "describe_matrix",
    "describe_network",
    "describe_nulls",
    "describe_random_partitions",
    "describe_resolution",
    "drawable",
    "number",
    "plain",
    "plot_distribution",
    "plot_flow",
    "plot_identification",
    "plot_matrix",
    "plot_network",
    "plot_nulls",
    "plot_random_partitions",
    "plot_resolution",
    "to_dot",
]
