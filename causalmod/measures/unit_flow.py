"""Flow from unit to unit, summed over the pairs that a partition separates."""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.exchange import partition_of, unit_labels
from causalmod.exchange.choice import check_rows
from causalmod.measures.protocol import MEASURES
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel
from causalmod.search.flow import find_flow


class UnitFlow:
    """How strongly units move units of other modules directly, one sender at a time.

    ``sum_ij F_ij [other module] / sum_ij F_ij`` with ``F_ij`` the variance of unit ``j`` that comes
    from resampling unit ``i`` alone, the rest being held, over the variance of ``j``. No unit; 0
    for modules that nothing flows between, 1 where all flow crosses.

    It is the graph that the search starts from, and costs a closed form where layers are linear up
    to elementwise steps. What two units only do together cancels in it, or adds up twice: an
    exclusive or is seen, twin units whose effects cancel are not.

    Source: this package; the idea of one sender at a time is that of variance-based sensitivity
    (Sobol, Mathematics and Computers in Simulation 55:271 (2001)).

    Example:
        >>> from causalmod import zoo
        >>> case = zoo.isolated()
        >>> UnitFlow()(case.compile(), Partition(case.modules))
        0.0
    """

    name = "unit_flow"
    paper = "causalmod"
    lower_is_modular = True

    def __call__(
        self,
        scm: StructuralCausalModel,
        partition: Partition,
        *,
        rows: Tensor | None = None,
        seed: int = 0,
    ) -> float:
        """Return the share of the flow that crosses between modules.

        Args:
            scm: the model.
            partition: a split of all its live units.
            rows: row numbers to use; all by default.
            seed: seed of the donors, where flow has no closed form.

        Raises:
            PartitionError: the partition does not fit the model.
        """
        labels, _ = unit_labels(scm, partition_of(scm, partition))
        flow = find_flow(scm, check_rows(rows, scm.rows), seed=seed).dense()
        total = float(flow.sum())
        if total == 0.0:
            return 0.0
        crossing = labels[:, None] != labels[None, :]
        return float(torch.where(crossing, flow, 0.0).sum()) / total


MEASURES.register(UnitFlow.name)(UnitFlow())
