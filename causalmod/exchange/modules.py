"""exchange: the bits that the modules of a partition send each other."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from math import log2
from typing import Any

from torch import Tensor

from causalmod.errors import CausalmodWarning, Interrupted, PartitionError
from causalmod.exchange.choice import check_count, check_resolution, check_rows, parse_memory
from causalmod.exchange.conditional_form import Effort
from causalmod.exchange.contexts import CONTEXTS
from causalmod.exchange.forms import Asked, check_form, make_form
from causalmod.exchange.on_demand import OnDemand
from causalmod.exchange.partitions import partition_of, unit_labels
from causalmod.exchange.progress import Progress, progress_of
from causalmod.exchange.readings import Form, Reading, summed
from causalmod.exchange.result import Exchange
from causalmod.information import ESTIMATORS, Estimate
from causalmod.partition import Partition
from causalmod.provenance import Stopwatch
from causalmod.scm import StructuralCausalModel
from causalmod.scm.carried import warn_if_bypassed
from causalmod.scm.units import find_units

Pair = tuple[str, str]


def exchange(
    scm: StructuralCausalModel,
    partition: Partition,
    *,
    kind: str = "conditional",
    donors: str = "independent",
    inputs: str = "environment",
    reference: str = "do",
    estimator: str = "auto",
    resolution: float = 1.0,
    contexts: int | None = None,
    draws: int | None = None,
    rows: Tensor | None = None,
    seed: int = 0,
    memory: str | int = "2GB",
    held_out: bool = False,
    progress: Progress | bool | None = None,
) -> Exchange:
    """Measure the bits that the modules of a partition send each other.

    For each module ``m``, the network runs on a context row while every other module is set to what
    it was on a donor row, one independent donor per module: ``R_m(x, X')`` is what ``m`` answers.
    The exchange is the sum over modules of what each takes in from the others:

    - ``conditional``: ``in(m) = E_x H(R_m(x, X'))``, knowing all else that ``m`` sees. 0 means that
      no other module influences ``m``, whatever they do together.
    - ``averaged``: ``in(m) = sum_b P(b) KL(P(R_m|do(b)) || Q)``, the context being unknown. Never
      more than the conditional form; it is 0 on an exclusive or.
    - ``strength``: what is lost when the arrows from other modules are cut. It may exceed ``H(C)``.

    Args:
        scm: the model.
        partition: a split of all its live units.
        kind: ``"conditional"``, ``"averaged"`` or ``"strength"``.
        donors: ``"independent"``: a donor row for each other module. ``"joint"``: one for all of
            them, so that they stay as correlated as on the data; three modules that hold equal
            bits can hide an exclusive or from it.
        inputs: ``"environment"``: all modules see the true input. ``"members"``: input variables
            stand in the partition, and a module sees donors' values of those of others. The answer
            then depends on which module owns an input; see :attr:`Exchange.ownership`.
        reference: for the averaged form, what outcomes are compared with: ``"do"`` (``Q`` is their
            own mixture, a mutual information) or ``"observational"`` (``Q`` is what the data show,
            which can make it infinite; exact estimator only).
        estimator: ``"exact"``, ``"pairwise"``, ``"gaussian"`` or ``"auto"``: exact where every unit
            takes few values, else pairwise. For strength ``"exact"`` or ``"binned"``.
        resolution: noise scale in standard deviations; smaller sees finer signals.
        contexts: number of context rows (all rows when exact); 256, or all if fewer, by default.
            For the averaged form of sampled figures the number of sets of draws.
        draws: donor rows for each context (all distinct values when exact). None starts at 64
            and takes 256 or 1024, the latter with fewer contexts, where a module's upper bound
            passes half of the ceiling ``log2(draws)`` (256 at most between single modules, and for
            the averaged form; 256 for strength).
        rows: ``[row]`` numbers of the rows to use; all by default.
        seed: seed of the draws; partitions measured with one seed share contexts and donors.
        memory: bytes that the work may hold.
        held_out: were the rows kept from a search? Recorded in the result.
        progress: True for a bar, False for none, None for one in a terminal or notebook; or a
            function of (stage, steps done, steps in all).

    Returns:
        Exchange: with a 95% t-interval over contexts. Pairwise figures are a lower bound with its
        upper bound. Where these saturate all the same there is no interval, and a warning. What a
        module sends, and the figures between single modules, are measured when first looked at.

    Raises:
        PartitionError: see :func:`causalmod.exchange.partition_of`.
        EstimatorError: the estimator is for single units, or cannot enumerate this model.
        InputError: a form, a resolution, a count or rows that cannot be.
        Interrupted: Ctrl-C; ``.partial`` maps the modules that were done to what they receive.

    Source: Ay and Polani, Advances in Complex Systems 11(1):17 (2008), equations 9 and 10, for the
    averaged form; Janzing et al., Annals of Statistics 41(5):2324 (2013), for strength.

    Example:
        >>> from causalmod import Partition, zoo, compile
        >>> case = zoo.isolated()
        >>> scm = compile(case.model, case.inputs)
        >>> exchange(scm, Partition(case.modules)).bits
        0.0
    """
    watch = Stopwatch()
    check_form(kind, donors=donors, inputs=inputs, reference=reference)
    kind = "averaged" if kind == "interventional" else kind
    resolution = check_resolution(resolution)
    draws = None if draws is None else check_count("draws", draws, 2)
    budget, rows = parse_memory(memory), check_rows(rows, scm.rows)
    if contexts is not None:
        contexts = check_count("contexts", contexts, 2, len(rows))
    units = find_units(scm, inputs=True) if inputs == "members" else scm.units
    split = partition_of(scm, partition, units)
    if len(split) < 2:
        raise PartitionError("one module has nobody to exchange with; give at least two modules")
    labels, names = unit_labels(units, split)
    warn_if_bypassed(scm)
    with progress_of(progress) as tell:
        steps = _Steps(tell, names)
        effort = Effort(
            rows=rows,
            contexts=contexts or CONTEXTS,
            draws=draws,
            seed=seed,
            joint=donors == "joint",
            tell=steps.next,
        )
        asked = Asked(kind, estimator, resolution, budget, literal=reference == "observational")
        form, choice = make_form(scm, units, labels, effort, asked)
        taken = ESTIMATORS.get(choice.name)
        settings: dict[str, Any] = {
            "kind": kind,
            "estimator": choice.name,
            "resolution": resolution if taken.uses_resolution else None,
            "reference": reference if kind == "averaged" else None,
            "law": "product" if kind == "strength" else "observed",
            "seed": seed,
            "held_out": held_out,
            "note": choice.reason,
        }
        into = steps.read(form, settings)
    settings["provenance"] = scm.provenance(seed, watch.seconds)
    received = {name: reading.report(settings) for name, reading in into.items()}
    full = any(estimate.saturated for estimate in received.values())
    sends, direct, total = _between(form, names, received, settings)
    found = Exchange(
        estimate=summed(list(into.values()), saturated=full).report(settings),
        into=received,
        out=sends,
        matrix=direct,
        total_matrix=total,
        partition=split,
        donors=donors,
        inputs=inputs,
        ownership={u: m for u, m in split.labels.items() if u.rpartition("[")[0] in scm.inputs},
    )
    _warn(found)
    return found


class _Steps:
    """Keeps what modules have been read, and tells how many."""

    def __init__(self, tell: Progress, names: tuple[str, ...]) -> None:
        self._tell, self._names = tell, names
        self._done: list[Reading] = []
        tell("exchange", 0, len(names))

    def next(self, reading: Reading) -> None:
        """Note a reading; after the last module the count starts again, with more draws."""
        self._done = [*self._done[: len(self._done) % len(self._names)], reading]
        self._tell("exchange", len(self._done), len(self._names))

    def read(self, form: Form, settings: dict[str, Any]) -> dict[str, Reading]:
        """What each module receives.

        Raises:
            Interrupted: ``.partial`` maps the modules that were done to their estimates.
        """
        try:
            found = form.receive(range(len(self._names)))
        except KeyboardInterrupt as stop:
            known = zip(self._names, self._done, strict=False)
            raise Interrupted({name: read.report(settings) for name, read in known}) from stop
        return dict(zip(self._names, found, strict=True))


def _between(
    form: Form, names: tuple[str, ...], into: Mapping[str, Estimate], settings: dict[str, Any]
) -> tuple[Mapping[str, Estimate], Mapping[Pair, Estimate], Mapping[Pair, Estimate]]:
    """What each module sends, and what it sends each other one, directly and in total."""
    if len(names) == 2:  # all others are one other, and nothing else is left to hold
        first, second = names
        pairs = {(second, first): into[first], (first, second): into[second]}
        arrows = settings["kind"] == "strength"
        return {first: into[second], second: into[first]}, pairs, {} if arrows else dict(pairs)
    number = {name: place for place, name in enumerate(names)}
    every = [(sender, receiver) for sender in names for receiver in names if sender != receiver]

    def send(name: str) -> dict[str, Estimate]:
        return {name: form.send(number[name]).report(settings)}

    def pair(direct: bool) -> OnDemand[Pair, Estimate]:
        fields = settings | {"effect": "direct" if direct else "total"}

        def measure(key: Pair) -> dict[Pair, Estimate]:
            reading = form.pair(number[key[0]], number[key[1]], direct=direct)
            return {key: reading.report(fields)}

        return OnDemand(every, measure)

    totals = {} if settings["kind"] == "strength" else pair(direct=False)
    return OnDemand(names, send), pair(direct=True), totals


def _warn(found: Exchange) -> None:
    """Say what a figure that is easy to misread does not say."""
    total = found.estimate
    if total.saturated:
        name, worst = max(found.into.items(), key=lambda item: item[1].upper or 0.0)
        draws = worst.donors if worst.kind == "conditional" else worst.contexts
        warnings.warn(
            f"the exchange is saturating: module {name!r} receives up to {worst.upper:.2f} bits, "
            f"and {draws} draws tell at most {log2(draws):.2f} apart; read the "
            f"figures as 'at least', or raise resolution (now {total.resolution:g}) or draws",
            CausalmodWarning,
            stacklevel=3,
        )
    if 0 < total.bits <= total.null:
        what = (
            "numerical noise"
            if total.kind == "conditional"
            else "not to be told from nothing with this sample"
        )
        warnings.warn(
            f"{total.bits:.2g} bits are inside the null floor ({total.null:.2g}): {what}",
            CausalmodWarning,
            stacklevel=3,
        )
