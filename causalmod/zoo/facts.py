"""The figures that facts of the zoo are about, each as one public call."""

from __future__ import annotations

from collections.abc import Mapping
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
    tolerance: float = 1e-9,
) -> Fact:
    """Bits that the modules of a partition send each other, all told.

    Args:
        modules: module name → selectors.
        expected: the right answer, in bits.
        source: why.
        estimator: name of the estimator.
        tolerance: how far the measured figure may be off.
    """
    partition = Partition(modules)

    def compute(scm: StructuralCausalModel) -> float:
        return exchange(scm, partition, estimator=estimator).bits

    split = " | ".join(modules)
    return Fact(f"exchange {split} ({estimator})", expected, compute, source, tolerance)


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
