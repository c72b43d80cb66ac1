"""Newman's Q: do weights fall inside modules more often than the units' degrees would have it?"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from torch import Tensor

from causalmod.errors import InputError
from causalmod.exchange import partition_of
from causalmod.measures.protocol import MEASURES
from causalmod.measures.weights import unit_weights
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

    matrix = np.asarray(adjacency, dtype=float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise InputError(f"adjacency must be a square matrix; given shape {matrix.shape}")
    if len(labels) != len(matrix):
        raise InputError(f"{len(matrix)} nodes need as many labels; given {len(labels)}")
    if not (np.isfinite(matrix).all() and (matrix >= 0).all() and np.array_equal(matrix, matrix.T)):
        raise InputError("adjacency must be symmetric, finite and non-negative; use |W| + |W|.T")
    if not matrix.any():
        raise InputError(
            "the graph has no weight at all, so Q is undefined; give at least one edge"
        )
    graph = nx.from_numpy_array(matrix)
    modules: dict[Hashable, set[int]] = {}
    for node, label in enumerate(labels):
        modules.setdefault(label, set()).add(node)
    return float(nx.community.modularity(graph, modules.values(), weight="weight"))


class NewmanQ:
    """Newman's Q on the absolute weights between a network's live units, inputs left out.

    It reads weights alone: rescaling a ReLU unit (incoming weights times c, outgoing ones divided
    by c) changes Q, though the network computes what it did.

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
        split = partition_of(scm, partition)
        weights = unit_weights(scm)
        return newman_q(weights + weights.T, [split.labels[unit] for unit in scm.units.names])


MEASURES.register(NewmanQ.name)(NewmanQ())
