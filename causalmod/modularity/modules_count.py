"""The number of modules: the finest split that is as good as any, if any is better than chance.

At leaks that are alike between all modules, two modules merged score about as well as the two; so
the score alone hardly tells numbers below the right one apart. Above it the score gets worse by
far, for a module is cut. So the finest number wins among those that cannot be told from the best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.modularity.calibration import GROUPS, Calibrated, calibrate, left_out
from causalmod.modularity.pipeline import Found, Settings
from causalmod.scm import StructuralCausalModel
from causalmod.search import Terms, score_of

if TYPE_CHECKING:
    from causalmod.modularity.result import Modularity

MOST = 10  # modules that are tried
TOLERANCE = 0.01
FEW_NULLS = 5  # null networks for each number that may be the answer
_NEAR = 0.15  # a number whose S is further above the least is not compared with null networks
_PATIENCE = 3  # numbers in a row that are not near the least end the trials


@dataclass(frozen=True)
class Tried:
    """A number of modules, the best partition found, and what null networks reach with it."""

    settings: Settings
    found: Found
    nulls: tuple[float, ...] = ()

    @property
    def k(self) -> int:
        """The number of modules."""
        return self.settings.k

    @property
    def silent(self) -> bool:
        """Is nothing exchanged, and something sent inside every module?"""
        return bool(self.found.own.silent()[0])

    def calibrated(self) -> Calibrated:
        """The score against the null networks searched so far."""
        return calibrate(self.found, self.nulls, complete=True)

    def with_nulls(self, nulls: Sequence[float]) -> Tried:
        """Return the same with null networks."""
        return replace(self, nulls=tuple(nulls))


def counts_of(scm: StructuralCausalModel, k: int | Iterable[int] | None) -> list[int]:
    """Return the numbers of modules to try; one for a number that was given.

    Raises:
        InputError: not whole numbers of at least 2.
    """
    if k is None:
        return list(range(2, max(2, min(MOST, len(scm.units) // 2)) + 1))
    asked: list[Any] = list(k) if isinstance(k, Iterable) and not isinstance(k, str) else [k]
    if not asked or not all(
        isinstance(each, int) and not isinstance(each, bool) and each >= 2 for each in asked
    ):
        raise InputError(
            "k is the number of modules, a whole number of at least 2, several such numbers to "
            f"choose from, or None to try 2 to {MOST}; given {k!r}"
        )
    return sorted(set(asked))


def try_counts(counts: Sequence[int], attempt: Callable[[int], Tried]) -> list[Tried]:
    """Try numbers of modules from the least on, until finer ones are clearly worse."""
    tried: list[Tried] = []
    far = 0
    for k in counts:
        tried.append(attempt(k))
        least = min(tried, key=lambda each: each.found.score)
        near = tried[-1].silent if least.silent else _is_near(tried[-1], least)
        far = 0 if near else far + 1
        if far >= (_PATIENCE - 1 if least.silent else _PATIENCE):
            break
    return tried


def _is_near(one: Tried, least: Tried) -> bool:
    return one.found.score <= least.found.score + _NEAR


def contenders(tried: Sequence[Tried]) -> list[Tried]:
    """Return those that may be the answer.

    Where a partition exchanges nothing, only others that exchange nothing may.
    """
    least = min(tried, key=lambda each: each.found.score)
    if least.silent:
        return [each for each in tried if each.silent]
    found = [each for each in tried if _is_near(each, least) and guarded(each.found)]
    return found or [least]


def guarded(found: Found) -> bool:
    """Is every module, by itself, better than all random ones with its sizes per layer?"""
    if found.same_size is None:
        return True
    return bool((_shares(found.own)[0] < _shares(found.same_size).amin(0)).all())


def _shares(terms: Terms) -> Tensor:
    """``c(m)`` of each module: ``[partition, module]``."""
    crossing = (terms.received + terms.rest).mean(-1).clamp_min(0)
    inside = terms.inside.mean(-1).clamp_min(0)
    share = crossing / (crossing + 2 * inside).clamp_min(1e-300)
    return torch.where(inside > 0, share, 1.0)


def choose(some: Sequence[Tried], group: int | None = None) -> Tried:
    """Return the finest number whose calibrated score is as good as the best one.

    As good is within .01, or within half the interval of the best: the rule of one standard error
    (Breiman et al., *Classification and Regression Trees*, 1984, section 3.4.3; Tibshirani, Walther
    and Hastie, *Journal of the Royal Statistical Society B* 63, 2001, for numbers of clusters).

    Args:
        some: contenders, compared with null networks.
        group: number of a group of contexts to leave out; None for all contexts.
    """
    scores = [_score(each, group) for each in some]
    best = max(range(len(some)), key=lambda place: scores[place])
    top = some[best].calibrated()
    half = 0.0 if top.low is None or top.high is None else (top.high - top.low) / 2
    least = scores[best] - max(TOLERANCE, half)
    return max(
        (each for each, score in zip(some, scores, strict=True) if score >= least),
        key=lambda each: each.k,
    )


def _score(each: Tried, group: int | None) -> float:
    found = each.found
    score = found.score
    if group is not None:
        score = score_of(found.own, found.same_size, left_out(found, group))
    mean = sum(each.nulls) / len(each.nulls) if each.nulls else 1.0
    return 1 - score / mean if mean > 0 else 1 - score


def agreement(some: Sequence[Tried], chosen: Tried) -> float:
    """Share of subsets of the contexts, each without an eighth, on which the same number wins."""
    contexts = min(each.found.own.received.shape[-1] for each in some)
    groups = min(GROUPS, contexts)
    same = [choose(some, group).k == chosen.k for group in range(groups)]
    return sum(same) / groups


def beats_chance(found: Found, nulls: Sequence[float], spreads: float = 2.0) -> bool:
    """Is a score below every null network's, and some standard deviations under their mean?

    True without null networks: there is nothing to compare with.
    """
    silent = bool(found.own.silent()[0])
    return silent or below_nulls(found.score, nulls, spreads)


def below_nulls(score: float, nulls: Sequence[float], spreads: float) -> bool:
    """Is a score below all of some, and ``spreads`` standard deviations under their mean?"""
    if not nulls:
        return True
    mean = sum(nulls) / len(nulls)
    squares = sum((each - mean) ** 2 for each in nulls)
    spread = (squares / (len(nulls) - 1)) ** 0.5 if len(nulls) > 1 else 0.0
    return score < min(*nulls, mean - spreads * spread)


def clears_chance(result: Modularity, spreads: float) -> bool:
    """Say of a result whether its best split :func:`beats_chance`."""
    if result.k == 1:
        return False
    if result.exchange.bits == 0 and result.raw == 1:
        return True
    return below_nulls(1 - result.raw, result.null_scores, spreads)
