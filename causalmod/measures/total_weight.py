"""Total weight between modules: the simplest thing that one can read off a network."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from causalmod.measures.protocol import MEASURES
from causalmod.measures.weights import weight_graph
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel


class TotalWeight:
    """Sum of the absolute weights between units of different modules.

    ``sum_ij |W_ij| [modules differ]``, no unit, inputs left out. Least for the most uneven split of
    almost any network: nothing is weighed against it.

    It reads weights alone: rescaling a ReLU unit changes it, though the network computes what it
    did; a unit that never fires counts by its weights; a bias that shuts a unit does not show.

    Source: the cut of Shi and Malik, IEEE TPAMI 22(8):888 (2000), equation 1, on absolute weights.

    Example:
        >>> from causalmod import zoo
        >>> scm = zoo.ducks_and_shadows().compile()
        >>> TotalWeight()(scm, Partition({"a": ["hidden"], "b": ["output"]}))
        2.0
    """

    name = "total_weight"
    paper = "Shi and Malik (2000)"
    lower_is_modular = True

    def __call__(
        self,
        scm: StructuralCausalModel,
        partition: Partition,
        *,
        rows: Tensor | None = None,
        seed: int = 0,
    ) -> float:
        """Return the weight between modules. Data and seed play no part.

        Raises:
            PartitionError: the partition does not fit the model.
            InputError: units are joined by something else than linear layers.
        """
        graph = weight_graph(scm, partition)
        labels = np.array(graph.labels)
        return float(graph.weights[labels[:, None] != labels[None, :]].sum())


MEASURES.register(TotalWeight.name)(TotalWeight())
