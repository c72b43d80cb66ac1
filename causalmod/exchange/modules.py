"""exchange: the bits that the modules of a partition send each other."""

from __future__ import annotations

import warnings
from math import log2
from typing import Any, NamedTuple

import torch
from torch import Tensor

from causalmod.errors import CausalmodWarning, EstimatorError
from causalmod.exchange.blocks import draw_blocks, means
from causalmod.exchange.choice import (
    Choice,
    check_count,
    check_resolution,
    check_rows,
    choose,
    parse_memory,
)
from causalmod.exchange.contexts import (
    CONTEXTS,
    DRAWS,
    WIDE,
    over_contexts,
    read_with_enough_draws,
)
from causalmod.exchange.coordinates import Coordinates
from causalmod.exchange.hybrid import draw_sample
from causalmod.exchange.partitions import partition_of, unit_labels
from causalmod.exchange.receivers import Question, Receivers, from_all, from_one
from causalmod.exchange.result import Exchange
from causalmod.information import ESTIMATORS, Bounds, Estimate
from causalmod.partition import Partition
from causalmod.provenance import Stopwatch
from causalmod.scm import StructuralCausalModel

_PAIR_DRAWS = 256


def exchange(
    scm: StructuralCausalModel,
    partition: Partition,
    *,
    estimator: str = "auto",
    resolution: float = 1.0,
    contexts: int = CONTEXTS,
    draws: int | None = None,
    rows: Tensor | None = None,
    seed: int = 0,
    memory: str | int = "2GB",
    held_out: bool = False,
) -> Exchange:
    """Measure the bits that the modules of a partition send each other.

    For each module ``m``, the network runs on a context row while every other module is set to what
    it was on a donor row, one independent donor per module; ``in(m) = E_x H(R_m(x, X'))`` is what
    ``m`` takes in from them, knowing all else that it sees, and the exchange is the sum over
    modules. Inputs are the environment: all modules see the true input.

    Args:
        scm: the model.
        partition: a split of all its live units.
        estimator: ``"exact"``, ``"pairwise"``, ``"gaussian"`` or ``"auto"``: exact where every unit
            takes few values, else pairwise.
        resolution: noise scale in standard deviations; smaller sees finer signals.
        contexts: number of context rows (all rows when exact).
        draws: donor rows drawn for each context (all distinct values when exact). None starts at 64
            and takes 256 or 1024, the latter with fewer contexts, where a module's upper bound
            passes half of the ceiling ``log2(draws)`` (256 at most in the matrix of more than two
            modules).
        rows: ``[row]`` numbers of the rows to use; all by default.
        seed: seed of the draws.
        memory: bytes that the work may hold.
        held_out: were the rows kept from a search? Recorded in the result.

    Returns:
        Exchange: with a 95% t-interval over contexts. Pairwise figures are a lower bound with its
        upper bound. Where these saturate all the same there is no interval, and a warning.

    Raises:
        PartitionError: see :func:`causalmod.exchange.partition_of`.
        EstimatorError: the estimator is for single units, or cannot enumerate this model.
        InputError: a resolution, a count or rows that cannot be.

    Example:
        >>> from causalmod import Partition, zoo, compile
        >>> case = zoo.isolated()
        >>> scm = compile(case.model, case.inputs)
        >>> exchange(scm, Partition(case.modules)).bits
        0.0
    """
    watch = Stopwatch()
    resolution = check_resolution(resolution)
    contexts = check_count("contexts", contexts, 2)
    draws = None if draws is None else check_count("draws", draws, 2)
    budget, rows = parse_memory(memory), check_rows(rows, scm.rows)
    split = partition_of(scm, partition)
    labels, names = unit_labels(scm, split)
    choice, receivers = _ready(scm, labels, rows, estimator, resolution, budget)
    kind = ESTIMATORS.get(choice.name)
    into, between = _measure(
        receivers, labels, rows, exact=kind.exact, contexts=contexts, draws=draws, seed=seed
    )
    settings: dict[str, Any] = {
        "kind": "conditional",
        "estimator": choice.name,
        "resolution": resolution if kind.uses_resolution else None,
        "seed": seed,
        "held_out": held_out,
        "note": choice.reason,
        "provenance": scm.provenance(seed, watch.seconds),
    }

    def report(reading: _Reading, saturated: bool | None = None) -> Estimate:
        fields = over_contexts(
            reading.bounds,
            reading.draws,
            exact=kind.exact,
            saturated=saturated,
            blocks=reading.blocks,
        )
        return Estimate(**fields, null=reading.null, **settings)

    received = {name: report(reading) for name, reading in zip(names, into, strict=True)}
    found = Exchange(
        estimate=report(_summed(into), any(estimate.saturated for estimate in received.values())),
        into=received,
        matrix={(names[s], names[r]): report(reading) for (s, r), reading in between.items()},
        partition=split,
    )
    _warn(found)
    return found


