"""Our own score of a partition, as a measure among the others."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from causalmod.exchange import partition_of, unit_labels
from causalmod.exchange.choice import check_resolution, check_rows
from causalmod.measures.protocol import MEASURES
from causalmod.modularity.pipeline import Settings, reporting, search, settle
from causalmod.modularity.reading import as_partition
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel
from causalmod.search import SearchBudget
from causalmod.search.problem import canonical


class ModularityScore:
    """How much less the modules exchange than random modules of the same sizes per layer.

    ``1 - S(partition)``, where ``S = c / mean c`` compares the worst module's cost
    ``c = max_m X(m) / (X(m) + 2 int(m))`` with that of random partitions of the same sizes per
    layer: ``X(m)`` is what module and rest exchange, ``int(m)`` what flows inside. No unit; 1 for
    modules that exchange nothing, 0 for modules as good as random ones, negative for worse ones. It
    is the uncalibrated score, :attr:`causalmod.Modularity.raw`, of any partition: on the one that
    :func:`causalmod.modularity` finds with the same seed the two are equal.

    Counted exactly where all units take few values; else a Gaussian channel on a sample that the
    seed fixes, so that equal functions on equal data give equal values.

    It cannot see what no module of the partition is asked for (a bypass around the chosen sites),
    and being a ratio it says nothing about the number of bits; a network whose every partition is
    as good reads 0.

    Args:
        resolution: noise scale in standard deviations, where values are not counted.

    Raises:
        InputError: ``resolution`` is not above 0.

    Source: this package; the ratio over modules is that of the normalised cut of Shi and Malik,
    IEEE TPAMI 22(8):888 (2000), with bits in place of weights.

    Example:
        >>> from causalmod import zoo
        >>> case = zoo.isolated()
        >>> ModularityScore()(case.compile(), Partition(case.modules))
        1.0
    """

    name = "modularity"
    paper = "causalmod"
    lower_is_modular = False

    def __init__(self, resolution: float = 1.0) -> None:
        self.resolution = check_resolution(resolution)

    def __call__(
        self,
        scm: StructuralCausalModel,
        partition: Partition,
        *,
        rows: Tensor | None = None,
        seed: int = 0,
    ) -> float:
        """Return ``1 - S``.

        Args:
            scm: the model.
            partition: a split of all its live units.
            rows: row numbers to use; by default those that :func:`causalmod.modularity` reports on.
            seed: seed of contexts, donors and random partitions.

        Raises:
            PartitionError: the partition does not fit the model.
            InputError: rows that cannot be, or memory for less than one partition.
        """
        split = partition_of(scm, partition)
        settings = self._settings(scm, len(split), rows, seed)
        labels, _ = unit_labels(scm, split)
        return 1.0 - reporting(scm, settings).score(canonical(labels))

    def search(
        self, scm: StructuralCausalModel, k: int, *, rows: Tensor | None = None, seed: int = 0
    ) -> Partition:
        """Find the best partition into ``k`` modules, as :func:`causalmod.modularity` does.

        Raises:
            InputError: more modules than live units, or fewer than two.

        Example:
            >>> from causalmod import zoo
            >>> case = zoo.isolated()
            >>> ModularityScore().search(case.compile(), 2).blocks == case.partition.blocks
            True
        """
        return as_partition(scm, search(scm, self._settings(scm, k, rows, seed)).labels)

    def _settings(
        self, scm: StructuralCausalModel, k: int, rows: Tensor | None, seed: int
    ) -> Settings:
        made = settle(scm, k, "auto", self.resolution, SearchBudget(), seed)
        if rows is None:
            return made
        used = check_rows(rows, scm.rows)
        if not made.held_out:
            return replace(made, searched=used, reported=used)
        order = torch.randperm(len(used), generator=torch.Generator().manual_seed(seed))
        half = len(used) // 2
        searched, reported = used[order[:half].sort()[0]], used[order[half:].sort()[0]]
        return replace(made, searched=searched, reported=reported)


MEASURES.register(ModularityScore.name)(ModularityScore())
