"""Newman's Q: do weights fall inside modules more often than the units' degrees would have it?"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from torch import Tensor

from causalmod.measures.graphs import check_graph, check_modules
from causalmod.measures.protocol import MEASURES
from causalmod.measures.weights import partition_by_number, unit_weights, weight_graph
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel


def newman_q(adjacency: np.ndarray, labels: Sequence[Hashable]) -> float:
    """Modularity of a partition of a weighted, undirected graph.

    ``Q = (1 / 2m) sum_ij [A_ij - k_i k_j / 2m] [same module]``, with ``k_i = sum_j A_ij`` and
    ``2m = sum_i k_i``. No unit; below 1, and 0 for weights that fall as the degrees have it.

    Args:
        adjacency: ``[node, node]`` symmetric weights, none negative.
        labels: the module of each node.

    Raises:
        InputError: the matrix is not square, symmetric and non-negative, has no weight at all, or
            another size than ``labels``.

    Source: Newman, PNAS 103(23):8577 (2006); weighted as in Newman, Phys. Rev. E 70:056131 (2004).

    Example:
        >>> pairs = np.kron(np.eye(2), np.ones((2, 2)) - np.eye(2))
        >>> newman_q(pairs, ["a", "a", "b", "b"])
        0.5
    """
    import networkx as nx

    matrix = check_graph(adjacency, len(labels))
    graph = nx.from_numpy_array(matrix)
    modules: dict[Hashable, set[int]] = {}
    for node, label in enumerate(labels):
        modules.setdefault(label, set()).add(node)
    return float(nx.community.modularity(graph, modules.values(), weight="weight"))


def greedy_modules(adjacency: np.ndarray, k: int) -> list[int]:
    """Split a weighted, undirected graph into ``k`` modules of high Q, by greedy merging.

    Args:
        adjacency: ``[node, node]`` symmetric weights, none negative.
        k: number of modules.

    Returns:
        list: module number of each node.

    Raises:
        InputError: as for :func:`newman_q`; fewer than two modules, or more than nodes.

    Source: Clauset, Newman and Moore, Phys. Rev. E 70:066111 (2004), in networkx.

    Example:
        >>> pairs = np.kron(np.eye(2), np.ones((2, 2)) - np.eye(2))
        >>> greedy_modules(pairs, 2)
        [0, 0, 1, 1]
    """
    import networkx as nx

    matrix = check_graph(adjacency)
    check_modules(k, len(matrix))
    graph = nx.from_numpy_array(matrix)
    merged = nx.community.greedy_modularity_communities(graph, weight="weight", cutoff=k, best_n=k)
    numbers = [0] * len(matrix)
    for number, module in enumerate(sorted(merged, key=min)):
        for node in module:
            numbers[node] = number
    return numbers


class NewmanQ:
    """Newman's Q on the absolute weights between a network's units, inputs left out.

    ``Q = (1 / 2m) sum_ij [A_ij - k_i k_j / 2m] [same module]`` with ``A = |W| + |W|^T``. No unit.

    It reads weights alone: rescaling a ReLU unit (incoming weights times c, outgoing ones divided
    by c) changes Q, though the network computes what it did. So do units that never fire, where the
    partition names them, and biases that shut a unit change nothing.

    Source: Newman, PNAS 103(23):8577 (2006); on weights of networks, Filan et al. (2021),
    arXiv:2103.03386.

    Example:
        >>> from causalmod import zoo
        >>> case = zoo.ducks_and_shadows()
        >>> NewmanQ()(case.compile(), Partition(case.modules))
        0.5
    """

    name = "newman_q"
    paper = "Newman (2006)"
    lower_is_modular = False

    def __call__(
        self,
        scm: StructuralCausalModel,
        partition: Partition,
        *,
        rows: Tensor | None = None,
        seed: int = 0,
    ) -> float:
        """Return Q; no unit. Data and seed play no part.

        Raises:
            PartitionError: the partition does not fit the model.
            InputError: units are joined by something else than linear layers, or not at all.
        """
        graph = weight_graph(scm, partition)
        return newman_q(graph.undirected, graph.labels)

    def search(
        self, scm: StructuralCausalModel, k: int, *, rows: Tensor | None = None, seed: int = 0
    ) -> Partition:
        """Merge the units that raise Q most, or lower it least, until there are ``k`` modules.

        Raises:
            InputError: fewer than two modules, or more than units; or as for a call.

        Source: Clauset, Newman and Moore, Phys. Rev. E 70:066111 (2004), in networkx.

        Example:
            >>> from causalmod import zoo
            >>> case = zoo.isolated()
            >>> NewmanQ().search(case.compile(), 2).blocks == case.partition.blocks
            True
        """
        names = scm.units.names
        weights = unit_weights(scm)
        return partition_by_number(names, greedy_modules(weights + weights.T, k))


MEASURES.register(NewmanQ.name)(NewmanQ())