class _Reading(NamedTuple):
    """What was read of one question.

    Attributes:
        bounds: ``[context]`` bits.
        draws: donors behind each.
        null: what is read where nothing is sent.
        blocks: ``[block]`` bits on disjoint blocks of rows.
    """

    bounds: Bounds
    draws: int
    null: float
    blocks: Bounds | None = None


def _ready(
    scm: StructuralCausalModel,
    labels: Tensor,
    rows: Tensor,
    estimator: str,
    resolution: float,
    memory: int,
) -> tuple[Choice, Receivers]:
    """Choose the estimator; enumerate what an exact one would have to replay only if need be."""
    values = [Coordinates(scm).observed().values[rows]]
    choice = choose(estimator, values, 0, memory, single=False)

    def receivers() -> Receivers:
        kind = ESTIMATORS.get(choice.name)
        if not kind.groups:
            raise EstimatorError(
                f"estimator={choice.name!r} is for single units; a module's response is joint: use "
                "'pairwise', 'gaussian' or 'exact'"
            )
        if not kind.contextual:
            raise EstimatorError(
                f"estimator={choice.name!r} compares pairs of values, and exchange is what is sent "
                "within each context: use 'pairwise', 'gaussian' or 'exact'"
            )
        return Receivers(scm, labels, rows, kind, resolution, memory=memory)

    made = receivers()
    questions = [from_all(labels, module) for module in range(int(labels.max()) + 1)]
    if estimator == "auto" and ESTIMATORS.get(choice.name).exact:
        choice = choose(estimator, values, made.replays(questions), memory, single=False)
        made = receivers()
    return choice, made


def _measure(
    receivers: Receivers,
    labels: Tensor,
    rows: Tensor,
    *,
    exact: bool,
    contexts: int,
    draws: int | None,
    seed: int,
) -> tuple[list[_Reading], dict[tuple[int, int], _Reading]]:
    """What each module receives, and what each sends each other one directly."""
    modules = range(int(labels.max()) + 1)

    def read(question: Question, contexts: int, draws: int) -> Bounds:
        streams = len(question.senders)
        sample = draw_sample(rows, min(contexts, len(rows)), draws, streams, seed)
        return receivers.read(question, sample)

    def on_blocks(question: Question, draws: int) -> Bounds | None:
        blocks = draw_blocks(rows, contexts, draws, len(question.senders), seed)
        return means([receivers.read(question, block.sample, block.rows) for block in blocks])

    def read_all(questions: list[Question], most: int, wide: int) -> list[_Reading]:
        if exact:
            every = [receivers.enumerate(question.senders) for question in questions]
            pairs = zip(questions, every, strict=True)
            found = [(receivers.read(question, s), s.shape[1]) for question, s in pairs]
        else:
            bounds, taken = read_with_enough_draws(
                lambda contexts, draws: [read(q, contexts, draws) for q in questions],
                contexts,
                draws,
                min(most, receivers.draws_that_fit()),
                wide,
            )
            found = [(b, taken) for b in bounds]
        noise = [receivers.noise(question, rows) for question in questions]
        apart = [None if exact else on_blocks(question, found[0][1]) for question in questions]
        return [_Reading(*f, n, b) for f, n, b in zip(found, noise, apart, strict=True)]

    into = read_all([from_all(labels, m) for m in modules], DRAWS[-1], WIDE)
    if len(modules) == 2:  # all others are one other, and nothing else is left to hold
        return into, {(1, 0): into[0], (0, 1): into[1]}
    pairs = {(s, r): from_one(labels, s, r) for s in modules for r in modules if s != r}
    # there can be many: each by itself, with less work for those that saturate
    between = {pair: read_all([q], _PAIR_DRAWS, DRAWS[0])[0] for pair, q in pairs.items()}
    return into, between


def _summed(into: list[_Reading]) -> _Reading:
    apart = [reading.blocks for reading in into if reading.blocks is not None]
    return _Reading(
        _sum([reading.bounds for reading in into]),
        max(reading.draws for reading in into),
        sum(reading.null for reading in into),
        _sum(apart) if apart else None,
    )


def _sum(parts: list[Bounds]) -> Bounds:
    uppers = [part.upper for part in parts if part.upper is not None]
    bits = torch.stack([part.bits for part in parts]).sum(0)
    return Bounds(bits, torch.stack(uppers).sum(0) if uppers else None)


def _warn(found: Exchange) -> None:
    """Say what a figure that is easy to misread does not say."""
    total = found.estimate
    if total.saturated:
        name, worst = max(found.into.items(), key=lambda item: item[1].upper or 0.0)
        warnings.warn(
            f"the exchange is saturating: module {name!r} receives up to {worst.upper:.2f} bits, "
            f"and {worst.donors} draws tell at most {log2(worst.donors):.2f} apart; read the "
            f"figures as 'at least', or raise resolution (now {total.resolution:g}) or draws",
            CausalmodWarning,
            stacklevel=3,
        )
    if 0 < total.bits <= total.null:
        warnings.warn(
            f"{total.bits:.2g} bits are inside the null floor ({total.null:.2g}): numerical noise",
            CausalmodWarning,
            stacklevel=3,
        )
