"""What modules share when one only watches: observational mutual information."""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.exchange import partition_of, unit_labels
from causalmod.exchange.coordinates import Coordinates
from causalmod.information import ESTIMATORS, Estimate, Observed
from causalmod.information.intervals import jackknife
from causalmod.measures.protocol import MEASURES
from causalmod.partition import Partition
from causalmod.provenance import stopwatch
from causalmod.scm import StructuralCausalModel


class MutualInformation:
    """Information that the modules' activations share on the data, as if they were Gaussian.

    ``I(M_1; ...; M_k) = sum_j I(M_1..M_{j-1}; M_j)``, in bits, which for two modules is their
    mutual information; each term is
    ``1/2 log2 det(I + S_a/s^2) det(I + S_b/s^2) / det(I + S/s^2)`` with ``S`` the covariances and
    ``s = resolution × standard deviation`` of each unit. The mean over permutations of the rows,
    each module's apart, is taken off: what finite data show where nothing is shared.

    Modules with a common cause share information without exchanging any; this measure cannot tell.
    Far from Gaussian it counts too much: one bit copied to many units reads as several.

    Args:
        resolution: noise scale in standard deviations.
        permutations: permutations behind the correction and the null floor.

    Raises:
        InputError: ``resolution`` is not above 0, or ``permutations`` below 1.

    Source: Watanabe, IBM J. Res. Dev. 4(1):66 (1960), for several groups; Cover and Thomas,
    *Elements of Information Theory* (2006), section 8.5, for the Gaussian form.

    Example:
        >>> from causalmod import zoo
        >>> case = zoo.ducks_and_shadows(rho=0.0)
        >>> MutualInformation()(case.compile(), Partition(case.modules))
        0.0
    """

    name = "mutual_information"
    paper = "Watanabe (1960)"
    lower_is_modular = True

    def __init__(self, resolution: float = 1.0, permutations: int = 20) -> None:
        if not 0 < resolution < float("inf"):
            raise InputError(f"resolution must be a number above 0; given {resolution}")
        if permutations < 1:
            raise InputError(f"permutations must be at least 1; given {permutations}")
        self.resolution = resolution
        self.permutations = permutations

    def __call__(
        self,
        scm: StructuralCausalModel,
        partition: Partition,
        *,
        rows: Tensor | None = None,
        seed: int = 0,
    ) -> float:
        """Return the bits of :meth:`estimate`."""
        return self.estimate(scm, partition, rows=rows, seed=seed).bits

    def estimate(
        self,
        scm: StructuralCausalModel,
        partition: Partition,
        *,
        rows: Tensor | None = None,
        seed: int = 0,
    ) -> Estimate:
        """Measure the bits that modules share, with a 95% jackknife interval.

        Args:
            scm: the model.
            partition: a split of all its live units.
            rows: row numbers to use; all by default.
            seed: seed of the permutations.

        Returns:
            Estimate: ``null`` is the 95th percentile of the same figure over permutations.

        Raises:
            PartitionError: the partition does not fit the model.
            InputError: fewer than 4 rows.
        """
        with stopwatch() as watch:
            used = torch.arange(scm.rows) if rows is None else rows
            if len(used) < 4:
                raise InputError(
                    f"at least 4 rows are needed to see what is shared; given {len(used)}"
                )
            modules = self._modules(scm, partition, used)
            null = self._null(modules, len(used), seed)
            chance = float(null.mean())

            def shared(kept: Tensor) -> float:
                return self._shared([Observed(m.values[kept], m.scale) for m in modules]) - chance

            bits, low, high = jackknife(shared, len(used))
            reached = int((null >= bits + chance).sum())
            return Estimate(
                bits=max(0.0, bits),
                low=low,
                high=max(0.0, high),
                null=max(0.0, float(null.quantile(0.95)) - chance),
                p=(1 + reached) / (1 + self.permutations),
                kind="observational",
                estimator="gaussian",
                resolution=self.resolution,
                contexts=len(used),
                donors=1,
                seed=seed,
                note=f"{chance:.4f} bits taken off: the mean over permuted rows",
                provenance=scm.provenance(seed, watch.seconds),
            )

    def _modules(
        self, scm: StructuralCausalModel, partition: Partition, rows: Tensor
    ) -> list[Observed]:
        labels, names = unit_labels(scm, partition_of(scm, partition))
        coordinates = Coordinates(scm)
        everything = coordinates.observed()
        owner = labels[coordinates.unit_of]
        values = everything.values[rows].double()
        return [
            Observed(values[:, owner == m], everything.scale[owner == m]) for m in range(len(names))
        ]

    def _null(self, modules: list[Observed], rows: int, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        found: list[float] = []
        for _ in range(self.permutations):
            orders = [torch.randperm(rows, generator=generator) for _ in modules]
            shuffled = [
                Observed(m.values[o], m.scale) for m, o in zip(modules, orders, strict=True)
            ]
            found.append(self._shared(shuffled))
        return torch.tensor(found, dtype=torch.float64)

    def _shared(self, modules: list[Observed]) -> float:
        estimator = ESTIMATORS.get("gaussian")
        total, before = 0.0, modules[0]
        for module in modules[1:]:
            fitted = estimator.fit(before, module, self.resolution)
            total += float(fitted.shared(before.values, module.values).bits)
            values = torch.cat([before.values, module.values], dim=1)
            before = Observed(values, torch.cat([before.scale, module.scale]))
        return total


MEASURES.register(MutualInformation.name)(MutualInformation())
