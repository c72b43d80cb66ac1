"""query: the answer of the network itself, by really intervening on it."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from numbers import Integral
from typing import Any, overload

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.exchange import Exchange
from causalmod.information import Estimate
from causalmod.provenance import Stopwatch
from causalmod.queries.check import check_conditional, check_model
from causalmod.queries.distribution import Distribution
from causalmod.queries.effects import effect
from causalmod.queries.events import MOST_BINS
from causalmod.queries.families import answer
from causalmod.queries.grammar import as_query
from causalmod.queries.information import exchanged, information_of
from causalmod.queries.kinds import (
    Effect,
    ExchangedInformation,
    Expectation,
    Information,
    Probability,
    Query,
)
from causalmod.queries.worlds import Worlds
from causalmod.scm import StructuralCausalModel


@overload
def query(
    scm: StructuralCausalModel,
    query: Probability | Expectation | Effect,
    *,
    bins: int | None = None,
    samples: int | None = None,
    seed: int = 0,
) -> Distribution: ...
@overload
def query(
    scm: StructuralCausalModel, query: Information, *, seed: int = 0, **settings: Any
) -> Estimate: ...
@overload
def query(
    scm: StructuralCausalModel, query: ExchangedInformation, *, seed: int = 0, **settings: Any
) -> Exchange: ...
@overload
def query(
    scm: StructuralCausalModel,
    query: str,
    *,
    bins: int | None = None,
    samples: int | None = None,
    seed: int = 0,
    **settings: Any,
) -> Any: ...
def query(
    scm: StructuralCausalModel,
    query: str | Query,
    *,
    bins: int | None = None,
    samples: int | None = None,
    seed: int = 0,
    **settings: Any,
) -> Distribution | Estimate | Exchange:
    """Answer a question about a model by intervening on its network.

    The rows of the data are what is random, each with the same probability; everything else
    follows. Conditions are read in the world that ``do(...)`` makes. A term with a subscript
    lives in a world of its own: there the rows that meet the conditions are kept (abduction), the
    subscript is set (action) and the network runs on those rows (prediction).

    Args:
        scm: the model.
        query: text in the field's notation, see :func:`causalmod.queries.parse`, or one of the
            objects in :mod:`causalmod.queries`.
        bins: tables of continuous outcomes over this many equal-frequency bins of the data;
            without, they are answered by samples. What is left open (``P(y | do(x))``,
            ``P(y | x)``) and continuous is cut into 10 unless this says otherwise.
        samples: number of rows to draw (with replacement) instead of taking all; figures then have
            95% intervals.
        seed: seed of the draws.
        settings: for information: what :func:`causalmod.information` and
            :func:`causalmod.exchange` take.

    Returns:
        Distribution: for probabilities, means and effects; for ``I(...)`` an
        :class:`~causalmod.Estimate` and for ``Exchange(...)`` an :class:`~causalmod.Exchange`, both
        to the last bit those of the functions of that name.

    Raises:
        QueryError: the text is no query; a variable is set and asked about in one world; or no row
            meets the conditions.
        SelectorError: an unknown name; the nearest is suggested.
        InputError: a value that does not fit, or an argument that cannot be.

    Source: Pearl, *Causality* (2009), definition 7.1.5 and theorem 7.1.7.

    Example:
        >>> from causalmod import compile, zoo
        >>> case = zoo.xor()
        >>> scm = compile(case.model, case.inputs)
        >>> query(scm, "P(output[0] = 1 | do(a[0] = 1), b[0] = 0)").mean()
        1.0
        >>> query(scm, "P(output[0]_{a[0] = 0} = 1 | a[0] = 1, output[0] = 1)").mean()
        0.0
        >>> print(query(scm, "P(output[0] | do(a[0]))").table.to_string(index=False))
         do(a[0])  output[0]  probability
              0.0        0.0          0.5
              0.0        1.0          0.5
              1.0        0.0          0.5
              1.0        1.0          0.5
    """
    watch = Stopwatch()
    check_model(scm)
    asked = as_query(query)
    if isinstance(asked, Information | ExchangedInformation):
        if samples is not None:
            raise InputError("information draws its own rows: set contexts= and draws=")
        given = settings if bins is None else {**settings, "bins": bins}
        if isinstance(asked, Information):
            return information_of(scm, asked, seed=seed, **given)
        return exchanged(scm, asked, seed=seed, **given)
    if settings:
        raise InputError(f"{next(iter(settings))!r} is an option of information only, I(... ; ...)")
    for name, value, least, most in (("bins", bins, 2, MOST_BINS), ("samples", samples, 1, inf)):
        if value is not None and (not isinstance(value, Integral) or not least <= value <= most):
            upto = "on" if most == inf else f"to {most}"
            raise InputError(f"{name} is a whole number from {least} {upto}; given {value!r}")
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise InputError(f"seed is a whole number; given {seed!r}")
    worlds = Worlds(scm, None if samples is None else _drawn(scm.rows, int(samples), seed))
    if isinstance(asked, Effect):
        found = effect(worlds, asked)
    else:
        check_conditional(scm, asked)
        found = answer(worlds, asked, bins)
    return replace(
        found,
        seed=None if samples is None else seed,
        provenance=scm.provenance(None if samples is None else seed, watch.seconds),
    )


def _drawn(rows: int, count: int, seed: int) -> Tensor:
    try:
        return torch.randint(rows, (count,), generator=torch.Generator().manual_seed(seed))
    except RuntimeError:
        raise InputError(
            f"samples: {count} draws do not fit the memory; 10,000 give a share to within 0.01"
        ) from None
