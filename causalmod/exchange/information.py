"""information: the bits that one variable or group sends, or shares with, another."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from math import log2

from causalmod.errors import CausalmodWarning, InputError, nearest
from causalmod.exchange.choice import check_count, check_resolution, choose, parse_memory
from causalmod.exchange.contexts import CONTEXTS
from causalmod.exchange.figures import Task, conditional, interventional, observational
from causalmod.exchange.groups import Group, check_disjoint
from causalmod.information import ESTIMATORS, Estimate, Estimator, Observed
from causalmod.information.protocol import BINS
from causalmod.provenance import Stopwatch
from causalmod.scm import StructuralCausalModel

KINDS = {
    "observational": observational,
    "interventional": interventional,
    "conditional": conditional,
}
REFERENCES = ("do",)


def information(
    scm: StructuralCausalModel,
    source: str | Iterable[str],
    target: str | Iterable[str],
    kind: str = "interventional",
    *,
    reference: str = "do",
    estimator: str = "auto",
    resolution: float = 1.0,
    bins: int = BINS,
    contexts: int = CONTEXTS,
    draws: int | None = None,
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
        bins: number of bins, for estimators that bin.
        contexts: context rows (all when exact); for the interventional form of groups, donors, each
            with ``draws`` context rows. The observational form uses every row, pairwise at most
            1024.
        draws: donor rows for each context (all values when exact). None takes 64; for the
            conditional form more, where the upper bound passes half of the ceiling
            ``log2(draws)``.
        seed: seed of the draws.
        memory: bytes that the work may hold.

    Returns:
        Estimate: in bits, with a 95% interval: over contexts (t), or by the jackknife for averaged
        and observational figures. Exactly 0 where nothing that is done to the source moves the
        target.

    Raises:
        SelectorError: an unknown name.
        InputError: groups that overlap or are empty; an unknown kind, reference or estimator; a
            resolution or a count that cannot be.
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
        raise InputError(f"unknown kind {kind!r}: {nearest(str(kind), KINDS)}")
    if reference not in REFERENCES:
        raise InputError(f"unknown reference {reference!r}: {nearest(str(reference), REFERENCES)}")
    resolution, bins = check_resolution(resolution), check_count("bins", bins, 2)
    contexts = check_count("contexts", contexts, 2)
    draws = None if draws is None else check_count("draws", draws, 2)
    budget = parse_memory(memory)
    sender, receiver = Group(scm, source, "source"), Group(scm, target, "target")
    check_disjoint(sender, receiver)
    left, right = sender.observed(), receiver.observed()
    single = sender.width == receiver.width == 1

    def task(replays: int) -> Task:
        values = [left.values, right.values]
        name, reason = choose(estimator, values, replays, budget, single, bins)

        def fit(source: Observed, target: Observed) -> Estimator:
            return ESTIMATORS.get(name).fit(source, target, resolution, bins)

        fitted = fit(left, right)
        return Task(scm, sender, receiver, fit, fitted, contexts, draws, seed, budget, reason)

    chosen = task(0)
    if estimator == "auto" and kind != "observational" and chosen.estimator.exact:
        chosen = task(chosen.replays())
    fitted = chosen.estimator
    estimate = Estimate(
        **KINDS[kind](chosen),
        kind=kind,
        estimator=fitted.name,
        resolution=resolution if fitted.uses_resolution else None,
        bins=bins if fitted.uses_bins else None,
        seed=seed,
        note=chosen.reason,
        provenance=scm.provenance(seed, watch.seconds),
    )
    _warn(estimate)
    return estimate


def _warn(estimate: Estimate) -> None:
    """Say what a figure that is easy to misread does not say."""
    if estimate.saturated and estimate.upper is not None:
        most = estimate.donors if estimate.donors > 1 else estimate.contexts
        warnings.warn(
            f"the figure is saturating: up to {estimate.upper:.2f} bits, and {most} draws tell at "
            f"most {log2(most):.2f} apart; read it as 'at least', or raise resolution (now "
            f"{estimate.resolution:g}) or draws",
            CausalmodWarning,
            stacklevel=3,
        )
    elif 0 < estimate.bits <= estimate.null:
        warnings.warn(
            f"{estimate.bits:.4f} bits is inside the null floor ({estimate.null:.4f}): not to be "
            "told from nothing with this sample",
            CausalmodWarning,
            stacklevel=3,
        )
