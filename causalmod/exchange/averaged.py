"""Interventional information: what a response tells of the donor, the context being unknown."""

from __future__ import annotations

from dataclasses import replace
from math import hypot
from typing import Any

import torch
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.exchange.blocks import means
from causalmod.exchange.contexts import DRAWS, SATURATED, over_contexts, read_with_enough_draws
from causalmod.exchange.divergence import divergence
from causalmod.exchange.figures import (
    blocks_of,
    conditional,
    drawn_contexts,
    exactly,
    fit_at,
    jackknifed,
    null_floor,
)
from causalmod.exchange.task import FEW_GIVEN, Task
from causalmod.information import Bounds
from causalmod.information.channel import averaged_over_all, averaged_over_sets
from causalmod.information.clustered import Clustered
from causalmod.information.intervals import is_saturated, t_interval

_MOST_PERMUTED = 256  # draws in a set, all of whose distances are found again each time
_REUSED = 1  # times that a row is a context of the sets that p-values come from
_FEWEST = 4  # sets
_GIVEN_DRAWN = 16  # values of a known intervention that are drawn, where there are many


def interventional(task: Task) -> dict[str, Any]:
    """``sum_b P(b) KL( P(C|do(b)) || Q(C) )``, with the context unknown.

    ``Q`` is the mixture of the ``P(C|do(b))``, or what is observed where the task is literal.

    Raises:
        EstimatorError: a literal reference with an estimator that gives no probabilities, or where
            other variables are set as well.
    """
    if task.literal and task.given is not None:
        raise EstimatorError(
            "reference='observational' compares with P(C), which is not what C does where other "
            "variables are set: leave given_do out, or use reference='do'"
        )
    if task.literal and not task.estimator.counts:
        raise EstimatorError(
            f"estimator={task.estimator.name!r} cannot tell how far interventions take the target "
            "from what is observed; use estimator='exact', or 'binned' for single units, or "
            "reference='do'"
        )
    if task.given is not None and task.fixed is None:
        return _given_each(task)
    if task.estimator.exact:
        return _counted(task)
    by_pairs = not task.estimator.contextual or not task.estimator.groups
    return _on_pairs(task) if by_pairs else _on_sets(task)


def _given_each(task: Task) -> dict[str, Any]:
    """The mean over values that other variables are set to, of the figure for each."""
    donors = task.given_donors
    if donors is None:
        return {}
    places, counts = torch.arange(len(donors)), donors.weights.double()
    if len(donors) > FEW_GIVEN and not task.estimator.exact:
        generator = torch.Generator().manual_seed(task.seed + 5)
        places = torch.randint(len(donors), (_GIVEN_DRAWN,), generator=generator)
        counts = torch.ones(_GIVEN_DRAWN, dtype=torch.float64)
    share = counts / counts.sum()
    found = [interventional(replace(task, fixed=int(place))) for place in places]
    fields = {"contexts": found[0]["contexts"], "donors": found[0]["donors"]}
    names = ["", "upper_"] if "upper" in found[0] else [""]
    full = any(each.get("saturated", False) for each in found)
    for name in names:
        value = f"{name}bits" if not name else "upper"
        values = torch.tensor([float(each[value]) for each in found], dtype=torch.float64)
        mean = float(share @ values)
        fields[value] = mean
        if full:
            continue
        ends = [[each[f"{name}{end}"] for each in found] for end in ("low", "high")]
        below, above = torch.tensor(ends, dtype=torch.float64) @ share  # all from the same rows
        low, high = float(below), float(above)
        if len(places) < len(donors):  # a sample of them, which varies besides
            _, least, most = t_interval(values)
            low, high = (
                mean - hypot(mean - low, mean - least),
                mean + hypot(high - mean, most - mean),
            )
        fields |= {f"{name}low": max(0.0, low), f"{name}high": high}
    if full:
        return fields | SATURATED
    fields["null"] = float(share @ torch.tensor([e.get("null", 0.0) for e in found]).double())
    ps = [each["p"] for each in found if each.get("p") is not None]
    if ps:
        fields["p"] = min(1.0, min(ps) * len(ps))  # Bonferroni: is anything sent, given anything?
    return fields


def _counted(task: Task) -> dict[str, Any]:
    grid, counts, _ = task.enumerated()
    fields = exactly(averaged_over_all(task.estimator, grid, counts))
    if task.fixed is None:
        weights = counts.repeat_interleave(task.rows)
        fields |= _beyond(task, fields, grid.flatten(0, 1), weights)
    return fields | {"contexts": task.rows, "donors": len(counts)}


def _beyond(
    task: Task, fields: dict[str, Any], responses: Tensor, weights: Tensor
) -> dict[str, Any]:
    """Confounding gap, and the figure with it where the task is literal."""
    gap, new = confounding_gap(task, responses, weights)
    more: dict[str, Any] = {"gap": gap}
    if new:
        more["note"] = (
            f"{new:.1%} of the interventions bring about outcomes that the data never show, so "
            "the reading with reference='observational' is infinite; reference='do' is finite"
        )
    if task.literal:
        more |= {end: fields[end] + gap for end in ("bits", "low", "high") if end in fields}
    return more


