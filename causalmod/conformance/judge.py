"""Whether a claim holds for a measure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

from causalmod.conformance.protocol import (
    Behaves,
    Better,
    Claim,
    CoversZero,
    Falling,
    Finds,
    NotBetter,
    Same,
    Situation,
)
from causalmod.conformance.result import BROKEN, FAILS, HOLDS, NOT_APPLICABLE, Finding
from causalmod.conformance.subject import MisbehavedError, NotApplicableError, Subject

#: Scores closer than this share of the measure's range are equal up to rounding.
ROUNDING = 1e-5


class Ruling(NamedTuple):
    """Does a claim hold, and if not, why; the situations in question."""

    holds: bool
    why: str = ""
    involved: tuple[Situation, ...] = ()


def judge(subject: Subject, claim: Claim, scale: float) -> Finding:
    """Try one claim on one measure.

    Args:
        subject: the measure.
        claim: what has to hold.
        scale: the measure's range, in its own unit.
    """
    situations = _situations(claim)
    try:
        ruling = _RULES[type(claim)](subject, claim, scale)
    except NotApplicableError as refused:
        return Finding(claim.text, NOT_APPLICABLE, {}, str(refused))
    except MisbehavedError as fault:
        return Finding(claim.text, BROKEN, {}, str(fault), situations)
    involved = ruling.involved or situations
    values = {each.name: subject.value(each) for each in involved} if not ruling.holds else {}
    if ruling.holds:
        values = _known(subject, situations)
    status = HOLDS if ruling.holds else FAILS
    return Finding(claim.text, status, values, ruling.why, () if ruling.holds else involved)


def _known(subject: Subject, situations: Iterable[Situation]) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in situations:
        try:
            found[each.name] = subject.value(each)
        except (NotApplicableError, MisbehavedError):
            continue
    return found


def _situations(claim: Claim) -> tuple[Situation, ...]:
    if isinstance(claim, Same | Falling):
        return claim.situations
    if isinstance(claim, Better):
        return (claim.first, *claim.others)
    if isinstance(claim, NotBetter):
        return (*claim.suspects, *claim.others)
    return (claim.situation,)


# --- a rule for each kind of claim ------------------------------------------------------------


def _same(subject: Subject, claim: Same, scale: float) -> Ruling:
    scores = [(subject.score(each), each) for each in claim.situations]
    low, high = min(scores, key=_first), max(scores, key=_first)
    if low[0] == high[0]:  # infinite ones too
        return Ruling(True)
    apart = (high[0] - low[0]) / scale
    return Ruling(
        apart <= claim.slack,
        f"{_share(apart)} of the range apart, {_share(claim.slack)} allowed",
        (high[1], low[1]),
    )


def _better(subject: Subject, claim: Better, scale: float) -> Ruling:
    first = subject.score(claim.first)
    best, rival = max(((subject.score(each), each) for each in claim.others), key=_first)
    ahead = 0.0 if first == best else (first - best) / scale
    needed = max(claim.margin, ROUNDING)
    return Ruling(
        ahead > needed,
        f"ahead by {_share(ahead)} of the range, more than {_share(needed)} needed",
        (claim.first, rival),
    )


def _not_better(subject: Subject, claim: NotBetter, scale: float) -> Ruling:
    best, fair = max(((subject.score(each), each) for each in claim.others), key=_first)
    top, suspect = max(((subject.score(each), each) for each in claim.suspects), key=_first)
    ahead = 0.0 if top == best else (top - best) / scale
    return Ruling(
        ahead <= claim.slack,
        f"ahead by {_share(ahead)} of the range, {_share(claim.slack)} allowed",
        (suspect, fair),
    )


def _falling(subject: Subject, claim: Falling, scale: float) -> Ruling:
    scores = [subject.score(each) for each in claim.situations]
    for place, (before, after) in enumerate(pairwise(scores)):
        rise = 0.0 if before == after else (after - before) / scale
        if rise > claim.slack:
            pair = (claim.situations[place], claim.situations[place + 1])
            return Ruling(False, f"rises by {_share(rise)} of the range", pair)
    fall = 0.0 if scores[0] == scores[-1] else (scores[0] - scores[-1]) / scale
    return Ruling(
        fall > claim.slack,
        f"falls by {_share(fall)} of the range in all",
        (claim.situations[0], claim.situations[-1]),
    )


def _finds(subject: Subject, claim: Finds, scale: float) -> Ruling:
    if not subject.searches:
        raise NotApplicableError("it has no search of its own")
    found = subject.search(claim.situation)
    live = set(claim.situation.scm.units.names)
    blocks = {frozenset(b & live) for b in found.blocks} - {frozenset()}
    wanted = {frozenset(b & live) for b in claim.situation.partition.blocks}
    sizes = sorted(map(len, blocks), reverse=True)
    return Ruling(blocks == wanted, f"found modules of {sizes} live units instead")


def _covers_zero(subject: Subject, claim: CoversZero, scale: float) -> Ruling:
    if not subject.estimates:
        raise NotApplicableError("it gives no intervals")
    found = subject.estimate(claim.situation)
    if found.low is None or found.high is None:
        raise NotApplicableError(found.note or "it gives no interval here")
    return Ruling(found.low <= 0.0 <= found.high, f"the interval is {found.low} to {found.high}")


def _behaves(subject: Subject, claim: Behaves, scale: float) -> Ruling:
    first = subject.value(claim.situation)
    again = subject.ask(claim.situation)
    if first != again:
        raise MisbehavedError(
            f"not deterministic: it read {first!r} and then {again!r} for one seed"
        )
    if all(subject.value(each) == first for each in claim.others):
        raise MisbehavedError(
            f"ignores its partition: it reads {first:.4g} for separate blocks and for "
            f"{len(claim.others)} random splits alike"
        )
    return Ruling(math.isfinite(first), "the value is infinite")


_RULES: dict[type, Callable[..., Ruling]] = {
    Same: _same,
    Better: _better,
    NotBetter: _not_better,
    Falling: _falling,
    Finds: _finds,
    CoversZero: _covers_zero,
    Behaves: _behaves,
}


def _first(pair: tuple[float, Situation]) -> float:
    return pair[0]


def _share(value: float) -> str:
    return f"{value:.2g}"
