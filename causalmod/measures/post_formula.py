"""The post's formula as it stands: what a module's states do to another's, against the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from causalmod.exchange import information
from causalmod.exchange.choice import check_resolution
from causalmod.information import Estimate
from causalmod.measures.pairs import over_pairs
from causalmod.measures.protocol import MEASURES
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel

_SAMPLED = (
    "states cannot be counted here, so P(c) is replaced by sum_b P(b) P(c|do(b)): the averaged "
    "form, through a Gaussian channel on a sample"
)


class PostFormula:
    """Bits that modules send each other, read against what each shows on the data.

    ``sum_{B, C} sum_{b, c} P(b) P(c|do(b)) log2( P(c|do(b)) / P(c) )`` over ordered pairs of
    modules, ``b`` and ``c`` their joint states, in bits. ``P(c)`` is what is *observed*; where
    interventions bring about a state that the data never show, the figure is infinite.

    States are counted where all units take few values. Elsewhere nothing tells how far
    interventions lead away from the data, and the figure is the averaged form's, ``P(c)`` replaced
    by ``sum_b P(b) P(c|do(b))``, through a Gaussian channel on a sample (a bound from below is 0
    for groups of this size); :meth:`estimate` says so in its note.

    It averages over the context, so it cannot see an exclusive or of two modules' bits, while it
    counts confounding (an AND whose inputs agree on the data reads .5 bits in place of .31).

    Args:
        resolution: noise scale in standard deviations, where states are not counted.

    Raises:
        InputError: ``resolution`` is not above 0.

    Source: the post that this package follows; with the mixture in place of ``P(c)``, Ay and
    Polani, Advances in Complex Systems 11(1):17 (2008), equation 9.

    Example:
        >>> from causalmod import zoo
        >>> scm = zoo.xor().compile()
        >>> PostFormula()(scm, Partition({"a": ["a"], "b": ["b"], "c": ["output"]}))
        0.0
    """

    name = "post_formula"
    paper = "the post"
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
        """Return the bits of :meth:`estimate`; ``inf`` where the data never show a state."""
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

        def counted(
            model: StructuralCausalModel, sender: Sequence[str], receiver: Sequence[str]
        ) -> Estimate:
            return information(
                model, sender, receiver, reference="observational", estimator="exact", seed=seed
            )

        def sampled(
            model: StructuralCausalModel, sender: Sequence[str], receiver: Sequence[str]
        ) -> Estimate:
            found = information(
                model, sender, receiver, estimator="gaussian", resolution=self.resolution, seed=seed
            )
            return replace(found, note=_SAMPLED)

        return over_pairs(scm, partition, rows, seed, counted, sampled)


MEASURES.register(PostFormula.name)(PostFormula())