def confounding_gap(task: Task, responses: Tensor, weights: Tensor) -> tuple[float, float]:
    """``KL( sum_b P(b) P(C|do(b)) || P(C) )`` in bits, and the share of outcomes that are new.

    Args:
        task: the question.
        responses: ``[run, coordinate]`` under intervention.
        weights: ``[run]`` counts.
    """
    observed = task.target.observed().values.double()
    codes = task.outcomes(torch.cat([observed, responses])).cpu()
    weights = weights.cpu()
    seen, under = codes[: len(observed)], codes[len(observed) :]
    kept = under != -1  # outside the edges of bins: discarded
    seen, under, weights = seen[seen != -1], under[kept], weights[kept].double()
    if not len(seen) or not len(under):
        return 0.0, 0.0
    gap = float(divergence(under, seen, weights))
    new = weights[~torch.isin(under, seen)].sum() / weights.sum()
    return gap, float(new)


def _on_sets(task: Task) -> dict[str, Any]:
    """Pairs of sets of draws on the same contexts, each pair with its own contexts and donor."""
    held: list[tuple[Tensor, Tensor]] = []  # of the last read, for permutations
    entries = len(task.donors)

    def read(sets: int, draws: int) -> list[Bounds]:
        generator = torch.Generator().manual_seed(task.seed)
        contexts = torch.randint(task.rows, (sets, draws), generator=generator)
        several = torch.randint(entries, (sets, draws), generator=generator)
        one = torch.randint(entries, (sets, 1), generator=generator)
        held[:] = [(task.responses(contexts, several), task.responses(contexts, one))]
        return list(averaged_over_sets(task.estimator, *held[0]))

    most = min(_MOST_PERMUTED, task.memory // (task.target.width * 64))
    (bounds, whole), draws = read_with_enough_draws(
        read, task.contexts, task.draws, most, wide=DRAWS[0]
    )
    mixed, fixed = held[0]
    shape = {"contexts": draws, "donors": len(mixed)}
    if not task.estimator.moves(torch.stack([mixed, fixed], dim=-2)):
        return exactly(_nothing(bounds)) | shape

    # what a sample of rows holds by chance shows in sets that come back to the same ones too often
    some = slice(0, max(_FEWEST, _REUSED * task.rows // draws))

    def permuted(generator: torch.Generator) -> float:
        # each context hands its two responses to either set: what no channel would look like
        first, second = mixed[some], fixed[some]
        swap = torch.rand(first.shape[:2], generator=generator) < 0.5
        swap = swap[..., None].to(first.device)
        swapped = torch.where(swap, second, first), torch.where(swap, first, second)
        return float(averaged_over_sets(task.estimator, *swapped)[0].bits.mean())

    full = whole.upper is not None and is_saturated(float(whole.upper.mean()), draws)
    fields = over_contexts(bounds, draws, saturated=full, blocks=_on_blocks(task, draws)) | shape
    if not full:
        fields |= null_floor(task, permuted, float(bounds.bits[some].mean()))
    return fields if whole.upper is None else _below_conditional(task, fields)


def _on_blocks(task: Task, draws: int) -> Bounds | None:
    """The figure ``[block]`` from sets of draws within disjoint blocks of rows."""
    parts: list[Bounds] = []
    generator = torch.Generator().manual_seed(task.seed + 7)
    for rows, sample in blocks_of(task, draws):
        sets, each = sample.shape

        def some(*shape: int, rows: Tensor = rows) -> Tensor:
            return rows[torch.randint(len(rows), shape, generator=generator)]

        contexts = some(sets, each)
        mixed = task.responses(contexts, sample.donors[0])
        fixed = task.responses(contexts, some(sets, 1))
        parts.append(averaged_over_sets(fit_at(task, rows), mixed, fixed)[0])
    return means(parts)


def _below_conditional(task: Task, fields: dict[str, Any]) -> dict[str, Any]:
    """Knowing the context can only help: the conditional form's upper bound holds here too.

    It also holds where ``H(C)`` saturates, which leaves 0 for a lower bound.
    """
    if task.fixed is not None:
        return fields
    known = conditional(replace(task, draws=task.draws or DRAWS[0]))
    full = fields.get("saturated", False)
    if known.get("saturated") or (known["upper"] >= fields["upper"] and not full):
        return fields
    if full:
        fields |= exactly(Bounds(torch.zeros(()))) | {"saturated": False}
    fields |= {name: known[name] for name in ("upper", "upper_low", "upper_high")}
    # a sample of a lower bound can lie above what is known to be the most
    return fields | {end: min(fields[end], fields["upper"]) for end in ("bits", "low")}


def _on_pairs(task: Task) -> dict[str, Any]:
    """Pairs of a donor and a response, donors drawn afresh, over as many contexts as there are.

    A sample of contexts is not balanced as all of them are, and an imbalance reads as information;
    so for the same number of pairs many contexts with few donors are better than the reverse.
    Pairs on one context are not independent: counts are corrected for that, and where only pairs
    are read each context comes once, unless more draws are asked for.
    """
    paired, most = not task.estimator.contextual, task.estimator.most_rows or task.rows
    pairs = most if paired and task.draws is None else task.contexts * (task.draws or DRAWS[0])
    pairs = min(pairs, most) if paired else pairs
    contexts = min(task.rows, pairs if paired and task.draws is None else max(pairs // 2, 2))
    sample = drawn_contexts(task, contexts, max(2, pairs // contexts))
    count, each = sample.shape
    rows_set = task.law == "observed" and len(task.donors) == task.rows
    if paired and task.draws is None and rows_set:  # no row sets, or is set, twice
        generator = torch.Generator().manual_seed(task.seed + 8)
        sample.donors[0, :, 0] = torch.randperm(task.rows, generator=generator)[:count]
    grid = task.responses(sample.contexts[:, None], sample.donors[0])
    moves = task.estimator.moves(grid)
    if paired and task.draws is None:
        each = 1
    shape = {"contexts": count, "donors": each}
    if not moves:
        fields = exactly(Bounds(torch.zeros(()))) | shape
        if task.literal:
            flat = grid.flatten(0, 1)
            fields |= _beyond(task, fields, flat, torch.ones(len(flat)))
        return fields
    donors = sample.donors[0][:, :each]
    sent = task.donors.columns[donors.flatten()]
    got = grid[:, :each].flatten(0, 1)
    # a row that is left out neither sets nor is set: both roles make the figure vary with the data;
    # but where no row comes twice, its context alone tells a pair, which would else be out twice
    context, donor = sample.contexts[:, None].expand(count, each).flatten(), donors.flatten()
    donor = donor if rows_set and each > 1 else context

    def gap(some: Tensor) -> float:
        return confounding_gap(task, got[some], torch.ones(len(some)))[0]

    def figures(kept: Tensor) -> Tensor:
        rows = torch.zeros(task.rows, dtype=torch.bool)
        rows[kept] = True
        some = (rows[context] & rows[donor]).nonzero()[:, 0]
        # edges are found from the rows as well, so they are found again
        estimator = task.estimator if len(kept) == task.rows else fit_at(task, kept)
        if task.literal:
            return estimator.shared(sent[some], got[some]).bits.clamp_min(0)[None] + gap(some)
        return estimator.shared_parts(sent[some], got[some])

    def without(rows: Tensor) -> Tensor | None:
        return task.estimator.shared_without(sent, got, rows[:, context] | rows[:, donor])

    both = [side.unflatten(0, (count, each)) for side in (sent, got)]
    known = task.estimator.clustered(both[0], both[1])

    def variance(jackknife: Tensor) -> Tensor:
        if known is None:
            return task.estimator.variance(jackknife, sent, got)
        if task.literal:
            return jackknife
        # leaving out a row counts what is chance between rows once for each of the two, and a
        # donor's pairs besides
        counted = 2 * known.variance + (2 * known.alone if donor is not context else 0.0)
        return (jackknife - counted).clamp_min(known.variance)

    square_bias = task.estimator.square_bias(len(sent))
    fields = jackknifed(figures, task.rows, without, square_bias, variance) | shape
    fields |= _by_chance(task, both[0], both[1], fields, known)
    if task.estimator.counts:
        beyond = _beyond(replace(task, literal=False), {}, got, torch.ones(len(got)))
        fields |= beyond
        if task.literal and beyond["gap"] == float("inf"):
            fields |= dict.fromkeys(("bits", "low", "high"), float("inf"))
    return fields


def _by_chance(
    task: Task, sent: Tensor, got: Tensor, fields: dict[str, Any], known: Clustered | None
) -> dict[str, Any]:
    """Null floor, p-value, and bits less the bias, of samples ``[context, donor, coordinate]``."""
    if known is not None:
        extra = known.bias - known.independent  # the rest was taken off already
        less = {end: max(0.0, fields[end] - extra) for end in ("bits", "low", "high")}
        return less | {"null": max(0.0, known.null), "p": known.p}
    once, reply = sent[:, 0], got[:, 0]  # permuted over contexts, which are independent

    def permuted(generator: torch.Generator) -> float:
        order = torch.randperm(len(once), generator=generator)
        return float(task.estimator.shared(once[order], reply).bits)

    return null_floor(task, permuted, float(task.estimator.shared(once, reply).bits))


def _nothing(like: Bounds) -> Bounds:
    zero = torch.zeros(())
    return Bounds(zero, None if like.upper is None else zero)
