"""falsify: does the model behave as its graph says? Tried on itself, by real interventions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from causalmod._display import html_table
from causalmod.errors import InputError
from causalmod.provenance import Provenance, Stopwatch
from causalmod.queries.bits import mutual_information
from causalmod.queries.check import check_model
from causalmod.queries.levels import diagram_of, grouped
from causalmod.queries.rules import (
    Step,
    exchange_action_and_observation,
    insert_or_delete_action,
    insert_or_delete_observation,
)
from causalmod.queries.separation import separated
from causalmod.scm import StructuralCausalModel

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

_SAME = 1e-6  # values closer than this, relative to the largest, are one
_ZERO = 1e-9
_VALUES = 3  # of what is set or observed, tried for each step of a rule


@dataclass(frozen=True)
class Falsification:
    """What was tried, and what did not come out as the graph says.

    Attributes:
        violations: claims of the graph that the network breaks. There should be none: one is a
            wrong graph.
        extra: independences that the graph does not imply and the network has: by determinism, by
            weights that cancel, or because the data never tell the difference.
        independences: number of independences that the graph implies and that were tried.
        steps: number of licensed steps of do-calculus that were tried.
        dependences: number of separations that the graph does not imply, and that were tried.
        provenance: seed, versions, digests, duration.
    """

    violations: pd.DataFrame = field(repr=False, compare=False)
    extra: pd.DataFrame = field(repr=False, compare=False)
    independences: int
    steps: int
    dependences: int
    provenance: Provenance = field(repr=False)

    @property
    def falsified(self) -> bool:
        """Is there a violation?"""
        return len(self.violations) > 0

    def __repr__(self) -> str:
        return (
            f"Falsification({len(self.violations)} violations in {self.independences} "
            f"independences and {self.steps} steps; {len(self.extra)} of {self.dependences} "
            "further independences hold beyond the graph)"
        )

    def _repr_html_(self) -> str:
        rows = [
            ("violations", str(len(self.violations))),
            ("independences tried", str(self.independences)),
            ("licensed steps tried", str(self.steps)),
            ("independences beyond the graph", f"{len(self.extra)} of {self.dependences}"),
        ]
        return html_table("Falsification", rows)

    def to_frame(self) -> pd.DataFrame:
        """Return violations and extra independences, one row each."""
        import pandas as pd

        parts = [self.violations.assign(kind="violation"), self.extra.assign(kind="extra")]
        return pd.concat(parts, ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return {
            "violations": self.violations.to_dict("records"),
            "extra": self.extra.to_dict("records"),
            "independences": self.independences,
            "steps": self.steps,
            "dependences": self.dependences,
        }


def falsify(scm: StructuralCausalModel, *, triples: int = 100, seed: int = 0) -> Falsification:
    """Try what the graph claims on the network itself.

    Variables ``y``, ``z`` and a set ``w`` are drawn at random. Where the graph separates y and z by
    w, their conditional information over the rows of the data, which are the whole population, has
    to be exactly zero. Where a rule of do-calculus licenses a step, the two distributions, one of
    them after a real intervention, have to be equal. Where the graph separates nothing and the
    information is zero all the same, that is listed as an extra independence.

    Args:
        scm: the model.
        triples: number of draws.
        seed: of the draws.

    Raises:
        InputError: ``triples`` is no positive number, or the model has fewer than three variables.

    Source: Pearl, *Causality* (2009), theorems 1.2.5 and 3.4.1.

    Example:
        >>> import causalmod as cm
        >>> case = cm.zoo.xor()
        >>> falsify(cm.compile(case.model, case.inputs), triples=40).falsified
        False
    """
    import numpy as np
    import pandas as pd

    watch = Stopwatch()
    check_model(scm)
    if isinstance(triples, bool) or not isinstance(triples, int) or triples < 1:
        raise InputError(f"triples is a number of draws, from 1; given {triples!r}")
    groups = grouped(scm, level="unit")
    diagram = diagram_of(groups, groups.members)
    names = list(diagram.order)
    if len(names) < 3:
        raise InputError(f"a triple needs three variables; the model has {len(names)}")
    generator = np.random.default_rng(seed)
    codes = _Codes(scm)
    violations: list[dict[str, Any]] = []
    extra: list[dict[str, Any]] = []
    implied = steps = dependences = 0
    for _ in range(triples):
        count = int(generator.integers(2, min(len(names), 5) + 1))
        y, z, *w = (names[i] for i in generator.permutation(len(names))[:count])
        bits = codes.information(y, z, w)
        claim = f"I({y} ; {z}{' | ' + ', '.join(w) if w else ''}) = 0"
        if separated(diagram, [y], [z], w):
            implied += 1
            if bits > _ZERO:
                violations.append({"claim": claim, "off by": bits, "why": "separated in the graph"})
        else:
            dependences += 1
            if bits <= _ZERO:
                extra.append({"claim": claim, "why": codes.why(y, z, w)})
        for step, difference in _tried(scm, codes, y, z, w[:1]):
            steps += 1
            if difference > _SAME:
                why = f"rule {step.rule}"
                violations.append({"claim": step.equation, "off by": difference, "why": why})
    return Falsification(
        pd.DataFrame(violations, columns=["claim", "off by", "why"]),
        pd.DataFrame(extra, columns=["claim", "why"]).drop_duplicates(ignore_index=True),
        implied, steps, dependences, scm.provenance(seed, watch.seconds),
    )  # fmt: skip


class _Codes:
    """Values of variables on the data as whole numbers, equal up to rounding."""

    def __init__(self, scm: StructuralCausalModel) -> None:
        self.scm = scm
        self._scale: dict[str, float] = {}
        self._natural: dict[str, Array] = {}

    def of(self, name: str, model: StructuralCausalModel | None = None) -> Array:
        """Return the rounded values ``[row, coordinate]`` of a variable in a model."""
        import numpy as np

        if model is None and name in self._natural:
            return self._natural[name]
        (variable,) = self.scm.resolve(name)
        values = (model or self.scm).blocks(variable.site)[:, variable.index]
        held = values.double().cpu().numpy()
        scale = self._scale.setdefault(name, max(float(np.abs(held).max()), 1e-12) * _SAME)
        rounded = np.round(held / scale)
        if model is None:
            self._natural[name] = rounded
        return rounded

    def joint(self, names: Sequence[str]) -> Array:
        """Return one number for each row: equal where all variables are."""
        import numpy as np

        if not names:
            return np.zeros(self.scm.rows, dtype=int)
        stacked = np.concatenate([self.of(name) for name in names], axis=1)
        return np.unique(stacked, axis=0, return_inverse=True)[1].reshape(-1)

    def information(self, y: str, z: str, w: Sequence[str]) -> float:
        """Return ``I(y ; z | w)`` over the rows, in bits."""
        import numpy as np

        left, right, cells = self.joint([y]), self.joint([z]), self.joint(w)
        total = 0.0
        for cell in np.unique(cells):
            met = cells == cell
            pair = (
                np.unique(left[met], return_inverse=True)[1],
                np.unique(right[met], return_inverse=True)[1],
            )
            table = np.zeros((pair[0].max() + 1, pair[1].max() + 1))
            np.add.at(table, pair, 1)
            total += met.mean() * mutual_information(table / met.sum())
        return total

    def why(self, y: str, z: str, w: Sequence[str]) -> str:
        """Say what makes an independence hold that the graph does not imply."""
        for name in (y, z):
            if len(set(self.joint([name]))) == 1:
                return f"{name} is constant"
            pairs = set(zip(self.joint(w).tolist(), self.joint([name]).tolist(), strict=True))
            if w and len(pairs) == len({cell for cell, _ in pairs}):
                return f"{', '.join(w)} determine{'s' if len(w) == 1 else ''} {name}"
        return "the mechanisms cancel, or the data never tell the difference"


def _tried(
    scm: StructuralCausalModel, codes: _Codes, y: str, z: str, x: Sequence[str]
) -> Iterator[tuple[Step, float]]:
    """Yield licensed steps with the largest difference between their two sides."""
    rules = (
        insert_or_delete_observation,
        exchange_action_and_observation,
        insert_or_delete_action,
    )
    licensed = [s for s in (rule(scm, y, z, do=x, level="unit") for rule in rules) if s]
    if not licensed:
        return
    base = scm.do({name: _value(scm, name, 0) for name in x}) if x else scm
    before, known = codes.of(y, base), codes.of(z, base)
    places = _places(known)
    for step in licensed:
        worst = 0.0
        for place in places:
            met = (known == known[place]).all(1)
            (variable,) = scm.resolve(z)
            setting = base.blocks(variable.site)[place : place + 1, variable.index]
            after = codes.of(y, base.do({z: setting[None]})) if step.rule > 1 else before
            left = after if step.rule > 1 else before[met]
            right = before[met] if step.rule == 2 else before
            worst = max(worst, _distance(left, right))
        yield step, worst


def _value(scm: StructuralCausalModel, name: str, row: int) -> Any:
    (variable,) = scm.resolve(name)
    return scm.blocks(variable.site)[row : row + 1, variable.index][None]


def _places(values: Array) -> list[int]:
    """Return a row for each of the commonest values."""
    import numpy as np

    _, first, count = np.unique(values, axis=0, return_index=True, return_counts=True)
    return first[np.argsort(-count, kind="stable")][:_VALUES].tolist()


def _distance(left: Array, right: Array) -> float:
    """Return the total variation between two samples, each taken as a whole population.

    Values are rounded already; neighbours count as one, since rounding may fall either way.
    """
    import numpy as np

    values = np.unique(np.concatenate([left, right]), axis=0)
    share = [_shares(side, values) for side in (left, right)]
    return float(np.abs(share[0] - share[1]).sum() / 2)


def _shares(side: Array, values: Array) -> Array:
    import numpy as np

    near = (np.abs(side[:, None] - values[None]) <= 1).all(-1)
    return np.bincount(near.argmax(1), minlength=len(values)) / len(side)
