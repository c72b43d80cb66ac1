"""Exchange in its three forms, as measures of a partition."""

from __future__ import annotations

from torch import Tensor

from causalmod.errors import EstimatorError, InputError, nearest
from causalmod.exchange import exchange
from causalmod.exchange.choice import check_count, check_resolution
from causalmod.information import Estimate
from causalmod.measures.pairs import countable
from causalmod.measures.protocol import MEASURES
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel

_NAMES = {
    "conditional": "exchange",
    "averaged": "exchange_averaged",
    "strength": "exchange_strength",
}
_PAPERS = {
    "conditional": "causalmod",
    "averaged": "Ay and Polani (2008)",
    "strength": "Janzing et al. (2013)",
}


class ExchangedBits:
    """Bits that the modules send each other; see :func:`causalmod.exchange`.

    The sum over modules ``m`` of what each receives from the others, in bits:

    - ``"conditional"``: ``E_x H(R_m(x, X'))``, the context being known;
    - ``"averaged"``: ``I(X'; R_m)``, averaged over contexts; it cannot see an exclusive or;
    - ``"strength"``: ``KL(P || P_cut)`` of the arrows between modules.

    Counted where all units take few values. Else the conditional form is the lower of two bounds by
    distances, strength that of the receivers' bins, and the averaged form that of a Gaussian
    channel: a bound from below is 0 there for groups of more than a few units.

    Bits are not shares: few small modules exchange less than many large ones whatever the network,
    so figures compare at equal numbers of modules and sizes only.

    Args:
        kind: one of the three forms.
        resolution: noise scale in standard deviations, where values are not counted.
        contexts: contexts to look at, or all if there are fewer; None for the form's own number.

    Raises:
        InputError: an unknown form, a resolution that is not above 0, or fewer than 2 contexts.

    Source: Ay and Polani, Advances in Complex Systems 11(1):17 (2008), equations 9 and 10, for the
    averaged form; Janzing et al., Annals of Statistics 41(5):2324 (2013), for strength.

    Example:
        >>> from causalmod import zoo
        >>> scm = zoo.xor().compile()
        >>> split = Partition({"a": ["a"], "b": ["b"], "c": ["output"]})
        >>> ExchangedBits("conditional")(scm, split)
        1.0
    """

    lower_is_modular = True

    def __init__(
        self, kind: str = "conditional", resolution: float = 1.0, contexts: int | None = None
    ) -> None:
        if kind not in _NAMES:
            raise InputError(f"unknown kind {kind!r}: {nearest(str(kind), _NAMES)}")
        self.kind, self.resolution = kind, check_resolution(resolution)
        self.contexts = None if contexts is None else check_count("contexts", contexts, 2)

    @property
    def name(self) -> str:
        """Name in the registry."""
        return _NAMES[self.kind]

    @property
    def paper(self) -> str:
        """Where the form comes from."""
        return _PAPERS[self.kind]

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
        """Measure the exchange of a partition with its interval, as :func:`causalmod.exchange`.

        Raises:
            PartitionError: the partition does not fit the model.
            InputError: rows that cannot be.
            EstimatorError: strength needs arrows that are not there.
        """
        contexts = self.contexts
        if contexts is not None:
            contexts = min(contexts, scm.rows if rows is None else len(rows))

        def by(estimator: str) -> Estimate:
            return exchange(
                scm,
                partition,
                kind=self.kind,
                estimator=estimator,
                resolution=self.resolution,
                rows=rows,
                contexts=contexts if estimator != "exact" else None,
                seed=seed,
                progress=False,
            ).estimate

        if self.kind != "averaged":
            return by("auto")
        if countable(scm):
            try:
                return by("exact")
            except EstimatorError:  # too many combinations of donors
                pass
        return by("gaussian")


#: Its contexts are sets of draws: 64 read as 256 do, to a hundredth, in a fifth of the time.
_CONTEXTS = {"averaged": 64}

for _kind, _name in _NAMES.items():
    MEASURES.register(_name)(ExchangedBits(_kind, contexts=_CONTEXTS.get(_kind)))
