"""The resolution curve of a figure: how many bits, as one looks more closely."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from causalmod._display import FIGURES
from causalmod.errors import EstimatorError, InputError
from causalmod.exchange.choice import check_resolution
from causalmod.exchange.information import information
from causalmod.exchange.question import Selectors
from causalmod.information import ESTIMATORS, Estimate
from causalmod.scm import StructuralCausalModel

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_COLUMNS = ("bits", "low", "high", "upper", "upper_low", "upper_high", "saturated")


@dataclass(frozen=True)
class ResolutionCurve:
    """One figure at several resolutions.

    Attributes:
        estimates: resolution, in standard deviations of each unit → the figure.

    Example:
        >>> from causalmod import zoo
        >>> scm = zoo.copy_bit().compile()
        >>> resolution_curve(scm, "b", "output", resolutions=(0.1, 1.0), draws=2048)
        ResolutionCurve(0.1: 1.00 bits, 1: 0.32 to 0.82 bits)
    """

    estimates: dict[float, Estimate] = field(repr=False)

    def __repr__(self) -> str:
        shown = (f"{scale:g}: {_short(found)} bits" for scale, found in self.estimates.items())
        return f"ResolutionCurve({', '.join(shown)})"

    def to_frame(self) -> pd.DataFrame:
        """Return a table: a row for each resolution."""
        import pandas as pd

        data = [[getattr(e, name) for name in _COLUMNS] for e in self.estimates.values()]
        index = pd.Index(self.estimates, name="resolution")
        return pd.DataFrame(data, index=index, columns=pd.Index(_COLUMNS))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return {f"{scale:g}": found.to_dict() for scale, found in self.estimates.items()}

    def _repr_html_(self) -> str:
        table = self.to_frame().to_html(float_format=lambda bits: f"{bits:.4f}", na_rep="")
        return f"<p>Bits at several resolutions</p>{table}"

    def plot(self) -> Figure:
        """Draw the curve, lower bound and upper bound."""
        return FIGURES.get("resolution curve")(self)


def _short(found: Estimate) -> str:
    low, high = f"{found.bits:.2f}", f"{found.bits if found.upper is None else found.upper:.2f}"
    return low if low == high else f"{low} to {high}"


def resolution_curve(
    scm: StructuralCausalModel,
    source: Selectors,
    target: Selectors,
    kind: str = "conditional",
    *,
    resolutions: Iterable[float] = (0.3, 1.0, 3.0),
    estimator: str = "pairwise",
    **options: Any,
) -> ResolutionCurve:
    """Measure the same information with more and with less noise.

    A continuous signal has no number of bits of its own: the finer one looks, the more there are.
    The curve tells what is silent at every scale from what is merely small.

    Args:
        scm: the model.
        source: as for :func:`causalmod.information`.
        target: the same.
        kind: the same.
        resolutions: noise scales, in standard deviations of each unit.
        estimator: ``"pairwise"`` or ``"gaussian"``: those that add noise of a resolution.
        **options: further arguments of :func:`causalmod.information`.

    Returns:
        ResolutionCurve: an :class:`~causalmod.Estimate` in bits for each resolution, rising.

    Raises:
        EstimatorError: an estimator that adds no noise.
        InputError: no resolution, or one that is not a positive number; and as for
            :func:`causalmod.information`.

    Source: Kolchinsky and Tracey, Entropy 19(7):361 (2017), for the bounds.

    Example:
        >>> from causalmod import zoo
        >>> curve = resolution_curve(zoo.xor().compile(), "b", "output", resolutions=(0.1, 1.0))
        >>> curve.estimates[0.1].bits > curve.estimates[1.0].bits
        True
    """
    if "resolution" in options:
        raise InputError("a curve takes resolutions=(...), one or more numbers, not resolution=")
    if estimator in ESTIMATORS.names() and not ESTIMATORS.get(estimator).uses_resolution:
        raise EstimatorError(
            f"estimator={estimator!r} adds no noise, so that its figures have no resolution; use "
            "'pairwise' or 'gaussian'"
        )
    if isinstance(resolutions, str) or not isinstance(resolutions, Iterable):
        raise InputError(f"resolutions are numbers such as (0.3, 1.0, 3.0); given {resolutions!r}")
    scales = sorted({check_resolution(scale) for scale in resolutions})
    if not scales:
        raise InputError("resolutions are empty; give one or more numbers, such as (0.3, 1.0, 3.0)")
    found = {
        scale: information(
            scm, source, target, kind, estimator=estimator, resolution=scale, **options
        )
        for scale in scales
    }
    return ResolutionCurve(found)
