"""Exchange: what the modules of a partition send each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from causalmod._display import FIGURES
from causalmod.information import Estimate
from causalmod.partition import Partition

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_COLUMNS = ("bits", "low", "high", "upper", "null", "saturated")


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What the modules of a partition send each other.

    Attributes:
        estimate: the total, with interval, null floor and settings. Saturated where any module is.
        into: module name → bits that it receives from all others.
        matrix: (sender, receiver) → bits, everything else held at its context value (direct).
        partition: what was measured, in unit names of the model.
    """

    estimate: Estimate
    into: dict[str, Estimate]
    matrix: dict[tuple[str, str], Estimate]
    partition: Partition = field(repr=False)

    @property
    def bits(self) -> float:
        """Total bits: the sum over modules of what each receives."""
        return self.estimate.bits

    def __repr__(self) -> str:
        return (
            f"Exchange({self.estimate.describe()} bits over {len(self.into)} modules, "
            f"{self.estimate.kind})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return {
            "total": self.estimate.to_dict(),
            "into": {name: estimate.to_dict() for name, estimate in self.into.items()},
            "matrix": [
                {"sender": sender, "receiver": receiver, **estimate.to_dict()}
                for (sender, receiver), estimate in self.matrix.items()
            ],
            "partition": self.partition.to_dict(),
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a table of bits: a row for each module that receives, and one for the total."""
        import pandas as pd

        rows = {f"into {name}": estimate for name, estimate in self.into.items()}
        rows["total"] = self.estimate
        data = [[getattr(estimate, name) for name in _COLUMNS] for estimate in rows.values()]
        return pd.DataFrame(data, index=pd.Index(rows), columns=pd.Index(_COLUMNS))

    def _repr_html_(self) -> str:
        table = self.to_frame().to_html(float_format=lambda bits: f"{bits:.4f}", na_rep="")
        return f"<p>Exchange in bits ({self.estimate.kind}, {self.estimate.estimator})</p>{table}"

    def plot(self) -> Figure:
        """Draw the module-to-module matrix: who sends whom how many bits."""
        return FIGURES.get("exchange")(self)
