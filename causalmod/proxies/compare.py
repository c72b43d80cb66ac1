"""proxies: every cheap measure against the true exchange, over the same partitions."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from causalmod.errors import CausalmodError, CausalmodWarning, InputError, Interrupted
from causalmod.exchange.choice import check_count
from causalmod.exchange.progress import Progress, progress_of
from causalmod.measures import MEASURES, Measure
from causalmod.measures.exchanged import ExchangedBits
from causalmod.measures.own_score import ModularityScore
from causalmod.partition import Partition
from causalmod.proxies.result import Proxies, Proxy
from causalmod.scm import StructuralCausalModel
from causalmod.search.same_size import shuffle_in_layers

_CONTEXTS = 64  # of the exchange: ranks need less than the bits themselves
_DRAWS = 1000  # of the bootstrap
_FEWEST = 8  # partitions below which a rank correlation says nothing


def proxies(
    scm: StructuralCausalModel,
    k: int = 2,
    *,
    truth: str | Measure = "exchange",
    measures: Sequence[str | Measure] | None = None,
    partitions: int = 200,
    best: Partition | None = None,
    seed: int = 0,
    progress: Progress | bool | None = None,
) -> Proxies:
    """Hold cheap measures against the true exchange: do they rank partitions as it does?

    One half of the partitions is random; the other half lies between the best one that a search
    finds and random ones, with 1, 2, ... of its units exchanged. All have the best partition's
    number of units of each layer in each module, since exchange is compared at equal sizes only.

    Args:
        scm: the model.
        k: number of modules.
        truth: what the others are held against: ``"exchange"`` in bits (from 64 contexts),
            ``"modularity"``, or another measure.
        measures: measures or their names; all registered ones by default.
        partitions: number of partitions.
        best: a partition to start from, in place of a search.
        seed: seed of search, partitions, measures and bootstrap.
        progress: True or False for a bar or none; or a function of (stage, steps done, steps in
            all). None shows a bar on a terminal.

    Returns:
        Proxies: Spearman's rank correlation of each measure with the truth, with a 95% bootstrap
        interval over partitions; whether both have the same favourite; and the time for one
        partition in forward passes over the data. A measure that refuses the network has a note.

    Raises:
        InputError: an unknown measure, fewer than 8 partitions, or a network that has fewer
            different ones.
        Interrupted: Ctrl-C; ``.partial`` has the measures that were done.

    Source: Spearman, American Journal of Psychology 15:72 (1904); Efron and Tibshirani, *An
    Introduction to the Bootstrap* (1993), section 13.3, for the interval.

    Example:
        >>> from causalmod import zoo
        >>> scm = zoo.planted(blocks=2, units=16, leak=0.2).compile()
        >>> found = proxies(scm, measures=["newman_q"], partitions=20, progress=False)
        >>> found["newman_q"].correlation > 0.5
        True
    """
    check_count("partitions", partitions, _FEWEST)
    true = ExchangedBits(contexts=_CONTEXTS) if truth == "exchange" else _measure(truth)
    asked = [_measure(each) for each in (MEASURES.names() if measures is None else measures)]
    asked = [each for each in asked if each.name != true.name]
    with progress_of(progress) as tell, warnings.catch_warnings():
        warnings.simplefilter("ignore", CausalmodWarning)  # of single figures; ranks are wanted
        tell("proxies", 0, 1 + len(asked))
        start = ModularityScore().search(scm, k, seed=seed) if best is None else best
        splits = _sample(scm, start, partitions, seed)
        forward = _forward(scm)
        target, seconds = _read(scm, true, splits, seed)
        values: dict[str, tuple[float, ...]] = {true.name: tuple(target.tolist())}
        found: list[Proxy] = []

        def result(complete: bool) -> Proxies:
            order = sorted(found, key=lambda each: (each.correlation is None, -_or_0(each)))
            return Proxies(
                true.name, tuple(order), values, splits, k, seed, seconds / forward, complete
            )

        try:
            for place, measure in enumerate(asked, start=1):
                tell("proxies", place, 1 + len(asked))
                try:
                    read, cost = _read(scm, measure, splits, seed)
                except CausalmodError as refused:
                    found.append(Proxy(measure.name, None, note=str(refused)))
                    continue
                values[measure.name] = tuple(read.tolist())
                costs = {"seconds": cost, "passes": cost / forward}
                found.append(_compared(measure, read, true, target, seed=seed, **costs))
        except KeyboardInterrupt as stop:
            raise Interrupted(result(complete=False)) from stop
        tell("proxies", 1 + len(asked), 1 + len(asked))
        return result(complete=True)


def _measure(given: str | Any) -> Measure:
    return MEASURES.get(given) if isinstance(given, str) else given


def _or_0(proxy: Proxy) -> float:
    return 0.0 if proxy.correlation is None else proxy.correlation


def _sample(
    scm: StructuralCausalModel, start: Partition, count: int, seed: int
) -> tuple[Partition, ...]:
    """Different partitions of one size class: the start, its neighbourhood, and random ones."""
    names, layer = scm.units.names, scm.units.layer
    modules = list(start.modules)
    labels = torch.tensor([modules.index(start.labels[name]) for name in names])
    generator = torch.Generator().manual_seed(seed)
    seen: dict[tuple[int, ...], None] = {tuple(labels.tolist()): None}
    farthest = max(1, len(names) // 4)
    for attempt in range(50 * count):
        if len(seen) >= count:
            break
        if len(seen) < (count + 1) // 2:
            made = _exchanged(labels, layer, 1 + attempt % farthest, generator)
        else:
            made = shuffle_in_layers(labels, layer, 1, generator)[0]
        seen.setdefault(tuple(made.tolist()))
    if len(seen) < _FEWEST:
        raise InputError(
            f"only {len(seen)} different partitions have the sizes of the best one; ranks need at "
            f"least {_FEWEST}: study a larger network"
        )
    return tuple(
        Partition.from_labels({n: modules[m] for n, m in zip(names, each, strict=True)})
        for each in seen
    )


def _exchanged(labels: Tensor, layer: Tensor, times: int, generator: torch.Generator) -> Tensor:
    """Let pairs of units of one layer exchange their modules, so many times."""
    made = labels.clone()
    for _ in range(times):
        unit = int(torch.randint(len(made), (1,), generator=generator))
        others = ((layer == layer[unit]) & (made != made[unit])).nonzero().flatten()
        if len(others):
            other = others[int(torch.randint(len(others), (1,), generator=generator))]
            made[unit], made[other] = made[other].clone(), made[unit].clone()
    return made


def _read(
    scm: StructuralCausalModel, measure: Measure, splits: Sequence[Partition], seed: int
) -> tuple[np.ndarray, float]:
    """What a measure reads for each partition, and its median time for one, in seconds."""
    read: list[float] = []
    took: list[float] = []
    for split in splits:
        began = time.perf_counter()
        read.append(float(measure(scm, split, seed=seed)))
        took.append(time.perf_counter() - began)
    return np.array(read), median(took)


def _forward(scm: StructuralCausalModel) -> float:
    """Seconds that one pass of the network over its data takes."""
    took: list[float] = []
    for _ in range(5):
        fresh = scm.with_rows(torch.arange(scm.rows))
        began = time.perf_counter()
        fresh.observe()
        took.append(time.perf_counter() - began)
    return min(took)


def _compared(
    measure: Measure,
    read: np.ndarray,
    true: Measure,
    target: np.ndarray,
    *,
    seed: int,
    seconds: float,
    passes: float,
) -> Proxy:
    """One measure's figures against those of the true one, with a bootstrap interval."""
    one = -read if measure.lower_is_modular else read
    other = -target if true.lower_is_modular else target
    correlation = float(_spearman(one[None], other[None])[0])
    generator = np.random.default_rng(seed)
    picks = generator.integers(len(one), size=(_DRAWS, len(one)))
    draws = _spearman(one[picks], other[picks])
    low, high = np.nanquantile(draws, [0.025, 0.975]) if np.isfinite(draws).any() else (0.0, 0.0)
    favourite = np.flatnonzero(one == one.max())
    # of several favourites the truly worst counts: it could have been picked
    better = float((other > other[favourite].min()).mean())
    return Proxy(
        measure.name,
        correlation if np.isfinite(correlation) else 0.0,  # it reads the same everywhere
        float(low),
        float(high),
        better == 0.0,
        better,
        seconds,
        passes,
    )


def _spearman(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Rank correlation of each row of one with each row of the other; NaN for constant rows."""
    from scipy.stats import rankdata

    first, second = (rankdata(values, axis=1) for values in (one, other))
    first, second = (ranks - ranks.mean(1, keepdims=True) for ranks in (first, second))
    size = np.sqrt((first**2).sum(1) * (second**2).sum(1))
    with np.errstate(invalid="ignore"):
        return np.where(size > 0, (first * second).sum(1) / size, np.nan)
