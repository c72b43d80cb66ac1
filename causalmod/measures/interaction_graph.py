"""The interaction graph: which units' activity is made of which others', by gradients."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from causalmod.exchange import partition_of
from causalmod.exchange.choice import check_count, check_rows
from causalmod.exchange.coordinates import Coordinates
from causalmod.measures.gradients import direct_gradients
from causalmod.measures.newman import greedy_modules, newman_q
from causalmod.measures.protocol import MEASURES
from causalmod.measures.weights import partition_by_number
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel


def attribution_graph(
    scm: StructuralCausalModel,
    rows: Tensor | None = None,
    *,
    contexts: int = 64,
    steps: int = 8,
    seed: int = 0,
) -> np.ndarray:
    """Return how much of each unit's activity is attributed to each unit that it reads directly.

    ``E_ij = sqrt( mean_x A_ij(x)^2 ) / sd_j``, with the integrated gradient
    ``A_ij(x) = (x_i - mean_i) · ∫ ∂f_j/∂x_i (mean + a (x - mean)) da`` over ``a`` from 0 to 1, all
    units that ``j`` reads moving from their means to their values together. Over the coordinates of
    a sender attributions are summed; over those of a receiver their squares are.

    Args:
        scm: the model.
        rows: row numbers to draw from; all by default.
        contexts: number of rows that are looked at, at most.
        steps: points of the integral (midpoint rule).
        seed: seed of the draw.

    Returns:
        ndarray: ``[sender, receiver]``, in standard deviations of the receiver.

    Raises:
        InputError: rows or counts that cannot be; too many coordinates.

    Source: Sundararajan, Taly and Yan, ICML (2017), equation 1, for integrated gradients; Bushnaq
    et al., *The local interaction basis* (2024), arXiv:2405.10928, for their mean square as edges
    between centred units.

    Example:
        >>> from causalmod import zoo
        >>> attribution_graph(zoo.ducks_and_shadows().compile()).round(6).tolist()
        [[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    used = check_rows(rows, scm.rows)
    check_count("contexts", contexts, 1)
    check_count("steps", steps, 1)
    if len(used) > contexts:
        order = torch.randperm(len(used), generator=torch.Generator().manual_seed(seed))
        used = used[order[:contexts].sort()[0]]
    coordinates = Coordinates(scm)
    values = coordinates.observed().values.double().cpu()
    moved = values[used] - values.mean(0)
    owner = torch.nn.functional.one_hot(coordinates.unit_of, len(scm.units)).double()
    shares = (torch.arange(steps) + 0.5) / steps
    power = torch.zeros(len(scm.units), len(scm.units), dtype=torch.float64)
    for found in direct_gradients(scm, used.repeat(steps), shares.repeat_interleave(len(used))):
        slopes = found.slopes.unflatten(0, (steps, len(used))).mean(0)
        parts = (moved * slopes) @ owner
        power[:, found.unit] += parts.square().mean(0) / found.scale**2
    return power.sqrt().numpy()


class InteractionGraph:
    """Newman's Q of the interaction graph: of attributions in place of weights.

    ``Q = (1 / 2m) sum_ij [A_ij - k_i k_j / 2m] [same module]``, with ``A = E + E^T`` and ``E`` that
    of :func:`attribution_graph`. No unit. Attributions are in standard deviations of the receiver,
    so rescaling a unit changes nothing, and a unit that never fires has none.

    Gradients do not see steps: what a threshold or a rounding passes on has slope 0. Q weighs edges
    one by one, so a bit that is copied to a hundred units counts a hundred times; and like any Q it
    is high for sparse graphs of any kind.

    Args:
        contexts: number of rows that are looked at, at most.
        steps: points of the integral along each path.

    Source: Bushnaq et al., *Using degeneracy in the loss landscape for mechanistic
    interpretability* (2024), arXiv:2405.10927, section 5, and *The local interaction basis* (2024),
    arXiv:2405.10928.

    Example:
        >>> from causalmod import zoo
        >>> case = zoo.ducks_and_shadows()
        >>> round(InteractionGraph()(case.compile(), Partition(case.modules)), 6)
        0.5
    """

    name = "interaction_graph"
    paper = "Bushnaq et al. (2024)"
    lower_is_modular = False

    def __init__(self, contexts: int = 64, steps: int = 8) -> None:
        self.contexts = check_count("contexts", contexts, 1)
        self.steps = check_count("steps", steps, 1)

    def __call__(
        self,
        scm: StructuralCausalModel,
        partition: Partition,
        *,
        rows: Tensor | None = None,
        seed: int = 0,
    ) -> float:
        """Return Q; no unit. The seed chooses the rows.

        Raises:
            PartitionError: the partition does not fit the model.
            InputError: rows that cannot be, or no unit has a slope by another one.
        """
        split = partition_of(scm, partition)
        labels = [split.labels[unit] for unit in scm.units.names]
        return newman_q(self._graph(scm, rows, seed), labels)

    def search(
        self, scm: StructuralCausalModel, k: int, *, rows: Tensor | None = None, seed: int = 0
    ) -> Partition:
        """Merge units greedily into ``k`` modules; see :func:`causalmod.measures.greedy_modules`.

        Raises:
            InputError: fewer than two modules, or more than units; or as for a call.

        Example:
            >>> from causalmod import zoo
            >>> case = zoo.isolated()
            >>> InteractionGraph().search(case.compile(), 2).blocks == case.partition.blocks
            True
        """
        return partition_by_number(scm.units.names, greedy_modules(self._graph(scm, rows, seed), k))

    def _graph(self, scm: StructuralCausalModel, rows: Tensor | None, seed: int) -> np.ndarray:
        found = attribution_graph(scm, rows, contexts=self.contexts, steps=self.steps, seed=seed)
        return found + found.T


MEASURES.register(InteractionGraph.name)(InteractionGraph())
