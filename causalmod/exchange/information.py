"""information: the bits that one variable or group sends, or shares with, another."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from causalmod.errors import CausalmodWarning, EstimatorError, InputError, nearest
from causalmod.exchange.choice import check_resolution, choose, distinct_rows, parse_memory
from causalmod.exchange.groups import Group, check_disjoint
from causalmod.exchange.hybrid import draw_sample
from causalmod.information import ESTIMATORS, Bounds, Estimate, Estimator
from causalmod.information.estimators.exact import value_codes
from causalmod.information.intervals import (
    is_saturated,
    jackknife,
    permutation_null,
    t_interval,
    without_donor_bias,
)
from causalmod.provenance import Stopwatch
from causalmod.scm import StructuralCausalModel

KINDS = ("observational", "interventional", "conditional")
_PERMUTATIONS = 99


@dataclass
class _Task:
    """One question, with its data at hand."""

    scm: StructuralCausalModel
    source: Group
    target: Group
    estimator: Estimator
    rows: Tensor
    contexts: int
    donors: int
    seed: int
    memory: int


def information(
    scm: StructuralCausalModel,
    source: str | Iterable[str],
    target: str | Iterable[str],
    kind: str = "interventional",
    *,
    reference: str = "do",
    estimator: str = "auto",
    resolution: float = 1.0,
    contexts: int = 256,
    donors: int = 64,
    seed: int = 0,
    memory: str | int = "2GB",
) -> Estimate:
    r"""Measure the bits that ``source`` sends to, or shares with, ``target``.

    ===============  ====================================================  ====================
    kind             formula                                               reads
    ===============  ====================================================  ====================
    observational    ``I(B;C)``                                            what they share
    interventional   ``sum_b P(b) KL( P(C|do(b)) || Q(C) )`` with          bits that C receives
                     ``Q(C) = sum_b P(b) P(C|do(b))``                      if it knows nothing
                                                                           else
    conditional      ``I(B';C | X) = E_x H( C(x, B') )``                   bits that C receives
                                                                           given all that it
                                                                           sees
    ===============  ====================================================  ====================

    ``B'`` is the source on an independent donor row; variables between source and target respond
    (total effect). ``interventional <= conditional``, always. The interventional form is zero on
    XOR, unit to unit, where the conditional form is 1 bit.

    Args:
        scm: the model.
        source: selectors of the group that is set; inputs are allowed.
        target: selectors of the group that is read; disjoint from the source.
        kind: see above.
        reference: ``"do"``: the mixture of interventional distributions (Ay and Polani 2008).
        estimator: a registered name or ``"auto"``: exact where every unit takes few values, else
            binned for single units and pairwise bounds for groups.
        resolution: noise scale in standard deviations, for estimators that add noise.
        contexts: context rows (all when exact).
        donors: donor rows for each context (all when exact).
        seed: seed of the draws.
        memory: bytes that the work may hold.

    Returns:
        Estimate: in bits, with a 95% interval: over contexts (t), or by the jackknife for averaged
        and observational figures.

    Raises:
        SelectorError: an unknown name.
        InputError: groups that overlap or are empty, or an unknown kind.
        EstimatorError: the estimator cannot answer this.

    Source: Ay and Polani, Advances in Complex Systems 11(1):17 (2008), for the averaged form.

    Example:
        >>> from causalmod import compile, zoo
        >>> case = zoo.xor()
        >>> scm = compile(case.model, case.inputs)
        >>> information(scm, "input[0]", "output[0]", kind="conditional").bits
        1.0
    """
    watch = Stopwatch()
    if kind not in KINDS:
        raise InputError(f"unknown kind {kind!r}: {nearest(kind, KINDS)}")
    if reference != "do":
        raise InputError(f"unknown reference {reference!r}: known is 'do'")
    resolution = check_resolution(resolution)
    if contexts < 2 or donors < 2:
        raise InputError(f"contexts and donors must be at least 2; given {contexts} and {donors}")
    sender, receiver = Group(scm, source, "source"), Group(scm, target, "target")
    check_disjoint(sender, receiver)
    budget, rows = parse_memory(memory), torch.arange(scm.rows)
    left, right = sender.observed(rows), receiver.observed(rows)
    single = left.values.shape[1] == 1 and right.values.shape[1] == 1
    values = [left.values, right.values]
    choice = choose(estimator, values, len(rows) ** 2 * right.values.shape[1], budget, single)
    task = _Task(
        scm, sender, receiver, ESTIMATORS.get(choice.name).fit(left, right, resolution), rows,
        min(contexts, len(rows)), donors, seed, budget,
    )  # fmt: skip
    found = {
        "observational": _observational,
        "interventional": _averaged,
        "conditional": _conditional,
    }
    figures = found[kind](task)
    estimate = Estimate(
        **figures,
        kind=kind,
        estimator=choice.name,
        resolution=resolution if task.estimator.uses_resolution else None,
        seed=seed,
        note=choice.reason,
        provenance=scm.provenance(seed, watch.seconds),
    )
    if estimate.p is not None and 0 < estimate.bits <= estimate.null:
        warnings.warn(
            f"{estimate.bits:.4f} bits is inside the null floor ({estimate.null:.4f}): not to be told "
            "from nothing with this sample",
            CausalmodWarning,
            stacklevel=2,
        )
    return estimate


def _observational(task: _Task) -> dict[str, Any]:
    left, right = task.source.observed(task.rows).values, task.target.observed(task.rows).values

    def figure(kept: Tensor) -> float:
        return float(task.estimator.shared(left[kept], right[kept]).bits)

    def permuted(order: Tensor) -> float:
        return float(task.estimator.shared(left[order], right).bits)

    whole = task.estimator.shared(left, right)
    shape = {"contexts": len(task.rows), "donors": 1}
    if task.estimator.exact:
        return _exact(float(whole.bits)) | shape
    return _sampled(task, whole, figure, len(left), permuted, draws=_draws(task)) | shape


def _draws(task: _Task) -> int:
    """Permutations: fewer for groups, where each costs a matrix of distances."""
    return 19 if task.estimator.groups else _PERMUTATIONS


def _averaged(task: _Task) -> dict[str, Any]:
    if task.estimator.exact:
        grid = _enumerated(task, task.rows)
        bits = task.estimator.averaged(task.source.observed(task.rows).values, grid).bits
        return _exact(float(bits)) | {"contexts": len(task.rows), "donors": len(task.rows)}
    if not task.estimator.groups:
        return _averaged_pairs(task)
    generator = torch.Generator().manual_seed(task.seed)
    chosen = torch.randperm(len(task.rows), generator=generator)[: task.contexts]
    donor_rows = torch.randint(len(task.rows), (task.donors,), generator=generator)
    grid = _grid(task, donor_rows, task.rows[chosen])
    sent = task.source.observed(task.rows[donor_rows]).values
    whole = task.estimator.averaged(sent, grid)

    def figure(kept: Tensor) -> float:
        return float(task.estimator.averaged(sent, grid[:, kept]).bits)

    def permuted(order: Tensor) -> float:
        # each context hands its responses to other donors: what no channel would look like
        keys = torch.rand(grid.shape[:2], generator=torch.Generator().manual_seed(int(order[0])))
        shuffled = grid.gather(0, keys.argsort(0)[..., None].expand_as(grid))
        return float(task.estimator.averaged(sent, shuffled).bits)

    shape = {"contexts": grid.shape[1], "donors": grid.shape[0]}
    return _sampled(task, whole, figure, grid.shape[1], permuted, draws=_draws(task)) | shape


def _averaged_pairs(task: _Task) -> dict[str, Any]:
    """Averaged form from (donor value, response) pairs with fresh donors in each context."""
    sample = draw_sample(task.rows, task.contexts, task.donors, 1, task.seed)
    count, each = sample.shape
    donors = sample.donors[0].reshape(-1)
    contexts = sample.contexts.repeat_interleave(each)
    sent = task.source.observed(donors).values
    got = task.target.under(task.source, contexts, donors, task.memory)
    whole = task.estimator.shared(sent, got)
    shaped = torch.arange(len(donors)).reshape(count, each)

    def figure(kept: Tensor) -> float:
        pairs = shaped[kept].reshape(-1)
        return float(task.estimator.shared(sent[pairs], got[pairs]).bits)

    def permuted(order: Tensor) -> float:
        return float(task.estimator.shared(sent[order], got).bits)

    result = _sampled(task, whole, figure, count, permuted, permuted_rows=len(donors))
    return result | {"contexts": count, "donors": each}


def _conditional(task: _Task) -> dict[str, Any]:
    if task.estimator.exact:
        codes = _codes(task)
        first, counts = distinct_rows(codes)
        grid = _enumerated(task, task.rows[first])
        bounds = task.estimator.response(grid.transpose(0, 1), counts)
        return _exact(float(bounds.bits.mean())) | {
            "contexts": len(task.rows),
            "donors": len(first),
        }
    sample = draw_sample(task.rows, task.contexts, task.donors, 1, task.seed)
    count, each = sample.shape
    contexts = sample.contexts.repeat_interleave(each)
    got = task.target.under(task.source, contexts, sample.donors[0].reshape(-1), task.memory)
    bounds = without_donor_bias(task.estimator, got.reshape(count, each, -1))
    few = sample.contexts[:64].repeat_interleave(4)
    noise = task.target.under(task.source, few, few, task.memory).reshape(-1, 4, got.shape[1])
    floor = float(task.estimator.response(noise).bits.mean())
    mean, low, high = t_interval(bounds.bits)
    result: dict[str, Any] = {
        "bits": max(0.0, mean), "low": low, "high": high, "null": floor, "contexts": count, "donors": each,
    }  # fmt: skip
    if bounds.upper is not None:
        upper, upper_low, upper_high = t_interval(bounds.upper)
        result |= {"upper": max(0.0, upper), "upper_low": upper_low, "upper_high": upper_high}
        result |= _saturation(upper, each)
    return result


def _codes(task: _Task) -> Tensor:
    values = task.source.observed(task.rows).values.double()
    return value_codes(values, values.abs().amax(0).clamp_min(1e-30))


def _enumerated(task: _Task, donor_rows: Tensor) -> Tensor:
    size = len(donor_rows) * len(task.rows) * len(task.target.variables) * 8
    if size > task.memory:
        raise EstimatorError(
            f"exact enumeration needs {len(donor_rows)} × {len(task.rows)} replays, about "
            f"{size / 1e9:.1f} GB; use another estimator, fewer rows, or more memory"
        )
    return _grid(task, donor_rows, task.rows)


def _grid(task: _Task, donor_rows: Tensor, contexts: Tensor) -> Tensor:
    """Responses ``[donor, context, coordinate]`` for every pair."""
    donors = donor_rows.repeat_interleave(len(contexts))
    got = task.target.under(task.source, contexts.repeat(len(donor_rows)), donors, task.memory)
    return got.reshape(len(donor_rows), len(contexts), -1)


def _exact(bits: float) -> dict[str, Any]:
    return {"bits": bits, "low": bits, "high": bits}


def _saturation(upper: float, draws: int) -> dict[str, Any]:
    if not is_saturated(upper, draws):
        return {}
    return {"saturated": True, "low": None, "high": None, "upper_low": None, "upper_high": None}


def _sampled(
    task: _Task,
    whole: Bounds,
    figure: Callable[[Tensor], float],
    rows: int,
    permuted: Callable[[Tensor], float],
    *,
    draws: int = _PERMUTATIONS,
    permuted_rows: int | None = None,
) -> dict[str, Any]:
    """Interval by the jackknife over ``rows``, null floor by permutation."""
    bits, low, high = jackknife(figure, rows)
    floor, p = permutation_null(permuted, permuted_rows or rows, bits, draws, task.seed)
    result: dict[str, Any] = {"bits": bits, "low": low, "high": high, "null": floor, "p": p}
    if whole.upper is not None:
        result |= {"upper": float(whole.upper)} | _saturation(float(whole.upper), rows)
    return result
