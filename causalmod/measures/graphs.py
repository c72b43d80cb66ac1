"""Checks of weighted graphs that measures share."""

from __future__ import annotations

import numpy as np

from causalmod.errors import InputError


def check_graph(adjacency: np.ndarray, nodes: int | None = None) -> np.ndarray:
    """Return an adjacency matrix as float64.

    Args:
        adjacency: ``[node, node]``.
        nodes: number of labels that were given, to compare with.

    Raises:
        InputError: it is not square, symmetric, finite and non-negative, has no weight at all, or
            another size than the labels.
    """
    matrix = np.asarray(adjacency, dtype=float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise InputError(f"adjacency must be a square matrix; given shape {matrix.shape}")
    if nodes is not None and nodes != len(matrix):
        raise InputError(f"{len(matrix)} nodes need as many labels; given {nodes}")
    if not (np.isfinite(matrix).all() and (matrix >= 0).all() and np.array_equal(matrix, matrix.T)):
        raise InputError("adjacency must be symmetric, finite and non-negative; use |W| + |W|.T")
    if not matrix.any():
        raise InputError(
            "the graph has no weight at all, so no partition of it can be measured; give at least "
            "one edge"
        )
    return matrix


def check_modules(k: int, nodes: int) -> int:
    """Return a number of modules.

    Raises:
        InputError: not a whole number from 2 to the number of nodes.
    """
    if not isinstance(k, int) or isinstance(k, bool) or not 2 <= k <= nodes:
        raise InputError(
            f"k is the number of modules, a whole number from 2 to the {nodes} units; given {k!r}"
        )
    return k
