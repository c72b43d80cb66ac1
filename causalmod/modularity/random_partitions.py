"""Random partitions, and what they exchange: the background of the post's ratio."""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.exchange.choice import parse_memory
from causalmod.exchange.hybrid import RESPOND, HybridRuns, draw_sample
from causalmod.information import ESTIMATORS
from causalmod.modularity.pipeline import Settings, enumerate_all
from causalmod.scm import StructuralCausalModel

COUNT = 60
_CONTEXTS, _DONORS = 24, 128


def random_partitions(units: int, k: int, count: int, seed: int) -> Tensor:
    """Uniform labelled partitions with no empty module: ``[partition, unit]``."""
    generator = torch.Generator().manual_seed(seed)
    found: list[Tensor] = []
    while len(found) < count:
        labels = torch.randint(k, (units,), generator=generator)
        if len(labels.unique()) == k:
            found.append(labels)
    return torch.stack(found)


def random_exchanges(
    scm: StructuralCausalModel, settings: Settings, estimator: str, best: Tensor
) -> tuple[float, tuple[float, ...]]:
    """Exchange (bits) of the best and of random partitions, all on one sample of reported rows."""
    if settings.exact:
        sample = enumerate_all(scm, settings.reported, settings.k - 1)
    else:
        sample = draw_sample(
            settings.reported, _CONTEXTS, _DONORS, settings.k - 1, settings.seed + 4
        )
    runs = HybridRuns(scm, sample, memory=parse_memory(settings.budget.memory) // 4)
    fitted = ESTIMATORS.get(estimator).fit(None, runs.coordinates.observed(), settings.resolution)
    labels = torch.cat([best[None], random_partitions(len(best), settings.k, COUNT, settings.seed)])
    modules = torch.arange(settings.k)[None, :, None]
    own = labels[:, None, :] == modules
    stream = torch.where(labels[:, None, :] < modules, labels[:, None, :], labels[:, None, :] - 1)
    states = torch.where(own, RESPOND, stream).flatten(0, 1)
    bits = runs.joint(fitted, states, own.flatten(0, 1)).bits
    totals = bits.mean(-1).reshape(len(labels), settings.k).sum(1).tolist()
    return totals[0], tuple(totals[1:])


def posts_ratio(least: float, random: tuple[float, ...]) -> float:
    """Mean exchange of random partitions over the least; infinite when the least is 0."""
    if not random:
        return float("nan")
    mean = sum(random) / len(random)
    if least == 0:
        return float("inf") if mean > 0 else 1.0
    return mean / least
