"""Spectral start on the flow graph; then moves and swaps, ranked by flow, judged by score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from causalmod.scm import StructuralCausalModel
from causalmod.search.budget import Meter
from causalmod.search.flow import flow_graph
from causalmod.search.objective import Objective
from causalmod.search.protocol import ALGORITHMS, Candidate

_SCREEN = 10  # moves judged at a time
_DENSE = 600  # units above which eigenvectors are found iteratively


@ALGORITHMS.register("spectral")
def spectral(
    scm: StructuralCausalModel,
    objective: Objective,
    meter: Meter,
    *,
    rows: Tensor,
    seed: int,
    report: Callable[[float], None],
) -> list[Candidate]:
    """Start from layer-centred eigenvectors, improve one unit (or a swap) at a time.

    Stops at a partition with no exchange at all, when no screened move helps, or at the budget.
    """
    flow = flow_graph(scm, rows, seed=seed)
    strength = flow + flow.T
    start = spectral_labels(strength, scm.units.layer, objective.k, seed)
    found = [Candidate(start, objective.score(start))]
    meter.used += 1
    report(found[0].score)
    current = found[0]
    tried: set[tuple[int, ...]] = {tuple(start.tolist())}
    while current.score > 0 and meter.left() > 1:
        better = _improve(current, strength, scm.units.layer, objective, meter, tried)
        if better is None:
            break
        current = better
        found.append(current)
        report(current.score)
    return sorted(found, key=lambda candidate: candidate.score)


def _improve(
    current: Candidate,
    strength: Tensor,
    layer: Tensor,
    objective: Objective,
    meter: Meter,
    tried: set[tuple[int, ...]],
) -> Candidate | None:
    """Return a better neighbour, looking at moves first and at swaps when no move helps."""
    for neighbours in (_moves, _swaps):
        fresh: list[Tensor] = []
        for labels in neighbours(current.labels, strength, layer, objective.k):
            if len(fresh) >= min(_SCREEN, meter.left()):
                break
            key = tuple(labels.tolist())
            if key not in tried:
                tried.add(key)
                fresh.append(labels)
        if not fresh:
            continue
        terms = objective.terms(torch.stack(fresh))
        meter.used += len(fresh)
        ranked = terms.costs().argsort().tolist()
        for place in ranked[:2]:  # the same-size mean costs far more than the candidate itself
            score = objective.score(fresh[place], terms[place : place + 1])
            if score < current.score:
                return Candidate(fresh[place], score)
    return None


def _attachment(labels: Tensor, strength: Tensor, k: int) -> Tensor:
    """Flow between each unit and each module: ``[unit, module]``."""
    return strength @ torch.nn.functional.one_hot(labels, k).to(strength.dtype)


def _moves(labels: Tensor, strength: Tensor, layer: Tensor, k: int) -> list[Tensor]:
    """Single-unit moves, the one that flow favours most first; no module is emptied."""
    tied = _attachment(labels, strength, k)
    own = tied.gather(1, labels[:, None])
    gain = (tied - own) / tied.sum(1, keepdim=True).clamp_min(1e-30)
    gain.scatter_(1, labels[:, None], -torch.inf)
    sizes = torch.bincount(labels, minlength=k)
    gain[sizes[labels] == 1] = -torch.inf
    found: list[Tensor] = []
    for place in gain.flatten().argsort(descending=True)[: 8 * _SCREEN].tolist():
        if gain.flatten()[place] == -torch.inf:
            break
        moved = labels.clone()
        moved[place // k] = place % k
        found.append(moved)
    return found


def _swaps(labels: Tensor, strength: Tensor, layer: Tensor, k: int) -> list[Tensor]:
    """Exchanges of two units of one layer and two modules, the most promising first."""
    tied = _attachment(labels, strength, k)
    own = tied.gather(1, labels[:, None])
    share = (tied - own) / tied.sum(1, keepdim=True).clamp_min(1e-30)
    gain = share[:, labels] + share[:, labels].T
    allowed = (layer[:, None] == layer[None]) & (labels[:, None] != labels[None])
    gain = torch.where(allowed.triu(), gain, -torch.inf)
    found: list[Tensor] = []
    count = len(labels)
    for place in gain.flatten().argsort(descending=True)[: 8 * _SCREEN].tolist():
        if gain.flatten()[place] == -torch.inf:
            break
        swapped = labels.clone()
        swapped[place // count], swapped[place % count] = (
            labels[place % count],
            labels[place // count],
        )
        found.append(swapped)
    return found


def spectral_labels(strength: Tensor, layer: Tensor, k: int, seed: int) -> Tensor:
    """Cluster units by the flow graph's leading eigenvectors, with depth taken out.

    Plain spectral clustering of a layered graph finds early and late layers. So the normalised
    graph is first projected off the indicator of each layer; its ``k - 1`` leading eigenvectors,
    with
    the trivial one, give each unit a direction (rows of length 1, so that weakly attached units are
    no outliers), and the directions are clustered.

    Source: Ng, Jordan and Weiss, NeurIPS 14 (2001), for the rows of length 1.

    Args:
        strength: ``[unit, unit]``, symmetric, not negative.
        layer: ``[unit]``.
        k: number of clusters.
        seed: seed of k-means.

    Returns:
        Tensor: ``[unit]`` labels; every cluster has a member.
    """
    from sklearn.cluster import KMeans

    weights = strength.double().numpy()
    degree = weights.sum(1)
    root = np.sqrt(np.maximum(degree, max(float(degree.max()) * 1e-9, 1e-30)))
    normal = weights / root[:, None] / root[None, :]
    depth = (layer.numpy()[:, None] == np.unique(layer.numpy())[None, :]) * root[:, None]
    depth = depth / np.linalg.norm(depth, axis=0)
    vectors = _leading(normal, depth, k - 1, seed)
    points = np.concatenate([root[:, None] / np.linalg.norm(root), vectors], axis=1)
    points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-30)
    options: dict[str, Any] = {"n_init": 10, "random_state": seed}
    fitted = KMeans(k, **options).fit_predict(points)
    return _without_empty(torch.from_numpy(fitted.astype(np.int64)), k)


def _leading(normal: np.ndarray, depth: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Eigenvectors of the largest eigenvalues, orthogonal to the columns of ``depth``."""
    size = len(normal)
    if size <= _DENSE or count >= size - 1:
        off = np.eye(size) - depth @ depth.T
        # the projected directions get eigenvalue -2, below all of a normalised graph's
        _, vectors = np.linalg.eigh(off @ normal @ off - 2 * depth @ depth.T)
        return vectors[:, ::-1][:, :count].copy()
    from scipy.sparse import csr_matrix
    from scipy.sparse.linalg import LinearOperator, eigsh

    sparse = csr_matrix(normal)

    def apply(vector: np.ndarray) -> np.ndarray:
        inside = depth.T @ vector
        off = vector - depth @ inside
        moved = sparse @ off
        return moved - depth @ (depth.T @ moved) - 2 * depth @ inside

    start = np.random.default_rng(seed).standard_normal(size)
    make: Any = LinearOperator  # its type stub lacks the callable form of the constructor
    operator = make((size, size), matvec=apply, dtype=normal.dtype)
    _, vectors = eigsh(operator, k=count, which="LA", v0=start)
    return vectors[:, ::-1].copy()


def _without_empty(labels: Tensor, k: int) -> Tensor:
    """Give a unit of the largest cluster to each empty one."""
    labels = labels.clone()
    for module in range(k):
        sizes = torch.bincount(labels, minlength=k)
        if sizes[module] == 0:
            labels[(labels == sizes.argmax()).nonzero()[0]] = module
    return labels
