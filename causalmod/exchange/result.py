"""Exchange: what the modules of a partition send each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from causalmod._display import FIGURES
from causalmod.errors import InputError, nearest
from causalmod.information import Estimate
from causalmod.partition import Partition

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd
    from matplotlib.figure import Figure

_COLUMNS = ("bits", "low", "high", "upper", "null", "p", "saturated")
_PLOTS = {"matrix": "exchange", "graph": "modules"}


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What the modules of a partition send each other, in bits.

    Figures of single modules and pairs are measured when they are first looked at.

    Attributes:
        estimate: the total, with interval, null floor and settings. Saturated where any module is.
        into: module name → what it receives from all others.
        out: module name → what it sends all others together, which respond as one.
        matrix: (sender, receiver) → what is sent while everything else is held at its context value
            (*direct*). All of these can be 0 while ``into`` is not: three equal senders of a
            majority move nothing one by one.
        total_matrix: (sender, receiver) → the same while other modules are left to respond
            (*total*), so that it holds what goes through them. Empty for ``kind="strength"``, which
            measures arrows.
        partition: what was measured, in unit names of the model.
        donors: ``"independent"`` or ``"joint"``.
        inputs: ``"environment"`` or ``"members"``.
        ownership: with ``inputs="members"``, input variable → the module that owns it.
    """

    estimate: Estimate
    into: Mapping[str, Estimate]
    matrix: Mapping[tuple[str, str], Estimate]
    partition: Partition = field(repr=False)
    out: Mapping[str, Estimate] = field(default_factory=dict)
    total_matrix: Mapping[tuple[str, str], Estimate] = field(default_factory=dict)
    donors: str = "independent"
    inputs: str = "environment"
    ownership: Mapping[str, str] = field(default_factory=dict)

    @property
    def bits(self) -> float:
        """Total bits: the sum over modules of what each receives."""
        return self.estimate.bits

    @property
    def form(self) -> str:
        """What was measured, in words: kind, and donors and inputs where they are not the usual."""
        kind = self.estimate.kind
        if self.estimate.reference == "observational":
            kind += ", reference observational"
        donors = ", joint donors" if self.donors == "joint" else ""
        return kind + donors + (", inputs as members" if self.inputs == "members" else "")

    def __repr__(self) -> str:
        return (
            f"Exchange({self.estimate.describe()} bits over {len(self.into)} modules, {self.form})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write; what was not measured yet is."""
        return {
            "total": self.estimate.to_dict(),
            "into": {name: estimate.to_dict() for name, estimate in self.into.items()},
            "out": {name: estimate.to_dict() for name, estimate in self.out.items()},
            "matrix": _entries(self.matrix),
            "total_matrix": _entries(self.total_matrix),
            "partition": self.partition.to_dict(),
            "donors": self.donors,
            "inputs": self.inputs,
            "ownership": dict(self.ownership),
        }

    def to_frame(self, pairs: bool = False) -> pd.DataFrame:
        """Return a table of bits: what each module receives, and the total.

        Args:
            pairs: one row for each pair of modules instead, direct and total.
        """
        import pandas as pd

        if pairs:
            found = {
                (effect, *pair): _row(estimate)
                for effect, matrix in (("direct", self.matrix), ("total", self.total_matrix))
                for pair, estimate in matrix.items()
            }
            names = ["effect", "sender", "receiver"]
            index = pd.MultiIndex.from_tuples(list(found), names=names)
            return pd.DataFrame(list(found.values()), index=index, columns=pd.Index(_COLUMNS))
        rows = {f"into {name}": estimate for name, estimate in self.into.items()}
        rows["total"] = self.estimate
        data = [_row(estimate) for estimate in rows.values()]
        return pd.DataFrame(data, index=pd.Index(rows), columns=pd.Index(_COLUMNS))

    def to_networkx(self) -> nx.DiGraph:
        """Return the directed graph of modules; see :func:`causalmod.module_graph`."""
        from causalmod.exchange.module_graph import graph_of

        return graph_of(self)

    def _repr_html_(self) -> str:
        table = self.to_frame().to_html(float_format=lambda bits: f"{bits:.4f}", na_rep="")
        return f"<p>Exchange in bits ({self.form}, {self.estimate.estimator})</p>{table}"

    def plot(self, kind: str = "matrix") -> Figure:
        """Draw who sends whom how many bits.

        Args:
            kind: ``"matrix"``, or ``"graph"``: modules joined by arrows.

        Raises:
            InputError: another kind.
        """
        if kind not in _PLOTS:
            raise InputError(f"unknown kind of plot {kind!r}: {nearest(str(kind), _PLOTS)}")
        return FIGURES.get(_PLOTS[kind])(self)


def _row(estimate: Estimate) -> list[Any]:
    return [getattr(estimate, name) for name in _COLUMNS]


def _entries(matrix: Mapping[tuple[str, str], Estimate]) -> list[dict[str, Any]]:
    return [
        {"sender": sender, "receiver": receiver, **estimate.to_dict()}
        for (sender, receiver), estimate in matrix.items()
    ]
