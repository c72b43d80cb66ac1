"""The averaged form: what a response tells of the donor to one who does not know the context."""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.information.protocol import Bounds, Estimator

_SETS = 16  # sets of draws for the entropy over all donors


def averaged(estimator: Estimator, responses: Tensor, weights: Tensor | None = None) -> Bounds:
    """Bits of the channel ``P(C | do(b))``.

    ``sum_b P(b) KL( P(C|do(b)) || sum_b P(b) P(C|do(b)) ) = H(C) - sum_b P(b) H(C|do(b))``.
    Entropies found from few draws are too small, so both are found from equally many: for ``H(C)``
    sets of draws are taken that hold each context once, with donors dealt to them in turn. Where
    the donor makes no difference both are equal, not just on average. A lower bound subtracts an
    upper one, and the upper bound also is at most that of the conditional form, which knows the
    context.

    Args:
        estimator: fitted on the target.
        responses: ``[donor, context, coordinate]``.
        weights: ``[donor]`` counts when all values of the source are enumerated; then every draw is
            used for ``H(C)``.

    Returns:
        Bounds: scalars, in bits; below zero by chance, or where the bounds are wide.

    Source: Ay and Polani, Advances in Complex Systems 11(1):17 (2008).
    """
    donors, contexts = responses.shape[:2]
    within = estimator.response(responses)
    if weights is None:
        share = torch.full((donors,), 1 / donors, dtype=torch.float64)
        total = _mean(estimator.response(_mixed(responses)))
    else:
        share = weights.double() / weights.sum()
        pool = responses.flatten(0, 1)
        total = estimator.response(pool, weights.repeat_interleave(contexts))
    if within.upper is None or total.upper is None:
        return Bounds(total.bits - share @ within.bits)
    low = total.bits - share @ within.upper
    high = total.upper - share @ within.bits
    known = estimator.response(responses.transpose(0, 1), weights)
    if known.upper is not None:
        high = torch.minimum(high, known.upper.mean())
    return Bounds(low, torch.maximum(low, high))


def _mixed(responses: Tensor) -> Tensor:
    """Sets of draws ``[set, context, coordinate]`` over all donors, each context once in each."""
    donors, contexts = responses.shape[:2]
    sets = min(_SETS, donors)
    start = torch.arange(sets)[:, None] * donors // sets
    place = torch.arange(contexts)[None, :]
    return responses[(place + start) % donors, place]


def _mean(bounds: Bounds) -> Bounds:
    return Bounds(bounds.bits.mean(), None if bounds.upper is None else bounds.upper.mean())
