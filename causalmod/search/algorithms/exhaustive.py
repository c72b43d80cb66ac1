"""Exhaustive: every partition of up to ten units."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.scm import StructuralCausalModel
from causalmod.search.budget import Meter
from causalmod.search.objective import Objective, Terms, score_of
from causalmod.search.protocol import ALGORITHMS, Candidate

MAX_UNITS = 10
_BATCH = 256
_TIE = 1e-9


@ALGORITHMS.register("exhaustive")
def exhaustive(
    scm: StructuralCausalModel,
    objective: Objective,
    meter: Meter,
    *,
    rows: Tensor,
    seed: int,
    report: Callable[[float], None],
) -> list[Candidate]:
    """Score every partition into exactly ``k`` modules; the same-size mean is over all members.

    Returns:
        All partitions, best first; those that tie with the best stand together at the front.

    Raises:
        InputError: more than ten units, or more modules than units.
    """
    count, k = len(scm.units), objective.k
    if count > MAX_UNITS:
        raise InputError(
            f"exhaustive search takes at most {MAX_UNITS} units; the model has {count}"
        )
    every = all_partitions(count, k)
    parts = [
        objective.terms(every[start : start + _BATCH]) for start in range(0, len(every), _BATCH)
    ]
    meter.used += len(every)
    terms = Terms(
        torch.cat([p.received for p in parts]),
        torch.cat([p.rest for p in parts]),
        torch.cat([p.inside for p in parts]),
    )
    classes: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for place, labels in enumerate(every):
        classes.setdefault(objective.size_class(labels), []).append(place)
    scores = torch.zeros(len(every), dtype=torch.float64)
    for members in classes.values():
        peers = terms[torch.tensor(members)]
        for place in members:
            scores[place] = score_of(terms[place : place + 1], peers)
    report(float(scores.min()))
    order = scores.argsort(stable=True)
    return [Candidate(every[i], float(scores[i])) for i in order.tolist()]


def all_partitions(count: int, k: int) -> Tensor:
    """Every partition of ``count`` units into exactly ``k`` modules: ``[partition, unit]``.

    Each is a restricted growth string: a unit's number is at most one above all before it.

    Raises:
        InputError: more modules than units.

    Example:
        >>> all_partitions(3, 2).tolist()
        [[0, 0, 1], [0, 1, 0], [0, 1, 1]]
    """
    if k > count:
        raise InputError(f"{count} live units cannot be split into {k} modules")
    strings = torch.zeros(1, 1, dtype=torch.long)
    for _ in range(count - 1):
        top = strings.amax(1)
        choices = [
            torch.cat(
                [strings[top >= label - 1], torch.full((int((top >= label - 1).sum()), 1), label)],
                dim=1,
            )
            for label in range(k)
        ]
        strings = torch.cat(choices)
    full = strings[strings.amax(1) == k - 1]
    order = sorted(range(len(full)), key=lambda i: full[i].tolist())
    return full[order]


def ties(candidates: list[Candidate]) -> list[Candidate]:
    """Candidates that share the least score, the best itself included."""
    best = candidates[0].score
    return [c for c in candidates if c.score <= best + _TIE * max(1.0, abs(best))]
