"""What came of a comparison: how each proxy ranks partitions, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from causalmod._display import FIGURES, html_table
from causalmod.partition import Partition

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


@dataclass(frozen=True)
class Proxy:
    """One measure, held against the true one.

    Attributes:
        name: name of the measure.
        correlation: Spearman's rank correlation with the true measure over the partitions, both
            turned so that more is more modular; None where the measure does not apply.
        low: lower end of its 95% bootstrap interval.
        high: upper end.
        same_best: is the partition that it likes best the best in truth?
        rank: share of the partitions that are truly better than the one it likes best; 0 is best.
        seconds: time for one partition.
        passes: the same in forward passes of the network over its data.
        note: why it does not apply.
    """

    name: str
    correlation: float | None
    low: float | None = None
    high: float | None = None
    same_best: bool | None = None
    rank: float | None = None
    seconds: float | None = None
    passes: float | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class Proxies:
    """Cheap measures against a true one, over many partitions of one network.

    Attributes:
        truth: name of the true measure.
        proxies: one entry for each measure, the best first; those that do not apply last.
        values: measure → what it read for each partition, in its own unit, the truth included.
        partitions: the partitions.
        k: number of modules.
        seed: seed of partitions and measures.
        truth_passes: cost of the true measure, in forward passes for one partition.
        complete: False after an interruption.
    """

    truth: str
    proxies: tuple[Proxy, ...]
    values: Mapping[str, tuple[float, ...]]
    partitions: tuple[Partition, ...]
    k: int
    seed: int
    truth_passes: float
    complete: bool = True

    @property
    def best(self) -> Proxy | None:
        """The proxy with the highest correlation; None where none applies."""
        return next((each for each in self.proxies if each.correlation is not None), None)

    def __getitem__(self, name: str) -> Proxy:
        """Return one proxy by its name."""
        return next(each for each in self.proxies if each.name == name)

    def to_frame(self) -> DataFrame:
        """Return a row for each proxy."""
        import pandas as pd

        return pd.DataFrame([asdict(each) for each in self.proxies]).set_index("name")

    def values_frame(self) -> DataFrame:
        """Return what each measure read: a row for each partition, a column for each measure."""
        import pandas as pd

        return pd.DataFrame({name: list(read) for name, read in self.values.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return {
            "truth": self.truth,
            "k": self.k,
            "seed": self.seed,
            "truth_passes": self.truth_passes,
            "complete": self.complete,
            "proxies": [asdict(each) for each in self.proxies],
            "values": {name: list(read) for name, read in self.values.items()},
            "partitions": [each.to_dict() for each in self.partitions],
        }

    def plot(self) -> Figure:
        """Draw each proxy against the truth, a dot for each partition."""
        return FIGURES.get("proxies")(self)

    def __repr__(self) -> str:
        best = self.best
        said = (
            "none applies"
            if best is None
            else f"best {best.name} {best.correlation:.2f} [{best.low:.2f}, {best.high:.2f}]"
        )
        return f"Proxies(of {self.truth}, {len(self.partitions)} partitions, k={self.k}: {said})"

    def _repr_html_(self) -> str:
        rows = [(each.name, _said(each)) for each in self.proxies]
        return html_table(f"Spearman correlation with {self.truth}", rows)


def _said(proxy: Proxy) -> str:
    if proxy.correlation is None:
        return proxy.note
    return f"{proxy.correlation:.2f} [{proxy.low:.2f}, {proxy.high:.2f}], {proxy.passes:.1f} passes"
