"""The averaged form: what a response tells of the donor to one who does not know the context."""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.information.protocol import Bounds, Estimator

_ROUNDING = 1e-12  # bits; entropies of counts differ by more, or by nothing


def averaged_over_all(estimator: Estimator, responses: Tensor, weights: Tensor) -> Bounds:
    """Bits of the channel ``P(C | do(b))``, every donor and context being there.

    ``sum_b P(b) KL( P(C|do(b)) || sum_b P(b) P(C|do(b)) ) = H(C) - sum_b P(b) H(C|do(b))``.

    Args:
        estimator: an exact one, fitted on the target.
        responses: ``[donor, context, coordinate]``.
        weights: ``[donor]`` counts of the source's values.

    Returns:
        Bounds: scalars, in bits.

    Source: Ay and Polani, Advances in Complex Systems 11(1):17 (2008).
    """
    share = weights.double() / weights.sum()
    within = estimator.response(responses).bits
    pool = responses.flatten(0, 1)
    total = estimator.response(pool, weights.repeat_interleave(responses.shape[1])).bits
    return Bounds(without_rounding(total - share @ within))


def without_rounding(bits: Tensor) -> Tensor:
    """Differences of entropies, with 0 for what is left of two that are equal."""
    return torch.where(bits.abs() < _ROUNDING, 0.0, bits)


def averaged_over_sets(estimator: Estimator, mixed: Tensor, fixed: Tensor) -> tuple[Bounds, Bounds]:
    """The same from sets of draws: ``H(C)`` and ``H(C|do(b))`` from equally many, in pairs.

    The entropy of few draws is too small. So each set has a partner with the same contexts: one
    with a donor for each context, one with a single donor. What is left of the bias cancels, and
    where the donor makes no difference the two are equal in every set, not just on average. A
    lower bound subtracts an upper one.

    Args:
        estimator: fitted on the target.
        mixed: ``[set, context, coordinate]``, each context with a donor of its own.
        fixed: the same contexts, with one donor in each set.

    Returns:
        ``[set]`` bits, below zero by chance or where bounds are wide; and ``H(C)``, by which
        saturation is judged.
    """
    total, within = estimator.unbiased(mixed), estimator.unbiased(fixed)
    if total.upper is None or within.upper is None:
        return Bounds(total.bits - within.bits), total
    return Bounds(total.bits - within.upper, total.upper - within.bits), total
