"""Clusters of units whose activations go together."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from causalmod.errors import InputError
from causalmod.exchange import partition_of
from causalmod.exchange.choice import check_rows
from causalmod.measures.normalised_cut import n_cut, spectral_clusters
from causalmod.measures.protocol import MEASURES
from causalmod.measures.weights import partition_by_number
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel


def correlation_graph(scm: StructuralCausalModel, rows: Tensor | None = None) -> np.ndarray:
    """Return the absolute rank correlation of each two live units on the data.

    Spearman's: the correlation of ranks, ties at their mean. Units of several coordinates (the
    pixels of a channel) go by their mean. A unit that is constant on the rows has no correlation.

    Returns:
        ndarray: ``[unit, unit]`` from 0 to 1, 0 on the diagonal; no unit.

    Raises:
        InputError: rows that cannot be, or fewer than 3.

    Source: Spearman, American Journal of Psychology 15(1):72 (1904).

    Example:
        >>> from causalmod import zoo
        >>> correlation_graph(zoo.fork().compile()).tolist()  # two copies of one input
        [[0.0, 1.0], [1.0, 0.0]]
    """
    from scipy.stats import rankdata

    used = check_rows(rows, scm.rows)
    if len(used) < 3:
        raise InputError(f"at least 3 rows are needed for correlations; given {len(used)}")
    parts = []
    for place, site in enumerate(scm.units.sites):
        index = scm.units.index[scm.units.at(place)]
        parts.append(scm.blocks(site)[used][:, index].double().mean(-1).cpu().numpy())
    ranks = rankdata(np.concatenate(parts, axis=1), axis=0)
    ranks -= ranks.mean(0)
    size = np.linalg.norm(ranks, axis=0)
    ranks = np.divide(ranks, size, out=np.zeros_like(ranks), where=size > 0)
    found = np.round(np.minimum(np.abs(ranks.T @ ranks), 1.0), 12)
    found = (found + found.T) / 2
    np.fill_diagonal(found, 0.0)
    return found


class CorrelationClustering:
    """Normalised cut of the graph of rank correlations between units' activations.

    ``ncut = sum_m A(m, rest) / A(m, all)`` with ``A_ij = |Spearman(i, j)|``. No unit: 0 for modules
    whose activity is unrelated. It is not the problem of the same name of Bansal, Blum and Chawla
    (2004).

    Units that have a cause in common go together though they never speak, and units that speak
    through an exclusive or do not go together: it only watches, two at a time.

    Source: Hod et al., *Quantifying local specialization in deep neural networks* (2022),
    arXiv:2110.08058, section 3, for clusters by correlation; Filan et al. (2021), arXiv:2103.03386,
    for the cut.

    Example:
        >>> from causalmod import zoo
        >>> case = zoo.ducks_and_shadows(rho=0.0)
        >>> CorrelationClustering()(case.compile(), Partition(case.modules))
        0.0
    """

    name = "correlation_clustering"
    paper = "Hod et al. (2022)"
    lower_is_modular = True

    def __call__(
        self,
        scm: StructuralCausalModel,
        partition: Partition,
        *,
        rows: Tensor | None = None,
        seed: int = 0,
    ) -> float:
        """Return the n-cut; no unit. The seed plays no part.

        Raises:
            PartitionError: the partition does not fit the model.
            InputError: rows that cannot be, or no two units are correlated.
        """
        split = partition_of(scm, partition)
        labels = [split.labels[unit] for unit in scm.units.names]
        return n_cut(correlation_graph(scm, rows), labels)

    def search(
        self, scm: StructuralCausalModel, k: int, *, rows: Tensor | None = None, seed: int = 0
    ) -> Partition:
        """Cluster the graph of correlations; see :func:`causalmod.measures.spectral_clusters`.

        Raises:
            InputError: fewer than two modules, or more than units; or as for a call.

        Example:
            >>> from causalmod import zoo
            >>> case = zoo.ducks_and_shadows(rho=0.0)
            >>> CorrelationClustering().search(case.compile(), 2).blocks == case.partition.blocks
            True
        """
        found = spectral_clusters(correlation_graph(scm, rows), k, seed)
        return partition_by_number(scm.units.names, found)


MEASURES.register(CorrelationClustering.name)(CorrelationClustering())
