"""Observational and conditional information between groups, as fields of an Estimate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.exchange.blocks import Block, at_rows, draw_blocks, means
from causalmod.exchange.contexts import (
    SATURATED,
    over_contexts,
    read_with_enough_draws,
)
from causalmod.exchange.hybrid import draw_sample
from causalmod.exchange.task import Task
from causalmod.information import Bounds, Estimator
from causalmod.information.intervals import (
    Interval,
    is_saturated,
    jackknives,
    permutation_null,
)

_PERMUTATIONS = 99
_FEW_PERMUTATIONS = 19  # for groups, where each costs matrices of distances
_NULL_CONTEXTS, _NULL_DRAWS = 64, 4
_HELD = 2**25  # bytes of responses at a time


def conditional(task: Task) -> dict[str, Any]:
    """``E_x H( C(x, B') )``: donors drawn afresh for each context; t-interval over contexts.

    Raises:
        EstimatorError: the estimator needs pairs, and one context has none.
    """
    if not task.estimator.contextual:
        raise EstimatorError(
            f"estimator={task.estimator.name!r} compares pairs of values, and within one context "
            "the response follows from the donor; use 'binned' for single units, 'pairwise' for "
            "groups, or 'gaussian'"
        )
    noise = task.unset(torch.arange(task.rows)[:_NULL_CONTEXTS], _NULL_DRAWS)
    null = {"null": float(task.estimator.response(noise.double()).bits.mean())}
    if task.estimator.exact:
        grid, counts, weights = task.enumerated()
        bits = task.estimator.response(grid.transpose(0, 1), counts).bits
        weights = weights.to(bits.device, torch.float64)
        mean = weights @ bits.double() / weights.sum()
        return exactly(Bounds(mean)) | null | {"contexts": len(bits), "donors": len(counts)}
    settings = 0 if task.given_donors is None else len(task.given_donors)

    def read(contexts: int, draws: int) -> list[Bounds]:
        count = min(contexts, task.rows) if not settings else contexts
        sample = drawn_contexts(task, count, draws)
        generator = torch.Generator().manual_seed(task.seed + 3)
        given = torch.randint(max(settings, 1), (len(sample.contexts),), generator=generator)
        step = max(1, min(task.memory, _HELD) // (draws * task.target.width * 32))
        parts: list[Bounds] = []
        for at in range(0, len(sample.contexts), step):
            part, known = sample.some(slice(at, at + step)), given[at : at + step, None]
            responses = task.responses(
                part.contexts[:, None], part.donors[0], known if settings else None
            )
            parts.append(task.estimator.unbiased(responses))
        return [Bounds.joined(parts)]

    most = task.memory // (task.target.width * 64)
    found, draws = read_with_enough_draws(read, task.contexts, task.draws, most)
    return over_contexts(found[0], draws, blocks=_on_blocks(task, draws)) | null


def _on_blocks(task: Task, draws: int) -> Bounds | None:
    """The figure ``[block]`` on disjoint blocks of rows."""
    parts: list[Bounds] = []
    for rows, sample in blocks_of(task, draws):
        responses = task.responses(sample.contexts[:, None], sample.donors[0])
        parts.append(fit_at(task, rows).unbiased(responses))
    return means(parts)


def blocks_of(task: Task, draws: int) -> list[Block]:
    """Blocks of rows; none where the source is set to other values than those of rows."""
    if task.given is not None or task.law != "observed" or len(task.donors) != task.rows:
        return []
    return draw_blocks(torch.arange(task.rows), task.contexts, draws, 1, task.seed)


def fit_at(task: Task, rows: Tensor) -> Estimator:
    """The estimator as some rows would have it."""
    try:
        return task.fit(*(at_rows(side.observed(), rows) for side in (task.source, task.target)))
    except EstimatorError:  # as few rows as bins
        return task.estimator


def drawn_contexts(task: Task, contexts: int, draws: int) -> Any:
    """Contexts without replacement (as far as there are rows), each with donors of its own."""
    rows = torch.arange(task.rows)
    entries = torch.arange(len(task.donors))
    if contexts <= task.rows and len(entries) == task.rows:
        return draw_sample(rows, contexts, draws, 1, task.seed)
    more = -(-contexts // task.rows)
    sample = draw_sample(rows.repeat(more), contexts, 1, 1, task.seed)
    generator = torch.Generator().manual_seed(task.seed + 4)
    picks = torch.randint(len(entries), (1, len(sample.contexts), draws), generator=generator)
    return type(sample)(sample.contexts, picks)


def observational(task: Task) -> dict[str, Any]:
    """``I(B;C)`` on the data; jackknife over rows, null by permutation."""
    source, target = task.source.observed(), task.target.observed()
    most = task.estimator.most_rows
    if most is not None and task.rows > most:
        generator = torch.Generator().manual_seed(task.seed)
        some = torch.randperm(task.rows, generator=generator)[:most]
        source, target = at_rows(source, some), at_rows(target, some)
    left, right = source.values, target.values
    shape = {"contexts": len(left), "donors": 1}
    if task.estimator.exact:
        return exactly(task.estimator.shared(left, right)) | shape

    def permuted(generator: torch.Generator) -> float:
        order = torch.randperm(len(left), generator=generator)
        return float(task.estimator.shared(left[order], right).bits)

    def figures(kept: Tensor) -> Tensor:
        # scales and edges are found from the rows as well, so they are found again
        try:
            estimator = task.fit(at_rows(source, kept), at_rows(target, kept))
        except EstimatorError:  # as many rows as bins: without some, there are too few
            estimator = task.estimator
        return estimator.shared_parts(left[kept], right[kept])

    plain = float(task.estimator.shared(left, right).bits)
    known = task.estimator.shared_interval(left, right)
    if known is None:
        fields = jackknifed(
            figures,
            len(left),
            lambda out: task.estimator.shared_without(left, right, out),
            task.estimator.square_bias(len(left)),
            lambda jackknife: task.estimator.variance(jackknife, left, right),
            smooth=task.estimator.smooth,
        )
    else:
        fields = dict(zip(("bits", "low", "high"), known.above_zero(), strict=True))
    return fields | null_floor(task, permuted, plain) | shape


def exactly(bounds: Bounds) -> dict[str, Any]:
    """Fields of a figure that is no sample: what is between its ends is the figure itself."""
    bits = max(0.0, float(bounds.bits))
    fields = {"bits": bits, "low": bits, "high": bits}
    if bounds.upper is None:
        return fields
    upper = max(bits, float(bounds.upper))
    return fields | {"upper": upper, "upper_low": upper, "upper_high": upper}


def jackknifed(
    figures: Callable[[Tensor], Tensor],
    rows: int,
    without: Callable[[Tensor], Tensor | None] | None = None,
    square_bias: float | None = None,
    adjust: Callable[[Tensor], Tensor] | None = None,
    *,
    smooth: bool = False,
) -> dict[str, Any]:
    """Fields of figures of rows, none of them below zero; see :func:`jackknives`.

    Of several upper bounds the least counts, and likewise of the ends of their intervals: the
    jackknife of a minimum would not see that the least of a few is low by chance.
    """
    found = jackknives(figures, rows, 20, without, square_bias, adjust, smooth=smooth)
    bits, *upper = (figure.above_zero() for figure in found)
    fields: dict[str, Any] = {"bits": bits.value, "low": bits.low, "high": bits.high}
    if upper:
        most = Interval(*(min(ends) for ends in zip(*upper, strict=True)))
        fields |= {"upper": max(most.value, bits.value)}
        fields |= {"upper_low": most.low, "upper_high": most.high}
        fields |= SATURATED if is_saturated(most.value, rows) else {}
    return fields


def null_floor(
    task: Task, permuted: Callable[[torch.Generator], float], observed: float
) -> dict[str, Any]:
    """Null floor and p-value; where permuting changes nothing, nothing is sent for certain."""
    if not task.permuted:
        return {}
    draws = _FEW_PERMUTATIONS if task.estimator.groups else _PERMUTATIONS
    floor, p = permutation_null(permuted, observed, draws, task.seed)
    return {"null": max(0.0, floor), "p": p}
