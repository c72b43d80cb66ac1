"""information: the bits that one variable or group sends, or shares with, another."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from math import isinf, log2
from numbers import Integral
from typing import Any, NamedTuple

from causalmod.errors import CausalmodWarning, EstimatorError
from causalmod.exchange.averaged import interventional
from causalmod.exchange.choice import check_count, check_resolution, choose, parse_memory
from causalmod.exchange.contexts import CONTEXTS
from causalmod.exchange.figures import conditional, observational
from causalmod.exchange.groups import Group
from causalmod.exchange.question import Question, Selectors, check_kind, check_question
from causalmod.exchange.strength import check_arrows, strength
from causalmod.exchange.task import Task
from causalmod.information import ESTIMATORS, Estimate, Estimator, Observed
from causalmod.information.bins import Bins
from causalmod.information.choice import disagreement, second_opinion
from causalmod.information.protocol import BINS
from causalmod.provenance import Stopwatch
from causalmod.scm import StructuralCausalModel

_READ: dict[str, Callable[[Task], dict[str, Any]]] = {
    "observational": observational,
    "interventional": interventional,
    "effective": interventional,
    "conditional": conditional,
}


_LEVEL = 0.05  # of p-values


class _Settings(NamedTuple):
    """How much is drawn, and what by."""

    estimator: str
    resolution: float
    bins: tuple[Bins, Bins]
    contexts: int
    draws: int | None
    seed: int
    memory: int


def information(
    scm: StructuralCausalModel,
    source: Selectors,
    target: Selectors,
    kind: str = "interventional",
    *,
    reference: str = "do",
    law: str | None = None,
    effect: str = "total",
    given_do: Selectors = (),
    noise: Selectors = (),
    estimator: str = "auto",
    resolution: float = 1.0,
    bins: Any = BINS,
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
    effective        the same, with ``B`` uniform                          what the mechanism
                                                                           could send
    conditional      ``I(B';C | X) = E_x H( C(x, B') )``                   bits that C receives
                                                                           given all that it
                                                                           sees
    strength         ``E_pa KL( P(C|pa) || P_cut(C|pa) )``                 what cutting the
                                                                           arrow would change
    ===============  ====================================================  ====================

    ``B'`` is the source on an independent donor row. ``interventional <= conditional``, always. The
    interventional form is zero on XOR, unit to unit, where the conditional form is 1 bit. Causal
    strength can be more than ``H(C)``.

    Args:
        scm: the model.
        source: selectors of the group that is set; inputs are allowed.
        target: selectors of the group that is read; disjoint from the source.
        kind: see above. ``"strength"`` needs direct edges; several sources are cut together, and
            several targets are summed.
        reference: of the interventional kind. ``"do"``: ``Q(C)`` as above, the mixture of
            interventional distributions. ``"observational"``: ``Q(C) = P(C)``, what is observed.
            The latter is larger by the confounding gap, ``Estimate.gap``, and infinite where
            interventions bring about what the data never show.
        law: of the values that the source is set to. ``"observed"``: its values on the data,
            jointly. ``"product"``: each variable by itself. ``"maxent"``: each uniform over its
            observed values where they are few, else over its observed range. None takes what the
            kind is defined with: ``"product"`` for strength, ``"maxent"`` for effective, else
            ``"observed"``.
        effect: ``"total"``: what is between source and target responds. ``"direct"``: all other
            units are held at their value on the context row. Strength is always direct.
        given_do: further variables that are set, to independent values from the data, which are
            known to the receiver: ``I(B -> C | do(D))``.
        noise: inputs that stand for the noise of noisy mechanisms. Strength averages over those
            that enter the target, instead of knowing them.
        estimator: a registered name or ``"auto"``: exact where every unit takes few values, else
            binned for single units and pairwise bounds for groups.
        resolution: noise scale in standard deviations, for estimators that add noise.
        bins: for estimators that bin: a number, edges, or :class:`causalmod.information.Bins`; or
            a pair of these, for source and target.
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
        InputError: groups that overlap or are empty; an unknown kind, reference, law, effect or
            estimator, or one that does not go with the kind; no direct edge for strength (the next
            variables on the path are named); a resolution or a count that cannot be.
        EstimatorError: the estimator cannot answer this; one that can is named.

    Source: Ay and Polani, Advances in Complex Systems 11(1):17 (2008), equations 9 and 10, for the
    averaged form and what is given; Janzing et al., Annals of Statistics 41(5):2324 (2013), for
    strength; Hoel, Albantakis and Tononi, PNAS 110(49):19790 (2013), for effective information.

    Example:
        >>> from causalmod import compile, zoo
        >>> case = zoo.xor()
        >>> scm = compile(case.model, case.inputs)
        >>> information(scm, "input[0]", "output[0]", kind="conditional").bits
        1.0
        >>> information(scm, "b", "output", given_do="a").bits
        1.0
        >>> information(scm, "b", "output", kind="strength").bits
        1.0
    """
    watch = Stopwatch()
    how = check_kind(kind, reference=reference, law=law, effect=effect)
    asked = check_question(scm, source, target, how, given_do=given_do, noise=noise)
    if kind == "strength":
        check_arrows(scm, asked.source, asked.target)
    resolution = check_resolution(resolution)
    if kind == "effective" and isinstance(bins, Integral):
        bins = Bins(int(bins), "width")  # a uniform law is uniform over bins of equal width
    pair = Bins.pair(bins)
    contexts = check_count("contexts", contexts, 2)
    draws = None if draws is None else check_count("draws", draws, 2)
    settings = _Settings(estimator, resolution, pair, contexts, draws, seed, parse_memory(memory))
    task, reason = _chosen(asked, settings)
    fitted = task.estimator
    fields: dict[str, Any] = {"note": reason}
    fields |= strength(task, asked.noise) if kind == "strength" else _READ[kind](task)
    estimate = Estimate(
        **fields,
        kind=kind,
        estimator=fitted.name,
        resolution=resolution if fitted.uses_resolution else None,
        bins=pair[1].count if fitted.uses_bins else None,
        seed=seed,
        reference=how.reference,
        law=how.law,
        effect=how.effect,
        given=() if asked.given is None else tuple(v.name for v in asked.given.variables),
        off_manifold=task.outside.share,
        provenance=scm.provenance(seed, watch.seconds),
    )
    _warn(estimate)
    if estimator == "auto" and not fitted.exact and kind != "strength":
        width = asked.source.width + asked.target.width
        other = second_opinion(fitted.name, kind, width, scm.rows)
        if other is not None:
            _compare(estimate, asked, settings._replace(estimator=other))
    return estimate


