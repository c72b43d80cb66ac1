"""check_measure and conformance: measures tried on axioms."""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from causalmod.conformance.judge import judge
from causalmod.conformance.networks import reference
from causalmod.conformance.protocol import AXIOMS, Axiom
from causalmod.conformance.result import Conformance, Verdict
from causalmod.conformance.subject import MisbehavedError, NotApplicableError, Subject
from causalmod.errors import CausalmodWarning, InputError, Interrupted
from causalmod.exchange.progress import Progress, progress_of
from causalmod.measures import MEASURES
from causalmod.provenance import Stopwatch


def check_measure(
    measure: Any,
    *,
    axioms: Iterable[str] | None = None,
    quick: bool = False,
    seed: int = 0,
    progress: Progress | bool | None = None,
) -> Conformance:
    """Try a measure of modularity on every axiom.

    A measure is anything that can be called with a model and a partition and returns a number; see
    :class:`causalmod.measures.Measure` for what it may have besides. How far two of its figures may
    be apart is a share of its *range*: what it reads at the planted partition of two separate
    blocks, less the median of what it reads at random ones.

    A measure that raises, returns NaN, is not deterministic for a seed, ignores its partition or
    changes the model is reported as that, and the trial goes on.

    Args:
        measure: the measure, its class, or the name of a registered one.
        axioms: names of axioms; all by default.
        quick: only the cheapest networks of each axiom.
        seed: given to a measure that takes one.
        progress: True or False for a bar or none; or a function of (stage, steps done, steps in
            all). None shows a bar on a terminal.

    Returns:
        Conformance: print it for the table and the failures; ``.ok`` is True when nothing failed.

    Raises:
        InputError: an unknown name, or something that cannot be called as a measure is.
        Interrupted: Ctrl-C; ``.partial`` is the Conformance so far.

    Example:
        >>> class Modules:
        ...     "The share of units outside of the largest module."
        ...     def __call__(self, scm, partition):
        ...         sizes = [len(members) for members in partition.modules.values()]
        ...         return 1 - max(sizes) / sum(sizes)
        >>> found = check_measure(Modules, axioms=["perfect_modularity"], quick=True)
        >>> found.status("Modules", "perfect_modularity")
        'fails'
    """
    return conformance([measure], axioms=axioms, quick=quick, seed=seed, progress=progress)


def conformance(
    measures: Sequence[Any] | None = None,
    *,
    axioms: Iterable[str] | None = None,
    quick: bool = False,
    seed: int = 0,
    progress: Progress | bool | None = None,
) -> Conformance:
    """Try several measures on every axiom: the matrix of measures against axioms.

    Args:
        measures: measures, their classes, or names of registered ones; all registered ones by
            default.
        axioms: names of axioms; all by default.
        quick: only the cheapest networks of each axiom.
        seed: given to each measure that takes one.
        progress: as for :func:`check_measure`.

    Raises:
        InputError: an unknown name, two measures of one name, or something that is no measure.
        Interrupted: Ctrl-C; ``.partial`` is the Conformance so far.

    Example:
        >>> found = conformance(["newman_q", "total_weight"], axioms=["bias"], quick=True)
        >>> found.to_frame().shape
        (2, 1)
    """
    given = MEASURES.names() if measures is None else measures
    subjects = [
        Subject(MEASURES.get(each) if isinstance(each, str) else each, seed) for each in given
    ]
    names = [subject.name for subject in subjects]
    if len(set(names)) < len(names):
        raise InputError(f"measures must have different names; given {names}")
    asked = [AXIOMS.get(name) for name in (AXIOMS.names() if axioms is None else axioms)]
    verdicts: list[Verdict] = []
    seconds: dict[str, float] = {}
    done, total = 0, len(subjects) * len(asked)
    with progress_of(progress) as tell, torch.random.fork_rng(devices=[]):
        try:
            for subject in subjects:
                watch = Stopwatch()
                scale = scale_of(subject)
                for axiom in asked:
                    tell("axioms", done, total)
                    verdicts.append(_try(subject, axiom, scale, quick))
                    done += 1
                seconds[subject.name] = watch.seconds
            tell("axioms", done, total)
        except KeyboardInterrupt as stop:
            partial = Conformance(tuple(verdicts), quick, seed, seconds, complete=False)
            raise Interrupted(partial) from stop
    return Conformance(tuple(verdicts), quick, seed, seconds)


def scale_of(subject: Subject) -> float:
    """Range of a measure: the planted partition's value less the median of random ones.

    1 where the measure cannot tell them apart, or does not apply.
    """
    planted, others = reference()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CausalmodWarning)
            top = subject.score(planted)
            rest = statistics.median(subject.score(each) for each in others)
    except (NotApplicableError, MisbehavedError):
        return 1.0
    found = abs(top - rest)
    return found if found > 0 and math.isfinite(found) else 1.0


def _try(subject: Subject, axiom: Axiom, scale: float, quick: bool) -> Verdict:
    with warnings.catch_warnings():
        # figures near their floor, or near saturation, are what several axioms are about
        warnings.simplefilter("ignore", CausalmodWarning)
        findings = tuple(judge(subject, claim, scale) for claim in axiom.claims(quick=quick))
    return Verdict(
        subject.name, axiom.name, axiom.statement, axiom.source, axiom.tolerance, findings
    )
