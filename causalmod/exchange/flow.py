"""flow: a map of what every source sends every target."""

from __future__ import annotations

from typing import Any

from causalmod.errors import InputError, Interrupted, nearest
from causalmod.exchange.choice import check_count, check_resolution, parse_memory
from causalmod.exchange.flow_result import Flow
from causalmod.exchange.flow_rows import Job, Tables
from causalmod.exchange.parties import Parties, Selectors, overlap
from causalmod.exchange.progress import Progress, progress_of
from causalmod.exchange.question import check_kind
from causalmod.information.bins import BINS
from causalmod.information.significance import METHODS
from causalmod.provenance import Stopwatch
from causalmod.scm import StructuralCausalModel

CONTEXTS, DRAWS = 64, 64


def flow(
    scm: StructuralCausalModel,
    sources: Selectors,
    targets: Selectors,
    kind: str = "interventional",
    *,
    reference: str = "do",
    law: str | None = None,
    effect: str = "total",
    estimator: str = "auto",
    resolution: float = 1.0,
    bins: Any = BINS,
    contexts: int = CONTEXTS,
    draws: int = DRAWS,
    significance: str | None = None,
    seed: int = 0,
    memory: str | int = "2GB",
    progress: Progress | bool | None = None,
) -> Flow:
    """Measure what every source sends, or shares with, every target.

    One set of interventions serves all targets of a source, and contexts and donors are the same
    for all sources.

    Args:
        scm: the model.
        sources: selectors, each variable a source by itself; or a mapping from names to selectors,
            each a group that is set as a whole.
        targets: the same for those that are read. A pair that shares a variable is left out.
        kind: as for :func:`causalmod.information`.
        reference: the same.
        law: the same.
        effect: the same.
        estimator: one for the whole map; ``"auto"`` as for :func:`causalmod.information`.
        resolution: noise scale in standard deviations, for estimators that add noise.
        bins: for estimators that bin, as for :func:`causalmod.information`.
        contexts: context rows (all when exact).
        draws: donors for each context (all values when exact).
        significance: adjust p-values for the number of pairs, ``"bh"`` (Benjamini and Hochberg:
            of the pairs that are called significant, 5% are not, on average), ``"holm"`` or
            ``"bonferroni"`` (no pair is wrongly called so, in 95% of maps). None calls each pair at
            5%. The conditional form and strength have no p-values: nothing sent reads exactly 0.
        seed: seed of the draws.
        memory: bytes that the work may hold.
        progress: True for a bar on stderr, False for none, None for one where stderr is a terminal;
            or what to call with (stage, sources done, sources in all).

    Returns:
        Flow: tables in bits, a row for each source and a column for each target.

    Raises:
        SelectorError: an unknown name.
        InputError: as for :func:`causalmod.information`, or an unknown ``significance``.
        EstimatorError: the estimator cannot answer this.
        Interrupted: Ctrl-C; ``.partial`` holds the map as far as it was measured.

    Example:
        >>> from causalmod import compile, zoo
        >>> case = zoo.xor()
        >>> found = flow(case.compile(), ["a", "b"], "output", "conditional")
        >>> float(found.bits.loc["b[0]", "output[0]"])
        1.0
    """
    watch = Stopwatch()
    if significance is not None and significance not in METHODS:
        known = nearest(str(significance), METHODS)
        raise InputError(f"unknown significance {significance!r}: {known}")
    asked = check_kind(kind, reference=reference, law=law, effect=effect)
    senders, receivers = Parties(scm, sources, "sources"), Parties(scm, targets, "targets")
    job = Job(
        scm=scm, sources=senders, targets=receivers, same=overlap(senders, receivers), asked=asked,
        estimator=estimator, resolution=check_resolution(resolution), bins=bins,
        contexts=check_count("contexts", contexts, 2), draws=check_count("draws", draws, 2),
        seed=seed, memory=parse_memory(memory),
    )  # fmt: skip
    read = job.reader()  # refuses what cannot be measured, before anything is
    tables = Tables(senders.names, receivers.names)
    done = 0
    try:
        with progress_of(progress) as tell:
            tell("sources", 0, len(senders))
            for number, cells in enumerate(read(len(senders))):
                tables.put(number, cells, job.same[number])
                done += 1
                tell("sources", done, len(senders))
    except KeyboardInterrupt as stop:
        partial = tables.result(job, significance, watch.seconds, complete=done == len(senders))
        raise Interrupted(partial) from stop
    return tables.result(job, significance, watch.seconds, complete=True)
