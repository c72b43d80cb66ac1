"""verify: the formula, the logs and the real intervention, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product
from math import isnan, nan
from typing import TYPE_CHECKING, Any

from causalmod._display import html_table
from causalmod.errors import QueryError
from causalmod.provenance import Provenance, Stopwatch
from causalmod.queries.asker import ROLES, Asker
from causalmod.queries.check import check_model
from causalmod.queries.evaluate import query as ask
from causalmod.queries.grammar import as_query
from causalmod.queries.identify import Identification, identify
from causalmod.queries.kinds import Effect, Expectation, Information, Probability, Query
from causalmod.queries.logged import NOTHING, LoggedAnswer
from causalmod.queries.logs import Bins, Coded, Logs
from causalmod.queries.tables import CELLS, Counts
from causalmod.scm import StructuralCausalModel

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

MOST_INTERVENTIONS = 1024
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Verification:
    """The same question, answered three ways.

    Attributes:
        query: the question, as text.
        identification: the formula, or the hedge that shows that there is none.
        logged: what the formula says on logged activations; None where there is no formula.
        intervened: the value that the network gives when it is really intervened on; None where a
            table is asked for.
        low, high: 95% interval of the intervention; equal to it when it ran on all rows.
        table: for tables: ``probability`` from logs beside ``intervened``.
        difference: between logs and intervention: of values, or the largest of a table; None where
            the logs cannot answer.
        agree: is it within the interval of the logs, or rounding? None where the logs cannot
            answer. With binned columns a difference may come from the bins.
        provenance: seed, versions, digests, duration.
    """

    query: str
    identification: Identification
    logged: LoggedAnswer | None
    intervened: float | None
    low: float | None
    high: float | None
    table: pd.DataFrame | None = field(repr=False, compare=False)
    difference: float | None
    agree: bool | None
    provenance: Provenance = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each way: value, interval, and what to know."""
        import pandas as pd

        found, logged = self.identification, self.logged
        formula = found.formula or str(found.hedge)
        nothing = {"value": nan, "low": nan, "high": nan, "note": "no formula"}
        rows = {
            "formula": {"value": nan, "low": nan, "high": nan, "note": formula},
            "logs": nothing
            if logged is None
            else {
                "value": logged.value,
                "low": logged.low,
                "high": logged.high,
                "note": logged.describe(),
            },
            "intervention": {
                "value": self.intervened,
                "low": self.low,
                "high": self.high,
                "note": "the network itself",
            },
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    def __repr__(self) -> str:
        return f"Verification({self.query}: {self.describe()})"

    def describe(self) -> str:
        """Say in a few words what came out."""
        if self.logged is None:
            return "not identifiable; by intervention " + _written(self.intervened)
        if self.logged.missing > NOTHING:
            return f"{self.logged.describe()}; by intervention {_written(self.intervened)}"
        if self.intervened is None:
            return f"largest difference {self.difference:.2g}"
        return (
            f"from logs {self.logged.describe()}, by intervention {_written(self.intervened)}: "
            f"{'they agree' if self.agree else 'they differ'}"
            f"{', in bins' if self.logged.binned and not self.agree else ''}"
        )

    def _repr_html_(self) -> str:
        rows = [(str(name), str(row["note"])) for name, row in self.to_frame().iterrows()]
        return html_table(self.query, [*rows, ("outcome", self.describe())])

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return {
            "query": self.query,
            "identification": self.identification.to_dict(),
            "logged": None if self.logged is None else self.logged.to_dict(),
            "intervened": self.intervened,
            "low": self.low,
            "high": self.high,
            "difference": self.difference,
            "agree": self.agree,
        }


def verify(
    scm: StructuralCausalModel,
    query: str | Query,
    observed: Iterable[str] | None = None,
    *,
    logs: Logs = None,
    bins: Bins = None,
    draws: int = 200,
    samples: int | None = None,
    level: str = "auto",
    seed: int = 0,
    cells: int = CELLS,
) -> Verification:
    """Answer a query symbolically, from logged activations, and by intervening, and compare.

    A network is deterministic, so conditioning on what determines the treatment leaves cells that
    no row falls into. Then the result says which, and what share of the answer rests on them,
    and gives no number for the logs.

    Args:
        scm: the model.
        query: what :func:`causalmod.identify` takes.
        observed: what was logged; everything but ``U`` by default.
        logs: logged activations; by default the model's own on its data.
        bins: bins for columns with many values, see :meth:`Identification.__call__`.
        draws: bootstrap resamples for the interval of the logs.
        samples: rows drawn for the intervention; by default it runs on all.
        level: see :func:`causalmod.identify`.
        seed: of the draws and the random models.
        cells: largest table.

    Raises:
        QueryError, SelectorError, InputError: as :func:`causalmod.identify` and
            :func:`causalmod.query`; or a table of more than 1,024 interventions.

    Source: Pearl, *Causality* (2009), sections 3.2 and 3.3, for the two sides that have to agree.

    Example:
        >>> import causalmod as cm
        >>> case = cm.zoo.xor()
        >>> scm = cm.compile(case.model, case.inputs)
        >>> verify(scm, "P(output[0] = 1 | do(a[0] = 1), b[0] = 0)", draws=0)
        Verification(P(output[0] = 1 | do(a[0] = 1), b[0] = 0): from logs 1, by intervention 1: they
        agree)
    """
    watch = Stopwatch()
    check_model(scm)
    asked = as_query(query)
    found = identify(scm, asked, observed, level=level, seed=seed)
    held = scm.observe() if logs is None else logs
    logged = coded = None
    if found.asker is not None:
        coded = found.asker.code(held, bins, cells)
        logged = found.asker(coded, draws, seed)
    value = low = high = table = None
    if logged is None or _has_value(found):
        value, low, high = _by_query(scm, asked, samples, seed)
    elif coded is not None and found.asker is not None:
        table = _by_tables(scm, found.asker, coded, logged)
        if found.question.kind.endswith("information"):
            value = low = high = _bits(scm, found.asker, coded, table, asked, seed)
    difference = _difference(logged, value, table)
    return Verification(
        str(asked), found, logged, value, low, high, table, difference,
        _agree(logged, value, difference), scm.provenance(seed, watch.seconds),
    )  # fmt: skip


def _has_value(found: Identification) -> bool:
    """Does the question ask for one number that cm.query gives?"""
    question = found.question
    if question.kind.endswith("information"):
        return False
    values = [value for _, arm in question.arms for value in arm.values()]
    known = all(event is not None for _, event in question.given)
    events = all(event is not None for _, event in question.outcomes)
    return None not in values and known and (events or question.kind != "probability")


def _by_query(
    scm: StructuralCausalModel, asked: Query, samples: int | None, seed: int
) -> tuple[float | None, float | None, float | None]:
    if isinstance(asked, Information):
        bits = ask(scm, asked, seed=seed)
        return bits.bits, bits.low, bits.high
    if not isinstance(asked, Probability | Expectation | Effect):
        return None, None, None
    answer = ask(scm, asked, samples=samples, seed=seed)
    mean = None if answer.members else answer.mean()
    if not isinstance(mean, float):
        return None, None, None
    low, high = (end if isinstance(end, float) else None for end in (answer.low, answer.high))
    return mean, low, high


def _by_tables(
    scm: StructuralCausalModel, asker: Asker, coded: Coded, logged: LoggedAnswer
) -> pd.DataFrame:
    """Intervene at every level, and count outcomes in the levels of the logs."""
    import numpy as np

    question = asker.question
    do = [node for name in question.do for node in asker.terms[name]]
    known = [node for name, _ in question.given for node in asker.terms[name]]
    asked = [node for name, _ in question.outcomes for node in asker.terms[name]]
    names = [f"do({node})" for node in do] + known + asked
    found: dict[tuple[Any, ...], float] = {}
    levels = [dict.fromkeys(logged.table[f"do({node})"]) for node in do]
    if (count := int(np.prod([len(each) for each in levels]))) > MOST_INTERVENTIONS:
        raise QueryError(
            f"{asker.text} stands for {count} interventions, more than {MOST_INTERVENTIONS}; give "
            "values, do(x = 0.5), or fewer bins"
        )
    labels = {node: coded.labels(node) for node in (*known, *asked)}
    for combination in product(*levels):
        model = scm
        for node, label in zip(do, combination, strict=True):
            numbers = label if isinstance(label, tuple) else (label,)
            model = model.do(dict(zip(asker.members[node], numbers, strict=True)))
        codes = {n: coded.encode(n, _columns(model, asker.members[n])) for n in (*known, *asked)}
        for where in product(*(range(len(labels[n])) for n in (*known, *asked))):
            met = np.ones(model.rows, dtype=bool)
            for node, level in zip(known, where[: len(known)], strict=True):
                met &= codes[node] == level
            rows = met.sum()
            for node, level in zip(asked, where[len(known) :], strict=True):
                met = met & (codes[node] == level)
            pairs = zip((*known, *asked), where, strict=True)
            key = (*combination, *(labels[node][level] for node, level in pairs))
            found[key] = float(met.sum() / rows) if rows else nan
    table = logged.table.copy()
    table["intervened"] = [found[tuple(row)] for row in table[names].itertuples(index=False)]
    return table


def _bits(
    scm: StructuralCausalModel,
    asker: Asker,
    coded: Coded,
    table: pd.DataFrame,
    asked: Query,
    seed: int,
) -> float:
    """Return information by real interventions: by the function of that name, or in bins."""
    import numpy as np

    if not coded.edges and isinstance(asked, Information):
        return ask(scm, asked, seed=seed, estimator="exact").bits
    nodes = [node for role in ROLES for node in asker.nodes(role)]
    codes = np.stack(
        [coded.encode(node, _columns(scm, asker.members[node])) for node in nodes], axis=1
    )
    sizes = [len(coded.labels(node)) for node in nodes]
    own = Counts(nodes, codes[(codes >= 0).all(1)], sizes, coded.counts.cells)
    return asker.bits(own, np.nan_to_num(table["intervened"].to_numpy()).reshape(sizes))


def _columns(scm: StructuralCausalModel, names: Iterable[str]) -> Array:
    import numpy as np

    found = []
    for name in names:
        (variable,) = scm.resolve(name)
        found.append(scm.blocks(variable.site)[:, variable.index, 0].double().cpu().numpy())
    return np.stack(found, axis=1)


def _difference(
    logged: LoggedAnswer | None, value: float | None, table: pd.DataFrame | None
) -> float | None:
    if logged is None or logged.missing > NOTHING:
        return None
    if value is not None and logged.value is not None:
        return abs(logged.value - value)
    if table is None or table.empty:
        return None
    gaps = table["probability"].to_numpy(float) - table["intervened"].to_numpy(float)
    return float(abs(gaps).max())


def _agree(
    logged: LoggedAnswer | None, value: float | None, difference: float | None
) -> bool | None:
    if logged is None or difference is None or isnan(difference):
        return None
    if difference <= _ROUNDING:
        return True
    if value is None or logged.low is None or logged.high is None:
        return False
    return logged.low <= value <= logged.high


def _written(value: float | None) -> str:
    return "a table" if value is None else f"{value:.4g}"
