"""Unit-to-unit flow between modules: each unit resampled by itself."""

from __future__ import annotations

from torch import Tensor

from causalmod.exchange import partition_of, unit_labels
from causalmod.exchange.choice import check_count, check_rows
from causalmod.measures.protocol import MEASURES
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel
from causalmod.search.flow import find_flow


class UnitFlow:
    """Sum over units of different modules of how strongly one moves the other directly.

    ``sum_ij E[(j' - j)^2] / 2 Var(j) [modules differ]``, with ``j'`` what ``j`` answers when ``i``
    takes its value of another row, and everything else is held. No unit (variances of the
    receiver). In closed form where units follow from linear layers, elementwise; elsewhere one
    resampling of each unit.

    Units are taken one at a time, so what several say together is counted several times, and
    weights that cancel on the data still count.

    Args:
        contexts: rows on which a unit is resampled.

    Source: this package; it is the graph that :func:`causalmod.modularity` starts from.

    Example:
        >>> from causalmod import zoo
        >>> scm = zoo.ducks_and_shadows().compile()
        >>> round(UnitFlow()(scm, Partition({"a": ["hidden"], "b": ["output"]})), 4)
        2.0
    """

    name = "unit_flow"
    paper = "causalmod"
    lower_is_modular = True

    def __init__(self, contexts: int = 64) -> None:
        self.contexts = check_count("contexts", contexts, 1)

    def __call__(
        self,
        scm: StructuralCausalModel,
        partition: Partition,
        *,
        rows: Tensor | None = None,
        seed: int = 0,
    ) -> float:
        """Return the flow between modules.

        Raises:
            PartitionError: the partition does not fit the model.
            InputError: rows that cannot be.
        """
        labels, _ = unit_labels(scm, partition_of(scm, partition))
        used = check_rows(rows, scm.rows)
        contexts = min(self.contexts, len(used))
        flow = find_flow(scm, used, contexts=contexts, seed=seed).dense()
        return float(flow[labels[:, None] != labels[None, :]].sum())


MEASURES.register(UnitFlow.name)(UnitFlow())
