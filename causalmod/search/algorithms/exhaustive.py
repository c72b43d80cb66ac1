"""Exhaustive: every partition, where there are not too many."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.search.problem import Candidate, Problem
from causalmod.search.protocol import ALGORITHMS
from causalmod.search.terms import Terms
from causalmod.search.weighting import weighting_of

MAX_PARTITIONS = 100_000
_TIE = 1e-9
_AT_ONCE = 256  # partitions evaluated between two looks at the clock


@ALGORITHMS.register("exhaustive")
def exhaustive(problem: Problem) -> None:
    """Score every partition into exactly ``k`` modules.

    Each is compared with all others of its sizes per layer, not with a sample of them.

    Raises:
        InputError: more than 100,000 partitions, or more than the budget allows.
    """
    units, k = len(problem.scm.units), problem.k
    count = partitions(units, k)
    if count > MAX_PARTITIONS:
        raise InputError(
            f"{units} units have {count:,} partitions into {k} modules; exhaustive search takes at "
            f"most {MAX_PARTITIONS:,}: use method='auto'"
        )
    problem.meter.need(count, f"exhaustive search of {units} units into {k} modules")
    every = all_partitions(units, k)
    if problem.meter.late:
        problem.score(every[0])  # which says how long it takes
    parts: list[Terms] = []
    done: list[Tensor] = []
    for some in every.split(_AT_ONCE):
        if problem.meter.late and parts:
            break
        parts.append(problem.terms(list(some)))
        done.append(some)
    labels, terms = torch.cat(done), Terms.joined(parts)
    classes = _classes(labels, problem.layer, k)
    scores = _scores(terms, classes)
    order = scores.argsort(stable=True)
    best = int(order[0])
    objective = problem.objective
    objective.learn(labels[best], terms[(classes == classes[best]).nonzero().flatten()])
    for place in order.tolist():
        problem.keep(labels[place], float(scores[place]))


def _classes(labels: Tensor, layer: Tensor, k: int) -> Tensor:
    """Number of the size class of each partition."""
    layers = int(layer.max()) + 1
    hot = torch.nn.functional.one_hot(layer, layers).double()
    member = torch.nn.functional.one_hot(labels, k).double().movedim(1, 2)
    counts = (member @ hot).long()  # [partition, module, layer]
    code = torch.zeros(counts.shape[:2], dtype=torch.long)
    for number in range(layers):  # lexicographic rank of each module's counts
        code = (code * (len(layer) + 1) + counts[..., number]).flatten()
        code = code.unique(return_inverse=True)[1].reshape(counts.shape[:2])
    return code.sort(1)[0].unique(dim=0, return_inverse=True)[1]


def _scores(terms: Terms, classes: Tensor) -> Tensor:
    costs = terms.costs().double()
    if weighting_of(terms.weighting).same_size:
        number = int(classes.max()) + 1
        total = torch.zeros(number, dtype=torch.float64).index_add_(0, classes, costs)
        mean = (total / torch.bincount(classes, minlength=number))[classes]
        costs = torch.where(mean > 0, costs / mean.clamp_min(1e-300), 1.0)
    return torch.where(terms.silent(), 0.0, costs)


@cache
def partitions(count: int, k: int) -> int:
    """Number of partitions of ``count`` units into ``k`` modules (Stirling, second kind).

    Example:
        >>> partitions(5, 3)
        25
    """
    row = [1] + [0] * k
    for _ in range(count):
        row = [0] + [row[m - 1] + m * row[m] for m in range(1, k + 1)]
    return row[k]


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
    for left in reversed(range(count - 1)):
        top = strings.amax(1)
        grown = []
        for label in range(k):
            fits = (top >= label - 1) & (torch.clamp(top, min=label) + left >= k - 1)
            part = strings[fits]
            grown.append(torch.cat([part, torch.full((len(part), 1), label)], dim=1))
        strings = torch.cat(grown)
    full = strings[strings.amax(1) == k - 1]
    for column in reversed(range(count)):  # lexicographic order
        full = full[full[:, column].argsort(stable=True)]
    return full


def ties(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates that share the least score, the best itself included."""
    best = candidates[0].score
    return [c for c in candidates if c.score <= best + _TIE * max(1.0, abs(best))]
