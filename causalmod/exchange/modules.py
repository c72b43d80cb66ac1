"""exchange: the bits that the modules of a partition send each other."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from causalmod.errors import CausalmodWarning, EstimatorError
from causalmod.exchange.choice import (
    Choice,
    check_count,
    check_resolution,
    check_rows,
    choose,
    parse_memory,
)
from causalmod.exchange.contexts import CONTEXTS, over_contexts, read_with_enough_draws
from causalmod.exchange.coordinates import Coordinates
from causalmod.exchange.hybrid import draw_sample
from causalmod.exchange.partitions import partition_of, unit_labels
from causalmod.exchange.receivers import Question, Receivers, from_all, from_one
from causalmod.exchange.result import Exchange
from causalmod.information import ESTIMATORS, Bounds, Estimate
from causalmod.partition import Partition
from causalmod.provenance import Stopwatch
from causalmod.scm import StructuralCausalModel


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
            and takes 256 or 1024, these with fewer contexts, where a module's upper bound passes
            half of the ceiling ``log2(draws)``.
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
    settings = {
        "kind": "conditional",
        "estimator": choice.name,
        "resolution": resolution if kind.uses_resolution else None,
        "seed": seed,
        "held_out": held_out,
        "note": choice.reason,
    }
    modules = range(len(names))
    questions = [from_all(labels, receiver) for receiver in modules]
    if kind.exact:
        read: Callable[[Question], tuple[Bounds, int]] = lambda q: _counted(receivers, q)
        received, taken = zip(*[read(question) for question in questions], strict=True)
    else:

        def sampled(contexts: int, draws: int) -> list[Bounds]:
            sample = draw_sample(rows, min(contexts, len(rows)), draws, len(names) - 1, seed)
            return [receivers.read(question, sample) for question in questions]

        most = receivers.draws_that_fit()
        received, draws = read_with_enough_draws(sampled, contexts, draws, most)
        taken = (draws,) * len(names)
        sample = draw_sample(rows, len(received[0].bits), draws, 1, seed)
        read = lambda q: (receivers.read(q, sample), sample.shape[1])
    ...
