"""Effective information: what one module tells another when it is set to all its states alike."""

from __future__ import annotations

from torch import Tensor

from causalmod.exchange import information
from causalmod.exchange.choice import check_resolution
from causalmod.information import Estimate
from causalmod.measures.pairs import Pair, over_pairs
from causalmod.measures.protocol import MEASURES
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel


class EffectiveInformation:
    """Effective information between modules, over ordered pairs.

    ``sum_{B, C} I(B'; C | do(B := B'))`` with ``B'`` of maximum entropy: each unit by itself,
    uniform over its observed values where they are few, else over its observed range. In bits.

    Such interventions leave the data far behind: units of a module that always agree are set apart,
    so figures are of what the module could send, not of what it sends. An average over contexts, it
    cannot see an exclusive or of two modules' bits.

    Counted where all units take few values and their combinations are not too many; else through a
    Gaussian channel on a sample.

    Args:
        resolution: noise scale in standard deviations, where values are not counted.

    Raises:
        InputError: ``resolution`` is not above 0.

    Source: Hoel, Albantakis and Tononi, PNAS 110(49):19790 (2013), equation 1; Tononi and Sporns,
    BMC Neuroscience 4:31 (2003), for parts of one system.

    Example:
        >>> from causalmod import zoo
        >>> case = zoo.copy_bit()
        >>> EffectiveInformation()(case.compile(), Partition(case.modules))
        1.0
    """

    name = "effective_information"
    paper = "Hoel et al. (2013)"
    lower_is_modular = True

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
        """Measure the bits, with an interval where they are sampled.

        Raises:
            PartitionError: the partition does not fit the model.
            InputError: rows that cannot be, or a resolution that cannot be.
        """

        def by(estimator: str) -> Pair:
            return lambda model, sender, receiver: information(
                model,
                sender,
                receiver,
                "effective",
                estimator=estimator,
                resolution=self.resolution,
                seed=seed,
            )

        return over_pairs(scm, partition, rows, seed, by("exact"), by("gaussian"))


MEASURES.register(EffectiveInformation.name)(EffectiveInformation())
