"""What a measure of modularity is, and the table of those there are."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from causalmod._registry import Registry
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel


class Measure(Protocol):
    """Maps a model and a partition of its live units to one number."""

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
            partition: a split of all its live units.
            rows: row numbers to use; all by default.
            seed: seed of everything random.
        """
        ...


MEASURES: Registry[Measure] = Registry(
    "measure", "causalmod.measures", {"__call__": ("scm", "partition", "rows", "seed")}
)
