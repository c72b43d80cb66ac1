"""Measures from the literature on the partition that was found, as the tables show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from causalmod.errors import CausalmodError
from causalmod.report import Baseline

if TYPE_CHECKING:
    from causalmod.partition import Partition
    from causalmod.scm import StructuralCausalModel


class _Words(NamedTuple):
    title: str
    unit: str
    meaning: str


NEWMAN, SHARED = "newman_q", "mutual_information"
_KNOWN = {
    NEWMAN: _Words(
        "Newman's Q",
        "",
        "Share of the absolute weight that lies inside modules, beyond what the units' degrees "
        "would give: 0 as by chance, about 1 − 1/k for k separate modules of equal size.",
    ),
    SHARED: _Words(
        "Observational MI",
        "bits",
        "Bits that the activity of the modules shares on the data, whether sent or caused by "
        "something that both see.",
    ),
}


def measure_baselines(
    scm: StructuralCausalModel, partition: Partition, seed: int
) -> tuple[Baseline, ...]:
    """Measure a partition by a few cheap measures; one that does not apply is left out."""
    from causalmod.measures import MEASURES

    found: list[Baseline] = []
    for name, words in _KNOWN.items():
        try:
            value = MEASURES.get(name)(scm, partition, seed=seed)
        except CausalmodError:  # weights between units, say, that this network does not have
            continue
        found.append(
            Baseline(name=words.title, value=value, unit=words.unit, meaning=words.meaning)
        )
    return tuple(sorted(found, key=lambda baseline: baseline.name))


def title(name: str) -> str:
    """Return how a registered measure is called in tables."""
    return _KNOWN[name].title if name in _KNOWN else name


def rand_index(planted: Partition, found: Partition) -> float:
    """Adjusted Rand index of two partitions, over the units that both have.

    1 means the same split, 0 as much agreement as by chance.

    Source: Hubert and Arabie, Journal of Classification 2:193 (1985), in scikit-learn.

    Example:
        >>> from causalmod import Partition
        >>> first = Partition({"a": ["x[0:2]"], "b": ["x[2:4]"]})
        >>> second = Partition({"p": ["x[2:4]"], "q": ["x[0:2]"]})
        >>> rand_index(first, second)
        1.0
    """
    from sklearn.metrics import adjusted_rand_score

    units = [unit for unit in found.labels if unit in planted.labels]
    return float(
        adjusted_rand_score(
            [planted.labels[unit] for unit in units], [found.labels[unit] for unit in units]
        )
    )
