"""What a measure of modularity is, and the table of those there are."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from causalmod._registry import Registry
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel


class Measure(Protocol):
    """Maps a model and a partition of its units to one number.

    A measure may also have:

    - ``search(scm, k, *, rows=None, seed=0) -> Partition``: its own search for the best partition;
    - ``estimate(scm, partition, *, rows=None, seed=0) -> Estimate``: the number with an interval.
    """

    @property
    def name(self) -> str:
        """Name in the registry."""
        ...

    @property
    def paper(self) -> str:
        """Where the measure comes from."""
        ...

    @property
    def lower_is_modular(self) -> bool:
        """Does a lower number mean more modular?"""
        ...

    def __call__(
        self,
        scm: StructuralCausalModel,
        partition: Partition,
        *,
        rows: Tensor | None = None,
        seed: int = 0,
    ) -> float:
        """Measure a partition.

        Args:
            scm: the model.
            partition: a split of all its live units. Inert units may stand in it too: a measure of
                activity leaves them out, one on weights counts them, as it cannot tell.
            rows: row numbers to use; all by default.
            seed: seed of everything random.
        """
        ...


MEASURES: Registry[Measure] = Registry(
    "measure", "causalmod.measures", {"__call__": ("scm", "partition", "rows", "seed")}
)
