"""The normalised cut: how much of each cluster's weight leads out of it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from causalmod.exchange.choice import check_count
from causalmod.measures.graphs import check_graph, check_modules
from causalmod.measures.protocol import MEASURES
from causalmod.measures.weights import partition_by_number, unit_weights, weight_graph
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel
from causalmod.search.clusters import without_empty

_DENSE = 2500  # nodes up to which eigenvectors are found all at once
_STARTS = 10  # of k-means


def n_cut(adjacency: np.ndarray, labels: Sequence[Hashable]) -> float:
    """Sum over clusters of the share of their weight that leads out: their n-cut.

    ``ncut = sum_c W(c, rest) / W(c, all)``, with ``W(a, b)`` the sum of ``A_ij`` over ``i`` in
    ``a`` and ``j`` in ``b``. No unit; 0 for clusters without any edge between them, at most their
    number. A cluster that no edge touches counts 1, the most there is: it holds nothing together.

    Args:
        adjacency: ``[node, node]`` symmetric weights, none negative.
        labels: the cluster of each node.

    Raises:
        InputError: the matrix is not square, symmetric and non-negative, has no weight at all, or
            another size than ``labels``.

    Source: Shi and Malik, IEEE TPAMI 22(8):888 (2000), section 2; on networks, Filan et al.
    (2021), arXiv:2103.03386, section 2.

    Example:
        >>> chain = np.diag([2.0, 1.0, 2.0], 1)
        >>> round(n_cut(chain + chain.T, ["a", "a", "b", "b"]), 6)
        0.4
    """
    matrix = check_graph(adjacency, len(labels))
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    member = np.zeros((len(matrix), len(numbers)))
    member[np.arange(len(matrix)), [numbers[label] for label in labels]] = 1.0
    links = member.T @ matrix @ member
    volume = links.sum(1)
    share = 1.0 - np.divide(links.diagonal(), volume, out=np.zeros(len(volume)), where=volume > 0)
    return float(share.sum())


def spectral_clusters(adjacency: np.ndarray, k: int, seed: int = 0) -> list[int]:
    """Split a weighted, undirected graph into ``k`` clusters of small n-cut.

    The ``k`` leading eigenvectors of ``D^-1 A``, clustered by k-means. Nodes that no edge touches
    are left out, and join the largest cluster in the end.

    Args:
        adjacency: ``[node, node]`` symmetric weights, none negative.
        k: number of clusters.
        seed: seed of k-means.

    Returns:
        list: cluster number of each node; every cluster has a node.

    Raises:
        InputError: no such graph; fewer than two clusters, or more than nodes.

    Source: Shi and Malik, IEEE TPAMI 22(8):888 (2000); as in Filan et al. (2021), algorithm 1.

    Example:
        >>> chain = np.diag([2.0, 1.0, 2.0], 1)
        >>> spectral_clusters(chain + chain.T, 2)
        [0, 0, 1, 1]
    """
    from sklearn.cluster import KMeans

    matrix = check_graph(adjacency)
    check_modules(k, len(matrix))
    touched = matrix.any(1)
    some = matrix[np.ix_(touched, touched)]
    labels = torch.zeros(len(matrix), dtype=torch.long)
    if int(touched.sum()) > k:
        points = _embedding(some, k, seed)
        options: dict[str, Any] = {"n_init": _STARTS}  # its type stub takes "auto" only
        fitted = KMeans(k, random_state=seed, **options).fit_predict(points)
        largest = int(np.bincount(fitted).argmax())
        labels[:] = largest
        labels[torch.from_numpy(touched)] = torch.from_numpy(fitted.astype(np.int64))
    else:
        labels[torch.from_numpy(touched)] = torch.arange(int(touched.sum()))
    labels = without_empty(labels, k)
    order = {number: place for place, number in enumerate(dict.fromkeys(labels.tolist()))}
    return [order[number] for number in labels.tolist()]


def _embedding(matrix: np.ndarray, k: int, seed: int) -> np.ndarray:
    """The ``k`` leading eigenvectors ``[node, k]`` of ``D^-1 A``."""
    root = np.sqrt(matrix.sum(1))
    normal = matrix / root[:, None] / root[None, :]
    size = len(matrix)
    if size <= _DENSE:
        from scipy.linalg import eigh

        _, vectors = eigh(normal, subset_by_index=[size - k, size - 1])
    else:
        from scipy.sparse.linalg import eigsh

        start = np.random.default_rng(seed).standard_normal(size)
        _, vectors = eigsh(normal, k=k, which="LA", v0=start)
    return vectors / root[:, None]


@dataclass(frozen=True)
class ShuffledCut:
    """The n-cut of a network beside those of networks with the same weights in other places.

    Attributes:
        value: n-cut of the network's own clusters.
        shuffled: n-cuts of the shuffled networks, each with its own clusters.
        z: by how many of their standard deviations the network is above their mean; below 0 where
            it is more clusterable than they are. None where they are all alike.
        percentile: share of them that the network is not above.
    """

    value: float
    shuffled: tuple[float, ...]

    @property
    def z(self) -> float | None:
        """See the class."""
        spread = float(np.std(self.shuffled))
        return None if spread == 0 else (self.value - float(np.mean(self.shuffled))) / spread

    @property
    def percentile(self) -> float:
        """See the class."""
        return sum(each < self.value for each in self.shuffled) / len(self.shuffled)


class NormalisedCut:
    """Normalised cut of the graph of absolute weights between a network's units.

    ``ncut = sum_m W(m, rest) / W(m, all)`` over modules, with ``A = |W| + |W|^T``, inputs left out.
    No unit: 0 for modules that no weight joins, near ``k - 1`` for random ones.

    It reads weights alone: rescaling a ReLU unit changes it, though the network computes what it
    did; a unit that never fires counts by its weights; a bias that shuts a unit does not show.
    ``k``-way figures compare at equal ``k`` only.

    Source: Filan et al., *Clusterability in neural networks* (2021), arXiv:2103.03386, section 2;
    Shi and Malik, IEEE TPAMI 22(8):888 (2000).

    Example:
        >>> from causalmod import zoo
        >>> case = zoo.ducks_and_shadows()
        >>> NormalisedCut()(case.compile(), Partition(case.modules))
        0.0
    """

    name = "normalised_cut"
    paper = "Filan et al. (2021)"
    lower_is_modular = True

    def __call__(
        self,
        scm: StructuralCausalModel,
        partition: Partition,
        *,
        rows: Tensor | None = None,
        seed: int = 0,
    ) -> float:
        """Return the n-cut; no unit. Data and seed play no part.

        Raises:
            PartitionError: the partition does not fit the model.
            InputError: units are joined by something else than linear layers, or not at all.
        """
        graph = weight_graph(scm, partition)
        return n_cut(graph.undirected, graph.labels)

    def search(
        self, scm: StructuralCausalModel, k: int, *, rows: Tensor | None = None, seed: int = 0
    ) -> Partition:
        """Cluster the graph of weights between live units; see :func:`spectral_clusters`.

        Raises:
            InputError: fewer than two modules, or more than units; or as for a call.

        Example:
            >>> from causalmod import zoo
            >>> case = zoo.isolated()
            >>> NormalisedCut().search(case.compile(), 2).blocks == case.partition.blocks
            True
        """
        weights = unit_weights(scm)
        found = spectral_clusters(weights + weights.T, k, seed)
        return partition_by_number(scm.units.names, found)

    def null(
        self, scm: StructuralCausalModel, k: int, *, shuffles: int = 50, seed: int = 0
    ) -> ShuffledCut:
        """Compare a network's clusters with those of networks with the same weights, shuffled.

        Within each pair of sites that a layer joins, all weights between live units are permuted.
        Network and shuffled ones are clustered alike.

        Args:
            scm: the model.
            k: number of clusters.
            shuffles: number of shuffled networks.
            seed: seed of the shuffles and of the clusterings.

        Raises:
            InputError: as for :meth:`search`; no shuffle.

        Source: Filan et al. (2021), section 3.

        Example:
            >>> from causalmod import zoo
            >>> found = NormalisedCut().null(zoo.isolated().compile(), 2, shuffles=20)
            >>> found.value, found.z < 0
            (0.0, True)
        """
        check_count("shuffles", shuffles, 1)
        weights = unit_weights(scm)
        sites = np.array([scm.units.sites[s] for s in scm.units.site.tolist()])
        blocks = [np.flatnonzero(sites == site) for site in dict.fromkeys(sites)]
        generator = np.random.default_rng(seed)

        def cut(one_way: np.ndarray) -> float:
            both = one_way + one_way.T
            return n_cut(both, spectral_clusters(both, k, seed))

        found: list[float] = []
        for _ in range(shuffles):
            moved = weights.copy()
            for senders in blocks:
                for receivers in blocks:
                    here = np.ix_(senders, receivers)
                    if moved[here].any():
                        moved[here] = generator.permuted(moved[here].ravel()).reshape(
                            moved[here].shape
                        )
            found.append(cut(moved))
        return ShuffledCut(cut(weights), tuple(found))


MEASURES.register(NormalisedCut.name)(NormalisedCut())
