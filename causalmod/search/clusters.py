"""Clusters of the flow graph: where searches start."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from causalmod.search.flow import FlowGraph

_DENSE = 600  # units above which eigenvectors are found iteratively
_STARTS = 10  # of k-means
_RAND = threading.Lock()  # held by whoever draws from C's rand()


def spectral_labels(
    flow: FlowGraph, layer: Tensor, k: int, seed: int, starts: int = _STARTS
) -> Tensor:
    """Cluster units by the flow graph's leading eigenvectors, with depth taken out.

    Plain spectral clustering of a layered graph finds early and late layers. So the normalised
    graph is first projected off the indicator of each layer; its ``k - 1`` leading eigenvectors,
    with the trivial one, give each unit a direction (rows of length 1, so that weakly attached
    units are no outliers), and the directions are clustered.

    Source: Ng, Jordan and Weiss, NeurIPS 14 (2001), for the rows of length 1.

    Args:
        flow: the flow graph.
        layer: ``[unit]``.
        k: number of clusters.
        seed: seed of k-means.
        starts: of k-means.

    Returns:
        Tensor: ``[unit]`` labels; every cluster has a member.
    """
    from sklearn.cluster import KMeans

    degree = flow.between(torch.ones(flow.count, dtype=torch.float64)).numpy()
    root = np.sqrt(np.maximum(degree, max(float(degree.max()) * 1e-9, 1e-30)))
    depth = (layer.numpy()[:, None] == np.unique(layer.numpy())[None, :]) * root[:, None]
    depth = depth / np.linalg.norm(depth, axis=0)
    vectors = _leading(flow, root, depth, k - 1, seed)
    points = np.concatenate([root[:, None] / np.linalg.norm(root), vectors], axis=1)
    points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-30)
    options: dict[str, Any] = {"n_init": starts, "random_state": seed}
    fitted = KMeans(k, **options).fit_predict(points)
    return without_empty(torch.from_numpy(fitted.astype(np.int64)), k)


def _leading(
    flow: FlowGraph, root: np.ndarray, depth: np.ndarray, count: int, seed: int
) -> np.ndarray:
    """Eigenvectors of the largest eigenvalues, orthogonal to the columns of ``depth``."""
    size = flow.count
    if size <= _DENSE or count >= size - 1:
        one_way = flow.dense().numpy()
        normal = (one_way + one_way.T) / root[:, None] / root[None, :]
        off = np.eye(size) - depth @ depth.T
        # the projected directions get eigenvalue -2, below all of a normalised graph's
        _, vectors = np.linalg.eigh(off @ normal @ off - 2 * depth @ depth.T)
        return vectors[:, ::-1][:, :count].copy()
    from scipy.sparse.linalg import LinearOperator, eigsh

    def apply(vector: np.ndarray) -> np.ndarray:
        vector = vector.reshape(-1)
        inside = depth.T @ vector
        off = (vector - depth @ inside) / root
        moved = flow.between(torch.from_numpy(off.astype(np.float32))).numpy() / root
        return moved - depth @ (depth.T @ moved) - 2 * depth @ inside

    start = np.random.default_rng(seed).standard_normal(size)
    make: Any = LinearOperator  # its type stub lacks the callable form of the constructor
    operator = make((size, size), matvec=apply, dtype=np.float64)
    options: dict[str, Any] = {"tol": 1e-4}  # its type stub takes whole numbers only
    _, vectors = eigsh(operator, k=count, which="LA", v0=start, **options)
    return vectors[:, ::-1].copy()


_MOST_FLOWS = 64  # strongest flows into each unit that Leiden looks at, in large graphs
_LARGE = 2000
_RESOLUTIONS = 12  # tried, to come to k clusters


@contextmanager
def _seeded_rand(seed: int) -> Iterator[None]:
    """Seed C's rand(), from which scikit-network's refinement draws whatever its random_state."""
    library = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
    with _RAND:
        library.srand(seed & 0x7FFFFFFF)
        yield


def leiden_labels(flow: FlowGraph, k: int, seed: int) -> Tensor:
    """Cluster the flow graph by Leiden's algorithm, at the resolution that gives ``k`` clusters.

    Where no resolution does, the smallest number above ``k`` is taken, and clusters between which
    most flows, for their degrees, are merged.

    Source: Traag, Waltman and van Eck, Scientific Reports 9 (2019), in scikit-network.

    Returns:
        Tensor: ``[unit]`` labels; every cluster has a member.
    """
    from sknetwork.clustering import Leiden

    graph = flow.symmetric(_MOST_FLOWS if flow.count > _LARGE else None)
    if graph.nnz == 0:
        return without_empty(torch.zeros(flow.count, dtype=torch.long), k)
    low, high = -4.0, 4.0  # powers of two
    best: np.ndarray | None = None
    for _ in range(_RESOLUTIONS):
        middle = (low + high) / 2
        found = Leiden(resolution=2.0**middle, modularity="newman", random_state=seed)
        with _seeded_rand(seed):
            labels = found.fit_predict(graph)
        clusters = int(labels.max()) + 1
        if clusters >= k and (best is None or clusters <= int(best.max()) + 1):
            best = labels
        if clusters == k:
            break
        low, high = (middle, high) if clusters < k else (low, middle)
    if best is None:
        best = np.zeros(flow.count, dtype=np.int64)
    return without_empty(_merged(flow, torch.from_numpy(best.astype(np.int64)), k), k)


def _merged(flow: FlowGraph, labels: Tensor, k: int) -> Tensor:
    """Merge the two clusters with most flow for their degrees until there are ``k``."""
    count = int(labels.max()) + 1
    member = torch.nn.functional.one_hot(labels, count).double()
    links = member.T @ flow.between(member)
    while count > k:
        degree = links.sum(1).clamp_min(1e-30)
        tied = links / degree[:, None] / degree[None]
        tied.fill_diagonal_(-1.0)
        first, second = divmod(int(tied.argmax()), count)
        first, second = min(first, second), max(first, second)
        links[first] += links[second]
        links[:, first] += links[:, second]
        keep = torch.arange(count) != second
        links = links[keep][:, keep]
        labels = torch.where(labels == second, first, labels)
        labels = torch.where(labels > second, labels - 1, labels)
        count -= 1
    return labels


def without_empty(labels: Tensor, k: int) -> Tensor:
    """Give a unit of the largest cluster to each empty one."""
    labels = labels.clone()
    for module in range(k):
        sizes = torch.bincount(labels, minlength=k)
        if sizes[module] == 0:
            labels[(labels == sizes.argmax()).nonzero()[0]] = module
    return labels
