"""The value of an identified question on logged activations, by counting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import isfinite, nan, prod
from typing import TYPE_CHECKING, Any

from causalmod.errors import InputError
from causalmod.queries.bits import information_bits, mutual_information, weights
from causalmod.queries.estimand import Estimand, conditionals
from causalmod.queries.logged import NOTHING, LoggedAnswer
from causalmod.queries.logs import Bins, Coded, Logs, cut_points, read_logs
from causalmod.queries.questions import Question
from causalmod.queries.tables import Counts, check_size, evaluate

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]


ROLES = ("set", "conditioned on", "asked about")  # in the order of a table's axes


@dataclass(frozen=True, eq=False)
class Asker:
    """An identified question, ready to be put to logs.

    Attributes:
        text: the query.
        question: what it asks.
        estimand: ``P(outcomes | do(...), given)``, or joint with ``given`` where that is an event.
        terms: selector → variables of the diagram.
        members: variable of the diagram → columns.
        joint: does the estimand hold the joint distribution of outcomes and ``given``?
    """

    text: str
    question: Question
    estimand: Estimand
    terms: Mapping[str, tuple[str, ...]]
    members: Mapping[str, tuple[str, ...]]
    joint: bool

    def code(self, logs: Logs, bins: Bins, cells: int) -> Coded:
        """Read the columns that the estimand and the question name."""
        named = self._nodes(self.question.roles)
        used = {*named}.union(*(c.free for c in conditionals(self.estimand)))
        members = {name: columns for name, columns in self.members.items() if name in used}
        return read_logs(logs, members, bins, self._cuts(), cells)

    def __call__(self, coded: Coded, draws: int, seed: int) -> LoggedAnswer:
        """Evaluate on logs."""
        if isinstance(draws, bool) or not isinstance(draws, int) or draws < 0:
            raise InputError(f"draws is a number of bootstrap resamples, from 0; given {draws!r}")
        arms = [self._arm(coded, values) for _, values in self.question.arms]
        value, missing = self._value(coded, arms), max(arm.missing for arm in arms)
        low = high = None
        if value is not None and isfinite(value) and missing <= NOTHING and draws:
            low, high = self._interval(coded, draws, seed)
        if value is not None and missing > NOTHING:
            value = nan
        return LoggedAnswer(
            self.text, value, low, high, missing,
            self._empty(coded, arms), self._table(coded, arms),
            len(coded.counts.codes), tuple(coded.edges),
        )  # fmt: skip

    def nodes(self, role: str) -> list[str]:
        """Return the variables of the diagram that have a role in the question."""
        return self._nodes({role: self.question.roles[role]})

    def _nodes(self, roles: Mapping[str, list[str]]) -> list[str]:
        return [node for names in roles.values() for name in names for node in self.terms[name]]

    def _cuts(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for name, event in (*self.question.outcomes, *self.question.given):
            for node in self.terms[name]:
                for column in self.members[node]:
                    found.setdefault(column, []).extend(cut_points(event))
        return found

    def _axes(self, counts: Counts, selectors: list[str]) -> list[int]:
        return [counts.names.index(node) for name in selectors for node in self.terms[name]]

    def _arm(self, coded: Coded, values: Mapping[str, Any]) -> _Arm:
        """Return ``P(outcomes | do, given)`` with the axes do, given, outcomes."""
        import numpy as np

        counts, roles = coded.counts, self.question.roles
        do, known, asked = (self._axes(counts, roles[role]) for role in ROLES)
        low, full = evaluate(self.estimand, counts)
        kept = [*do, *known, *asked]
        extra = [a for a, size in enumerate(low.shape) if a not in kept and size > 1]
        if extra:  # the estimand has the same value whatever these are
            weight = counts.marginal([counts.names[a] for a in extra])
            low, full = ((x * weight).sum(tuple(extra), keepdims=True) for x in (low, full))
        shape = [counts.sizes[a] if a in kept else 1 for a in range(len(counts.names))]
        check_size([counts.names[a] for a in kept], [shape[a] for a in kept], counts.cells)
        spread = np.broadcast_to(low, shape)
        single = [a for a in range(len(shape)) if a not in kept]
        squeezed = spread.transpose([*kept, *single]).reshape([shape[a] for a in kept])
        chosen, found = self._levels(coded, do, known, values)
        if not found:
            return _Arm(chosen, None, 1.0)
        picked = squeezed
        for axis, levels in enumerate(chosen):
            picked = picked.take(levels, axis=axis)
        lead = len(do) + (0 if self.joint else len(known))
        supported = picked.sum(tuple(range(lead, picked.ndim)))
        short = np.clip(1 - supported, 0, 1)
        lacking = np.where(short <= NOTHING, 0.0, short)
        if self.joint:
            picked = self._condition(coded, picked, known, len(do))
        needed = lacking
        if self.question.kind.endswith("information"):  # averaged over what was seen
            seen = [weights(counts, self.nodes(role)) > 0 for role in ROLES[:2]]
            needed = lacking[np.outer(*seen).reshape(lacking.shape)]
        return _Arm(chosen, picked, float(needed.max(initial=0.0)), lacking)

    def _condition(self, coded: Coded, joint: Array, known: list[int], first: int) -> Array:
        """Condition a joint table on events: cells outside them are emptied, the rest rescaled."""
        import numpy as np

        kept = joint
        for place, axis in enumerate(known):
            met = self._event_mask(coded, coded.counts.names[axis], self.question.given)
            shape = [-1 if a == first + place else 1 for a in range(kept.ndim)]
            kept = kept * met.reshape(shape)
        total = kept.sum(tuple(range(first, kept.ndim)), keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(total > 0, kept / total, nan)

    def _event_mask(self, coded: Coded, node: str, terms: Any) -> Array:
        import numpy as np

        met = np.ones(coded.counts.sizes[coded.counts.names.index(node)], dtype=bool)
        for name, event in terms:
            if event is not None and node in self.terms[name]:
                met &= coded.holds(node, event)
        return met

    def _levels(
        self, coded: Coded, do: list[int], known: list[int], values: Mapping[str, Any]
    ) -> tuple[list[list[int]], bool]:
        """Return which levels of each set and known variable the question is about."""
        names = coded.counts.names
        wanted: dict[str, dict[str, float]] = {}
        for selector, value in values.items():
            columns = [c for node in self.terms[selector] for c in self.members[node]]
            if value is None:
                continue
            several = value if isinstance(value, tuple) else (value,) * len(columns)
            if len(several) != len(columns):
                raise InputError(
                    f"do({selector} = ...): {len(several)} values for {len(columns)} variables"
                )
            for column, number in zip(columns, several, strict=True):
                for node in self.terms[selector]:
                    if column in self.members[node]:
                        wanted.setdefault(node, {})[column] = number
        chosen: list[list[int]] = []
        for axis in do:
            level = (
                coded.level_of(names[axis], wanted[names[axis]]) if names[axis] in wanted else -1
            )
            everything = list(range(coded.counts.sizes[axis]))
            chosen.append(everything if level == -1 else [] if level is None else [level])
        for axis in known:
            met = self._event_mask(coded, names[axis], self.question.given)
            chosen.append(
                list(range(coded.counts.sizes[axis])) if self.joint else met.nonzero()[0].tolist()
            )
        return chosen, all(chosen)

    # --- figures --------------------------------------------------------------------------------

    def _value(self, coded: Coded, arms: list[_Arm]) -> float | None:
        if any(arm.table is None for arm in arms):
            return nan if self.question.kind != "probability" or self._is_event else None
        if self.question.kind.endswith("information"):
            return self._bits(coded, arms[0])
        total = 0.0
        for arm, (weight, _) in zip(arms, self.question.arms, strict=True):
            figure = self._figure(coded, arm)
            if figure is None:
                return None
            total += weight * figure
        return total

    @property
    def _is_event(self) -> bool:
        return all(event is not None for _, event in self.question.outcomes)

    def _figure(self, coded: Coded, arm: _Arm) -> float | None:
        """Return the probability of the events, or the mean, where one value is asked for."""
        import numpy as np

        lead = len(arm.chosen)
        if arm.table is None or any(len(levels) > 1 for levels in arm.chosen[: self._set]):
            return None
        if not self.joint and any(len(levels) > 1 for levels in arm.chosen):
            return None
        outcomes = [n for name, _ in self.question.outcomes for n in self.terms[name]]
        table = arm.table.sum(tuple(range(lead)))
        if self.question.kind == "probability":
            if not self._is_event:
                return None
            for axis, node in enumerate(outcomes):
                met = self._event_mask(coded, node, self.question.outcomes)
                table = table * met.reshape([-1 if a == axis else 1 for a in range(table.ndim)])
            return float(table.sum())
        if len(outcomes) > 1 or len(coded.columns[outcomes[0]]) > 1:
            return None
        return float(np.dot(table, coded.values[outcomes[0]][:, 0]))

    @property
    def _set(self) -> int:
        return sum(len(self.terms[name]) for name in self.question.do)

    def _bits(self, coded: Coded, arm: _Arm) -> float:
        """Return the information in bits, plug-in."""
        return nan if arm.table is None else self.bits(coded.counts, arm.table)

    def bits(self, counts: Counts, table: Array) -> float:
        """Return the information that a table with the axes set, known and asked comes to.

        Args:
            counts: how likely values are, as observed.
            table: probabilities.
        """
        kind = self.question.kind.split()[0]
        if kind == "observational":
            names = [name for name, _ in self.question.outcomes[: self.question.targets]]
            target = sum(len(self.terms[name]) for name in names)
            return mutual_information(table.reshape(prod(table.shape[:target]), -1))
        source, known, asked = (weights(counts, self.nodes(role)) for role in ROLES)
        full = table.reshape(len(source), len(known), len(asked))
        return information_bits(kind, full, source, known, asked)

    def _interval(self, coded: Coded, draws: int, seed: int) -> tuple[float | None, float | None]:
        import numpy as np

        generator = np.random.default_rng(seed)
        count = len(coded.counts.codes)
        found = []
        for _ in range(draws):
            again = coded.drawn(generator.integers(count, size=count))
            arms = [self._arm(again, values) for _, values in self.question.arms]
            if any(arm.missing > NOTHING for arm in arms):
                continue  # cells that the resample misses would read as 0
            value = self._value(again, arms)
            found.append(nan if value is None else value)
        if len(found) < draws / 2:
            return None, None
        low, high = np.nanquantile(found, [0.025, 0.975])
        return float(low), float(high)

    def _table(self, coded: Coded, arms: list[_Arm]) -> pd.DataFrame:
        import pandas as pd

        names = [f"do({node})" for n in self.question.do for node in self.terms[n]]
        nodes = [node for role in ROLES for node in self.nodes(role)]
        names += nodes[len(names) :]
        rows: list[dict[str, Any]] = []
        for arm in arms:
            if arm.table is None:
                continue
            for where in product(*(range(size) for size in arm.table.shape)):
                lead = len(arm.chosen)
                levels = [
                    *(arm.chosen[axis][place] for axis, place in enumerate(where[:lead])),
                    *where[lead:],
                ]
                row = {
                    name: coded.labels(node)[level]
                    for name, node, level in zip(names, nodes, levels, strict=True)
                }
                figure = float(arm.table[where])
                lacks = float(arm.lacking[where[: arm.lacking.ndim]])
                if lacks and self.joint:  # what is missing may stand above or below the bar
                    least, most = 0.0, 1.0
                else:
                    least, most = figure, min(1.0, figure + lacks)
                rows.append(
                    row
                    | {
                        "probability": nan if lacks else figure,
                        "at_least": least,
                        "at_most": most,
                    }
                )
        return pd.DataFrame(rows, columns=[*names, "probability", "at_least", "at_most"])

    def _empty(self, coded: Coded, arms: list[_Arm]) -> pd.DataFrame:
        """List the cells that the estimand conditions on and the logs never hold."""
        import pandas as pd

        rows = [row for arm in arms if arm.missing for row in self._holes(coded, arm)]
        frame = pd.DataFrame(rows, columns=["in", "cell"])
        return frame.drop_duplicates(ignore_index=True)

    def _holes(self, coded: Coded, arm: _Arm) -> Iterator[dict[str, str]]:
        import numpy as np

        names = coded.counts.names
        axes = [names.index(n) for name in self.question.do for n in self.terms[name]]
        about = dict(zip(axes, arm.chosen[: len(axes)], strict=True))
        if not all(arm.chosen):
            yield {"in": self.text, "cell": "a value that the logs never hold"}
        for term in conditionals(self.estimand):
            known = coded.counts.marginal(term.given)
            kept = [a for a, name in enumerate(names) if name in term.given]
            for where in np.argwhere(known == 0):
                if all(where[a] in about[a] for a in kept if about.get(a)):
                    cell = ", ".join(
                        f"{names[a]} = {coded.labels(names[a])[where[a]]}" for a in kept
                    )
                    yield {"in": str(term), "cell": cell}


@dataclass(frozen=True, eq=False)
class _Arm:
    """One intervention: which levels it is about, the table of outcomes, and what it lacks."""

    chosen: list[list[int]]
    table: Array | None
    missing: float
    lacking: Any = None  # by set and known values: the share that is missing
