"""The figures that facts of the zoo are about, each as one public call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import isinf
from typing import Any

from causalmod.exchange import exchange, information
from causalmod.modularity import modularity
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel
from causalmod.zoo.case import Fact

NULLS = 3  # scores that are known beforehand do not hang on the sample of null networks
Modules = Mapping[str, list[str]]


def sends(kind: str, sender: str, receiver: str, expected: float, source: str) -> Fact:
    """Bits from one variable to another, every value counted.

    Args:
        kind: ``"observational"``, ``"interventional"`` or ``"conditional"``.
        sender: selector of the source.
        receiver: selector of the target.
        expected: the right answer, in bits.
        source: why.
    """

    def compute(scm: StructuralCausalModel) -> float:
        return information(scm, sender, receiver, kind, estimator="exact").bits

    return Fact(f"{kind} {sender} -> {receiver}", expected, compute, source)


def published(
    expected: float, source: str, sender: str | list[str], receiver: str, **options: Any
) -> Fact:
    """Bits that a paper or a derivation gives to six decimals, every value counted.

    Args:
        expected: the right answer, in bits.
        source: why.
        sender: selectors of the source.
        receiver: selector of the target.
        options: further arguments of :func:`causalmod.information`, ``kind`` among them.
    """
    shown = ", ".join(f"{name}={value}" for name, value in options.items())
    label = sender if isinstance(sender, str) else " + ".join(sender)

    def compute(scm: StructuralCausalModel) -> float:
        return information(scm, sender, receiver, estimator="exact", **options).bits

    return Fact(f"{label} -> {receiver} ({shown})", expected, compute, source, 5e-7)


def sends_alike(sender: str, receiver: str, expected: float, source: str) -> tuple[Fact, ...]:
    """The same number of bits in every kind."""
    kinds = ("observational", "interventional", "conditional")
    return tuple(sends(kind, sender, receiver, expected, source) for kind in kinds)


def exchanges(
    modules: Modules,
    expected: float,
    source: str,
    *,
    estimator: str = "exact",
    donors: str = "independent",
    tolerance: float = 1e-9,
) -> Fact:
    """Bits that the modules of a partition send each other, all told.

    Args:
        modules: module name → selectors.
        expected: the right answer, in bits.
        source: why.
        estimator: name of the estimator.
        donors: ``"independent"``, or ``"joint"``: one donor row for all other modules.
        tolerance: how far the measured figure may be off.
    """
    partition = Partition(modules)

    def compute(scm: StructuralCausalModel) -> float:
        return exchange(scm, partition, estimator=estimator, donors=donors).bits

    split, how = " | ".join(modules), estimator + (", joint donors" if donors == "joint" else "")
    return Fact(f"exchange {split} ({how})", expected, compute, source, tolerance)


def takes_in(modules: Modules, module: str, expected: float, source: str) -> Fact:
    """Bits that one module of a partition receives from all others together, ``in(m)``."""
    partition = Partition(modules)

    def compute(scm: StructuralCausalModel) -> float:
        return exchange(scm, partition, estimator="exact").into[module].bits

    return Fact(f"in({module}) of {' | '.join(modules)}", expected, compute, source)


def sends_directly(
    modules: Modules, sender: str, receiver: str, expected: float, source: str
) -> Fact:
    """Bits from one module to another while all others are held at what they are."""
    partition = Partition(modules)

    def compute(scm: StructuralCausalModel) -> float:
        return exchange(scm, partition, estimator="exact").matrix[sender, receiver].bits

    return Fact(f"direct {sender} -> {receiver}", expected, compute, source)


def given_known(sender: str, receiver: str, known: str, expected: float, source: str) -> Fact:
    """Bits that are shared, given a third variable: ``I(B;C|A) = I(A,B;C) - I(A;C)``, as watched.

    It is what is left of ``I(B;C)`` when the triple information ``I(A:B:C)`` is taken away.
    """

    def compute(scm: StructuralCausalModel) -> float:
        both, alone = (
            information(scm, group, receiver, "observational", estimator="exact").bits
            for group in ([known, sender], [known])
        )
        return both - alone

    return Fact(f"I({sender}; {receiver} | {known})", expected, compute, source)


def unbounded(sender: str, receiver: str, source: str) -> Fact:
    """1 where the interventional form against the data's ``P(C)`` is infinite, else 0."""

    def compute(scm: StructuralCausalModel) -> float:
        found = information(scm, sender, receiver, reference="observational", estimator="exact")
        return float(isinf(found.bits))

    name = f"interventional {sender} -> {receiver} against the data is infinite"
    return Fact(name, 1.0, compute, source, 0.0)


def scores(expected: float, source: str, *, k: int = 2, tolerance: float = 1e-9) -> Fact:
    """Calibrated modularity of the best partition into ``k`` modules; no unit.

    Args:
        expected: the right answer, at most 1.
        source: why.
        k: number of modules.
        tolerance: how far the measured score may be off.
    """

    def compute(scm: StructuralCausalModel) -> float:
        score = modularity(scm, k, nulls=NULLS, seed=0).score
        return float("nan") if score is None else score

    return Fact(f"modularity k={k}", expected, compute, source, tolerance)


def finds(modules: Modules, source: str) -> Fact:
    """1 when the search returns exactly these modules (under any names), without a tie, else 0."""
    wanted = Partition(modules)

    def compute(scm: StructuralCausalModel) -> float:
        found = modularity(scm, len(wanted), nulls=0, seed=0)  # nulls do not move the partition
        return float(found.partition.blocks == wanted.blocks and not found.ties)

    return Fact(f"search finds {' | '.join(modules)}", 1.0, compute, source, 0.0)


def splits_in_two(units: Sequence[str]) -> Iterator[Partition]:
    """Every split in two, once: the last unit is always in the second module."""
    for size in range(1, len(units)):
        for inside in combinations(units[:-1], size):
            rest = [unit for unit in units if unit not in inside]
            yield Partition({"inside": inside, "rest": rest})