def _compare(first: Estimate, asked: Question, settings: _Settings) -> None:
    """Warn where another estimator that suits the data says something else."""
    try:
        task = replace(_chosen(asked, settings)[0], permuted=False)
        fields = _READ[asked.how.kind](task)
    except EstimatorError:
        return
    bins = first.bins if task.estimator.uses_bins else None
    second = Estimate(**fields, kind=first.kind, estimator=task.estimator.name, bins=bins)
    text = disagreement(first, second)
    if text is not None:
        warnings.warn(text, CausalmodWarning, stacklevel=4)


def _chosen(asked: Question, settings: _Settings) -> tuple[Task, str]:
    """The task with its estimator, and why that one."""
    scm, estimator = asked.source.scm, settings.estimator
    left, right = asked.source.observed(), asked.target.observed()
    values = [left.values, right.values]
    values += [] if asked.given is None else [asked.given.observed().values]
    arrows = asked.how.kind == "strength"
    if arrows:  # targets are read one by one, whatever feeds them
        right = Group(scm, [asked.target.variables[0].name], "target").observed()
    single = right.values.shape[1] == 1 and (arrows or asked.source.width == 1)

    def task(replays: int) -> tuple[Task, str]:
        name, reason = choose(
            estimator, values, replays, settings.memory, single, settings.bins[1].count
        )

        def fit(source: Observed | None, target: Observed) -> Estimator:
            return ESTIMATORS.get(name).fit(source, target, settings.resolution, settings.bins)

        fitted = fit(None if arrows else left, right)
        made = Task(
            scm, asked.source, asked.target, fit, fitted,
            settings.contexts, settings.draws, settings.seed, settings.memory,
            asked.how.law or "observed", asked.how.effect or "total", asked.given,
            literal=asked.how.reference == "observational",
        )  # fmt: skip
        return made, reason

    made, reason = task(0)
    if estimator == "auto" and asked.how.law is not None and made.estimator.exact:
        try:
            replays = made.replays()
        except EstimatorError:  # too many combinations to list
            replays = settings.memory
        made, reason = task(replays)
    return made, reason


def _warn(estimate: Estimate) -> None:
    """Say what a figure that is easy to misread does not say."""
    if isinf(estimate.bits):
        return  # the note says why
    if estimate.saturated and estimate.upper is not None:
        most = estimate.donors if estimate.donors > 1 else estimate.contexts
        warnings.warn(
            f"the figure is saturating: up to {estimate.upper:.2f} bits, and {most} draws tell at "
            f"most {log2(most):.2f} apart; read it as 'at least', or raise resolution (now "
            f"{estimate.resolution:g}) or draws",
            CausalmodWarning,
            stacklevel=3,
        )
    elif 0 < estimate.bits <= estimate.null and (estimate.p is None or estimate.p > _LEVEL):
        warnings.warn(
            f"{estimate.bits:.4f} bits is inside the null floor ({estimate.null:.4f}): not to be "
            "told from nothing with this sample",
            CausalmodWarning,
            stacklevel=3,
        )
