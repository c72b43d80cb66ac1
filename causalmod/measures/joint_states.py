"""Information between groups of variables on the data, given a third: counted, or Gaussian."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.exchange.choice import check_rows, choose
from causalmod.exchange.groups import Group
from causalmod.information import ESTIMATORS, Observed
from causalmod.information.estimators.exact import (
    count_entropy,
    row_codes,
    value_codes,
    value_size,
)
from causalmod.measures.pairs import MEMORY
from causalmod.scm import StructuralCausalModel


class Sampling(NamedTuple):
    """How figures that are not counted are found.

    Attributes:
        resolution: noise scale in standard deviations.
        permutations: permutations of rows whose mean is taken off.
        seed: their seed.
    """

    resolution: float
    permutations: int
    seed: int


class JointStates:
    """Joint states of groups of variables on the data.

    Counted where all live units and inputs take few values; else all groups are taken for jointly
    Gaussian: what the given variables explain linearly is taken off, and noise is added to the
    rest.

    Args:
        scm: the model.
        rows: row numbers to use; all by default.
        how: how figures that are not counted are found.
    """

    def __init__(self, scm: StructuralCausalModel, rows: Tensor | None, how: Sampling) -> None:
        self._scm, self._how = scm, how
        self._rows = check_rows(rows, scm.rows)
        everything = Group(scm, [*scm.units.names, *varying_inputs(scm)], "group").observed()
        choice = choose("auto", [everything.values], 0, MEMORY, single=False)
        self.counted = choice.name == "exact"

    def shared(self, left: Sequence[str], right: Sequence[str], given: Sequence[str] = ()) -> float:
        """``I(left; right | given)`` in bits, at least 0.

        Raises:
            InputError: too few rows to take off what the given variables explain.
        """
        return max(0.0, (self._count if self.counted else self._gauss)(left, right, given))

    def _seen(self, names: Sequence[str]) -> Observed:
        found = Group(self._scm, list(names), "group").observed()
        return Observed(found.values[self._rows].double().cpu(), found.scale.double().cpu())

    def _codes(self, names: Sequence[str]) -> Tensor:
        if not names:
            return torch.zeros(len(self._rows), dtype=torch.long)
        values = self._seen(names).values
        return row_codes(value_codes(values, value_size(values)))

    def _count(self, left: Sequence[str], right: Sequence[str], given: Sequence[str]) -> float:
        a, b, c = self._codes(left), self._codes(right), self._codes(given)

        def entropy(*codes: Tensor) -> float:
            return float(count_entropy(row_codes(torch.stack(codes, dim=-1))))

        return entropy(a, c) + entropy(b, c) - entropy(a, b, c) - entropy(c)

    def _gauss(self, left: Sequence[str], right: Sequence[str], given: Sequence[str]) -> float:
        one, two = self._unexplained(left, given), self._unexplained(right, given)
        kind = ESTIMATORS.get("gaussian")
        fitted = kind.fit(one, two, self._how.resolution)
        generator = torch.Generator().manual_seed(self._how.seed)
        chance = 0.0
        for _ in range(self._how.permutations):
            order = torch.randperm(len(self._rows), generator=generator)
            chance += float(fitted.shared(one.values[order], two.values).bits)
        found = float(fitted.shared(one.values, two.values).bits)
        return found - chance / max(1, self._how.permutations)

    def _unexplained(self, names: Sequence[str], given: Sequence[str]) -> Observed:
        """A group's values less what a linear map of the given ones explains."""
        seen = self._seen(names)
        values = seen.values - seen.values.mean(0)
        if not given:
            return Observed(values, seen.scale)
        known = self._seen(given).values
        known = known - known.mean(0)
        if len(known) < known.shape[1] + 4:
            raise InputError(
                f"taking off what {known.shape[1]} variables explain needs at least "
                f"{known.shape[1] + 4} rows; given {len(known)}: give more data"
            )
        axes, sizes, _ = torch.linalg.svd(known, full_matrices=False)
        axes = axes[:, sizes > 1e-9 * sizes.max().clamp_min(1e-30)]
        return Observed(values - axes @ (axes.T @ values), seen.scale)


def varying_inputs(scm: StructuralCausalModel) -> list[str]:
    """Return the names of the input variables that vary on the data."""
    return [
        name
        for site in scm.inputs
        for name, still in zip(scm.sites[site].variables, scm.constant[site].tolist(), strict=True)
        if not still
    ]


def read_by(scm: StructuralCausalModel, units: Sequence[str], *, through: bool) -> list[str]:
    """Return the varying inputs that may influence some units.

    Args:
        scm: the model.
        units: names of units.
        through: along paths through other units as well, or directly only (through nothing but
            what is tied to a unit itself).

    Example:
        >>> from causalmod import zoo
        >>> scm = zoo.ducks_and_shadows().compile()
        >>> read_by(scm, ["hidden[0]"], through=False), read_by(scm, ["output[0]"], through=False)
        (['input[0]'], [])
        >>> read_by(scm, ["output[0]"], through=True)
        ['input[0]']
    """
    wanted: dict[str, Tensor] = {}
    for variable in scm.resolve(list(units)):
        count = scm.sites[variable.site].count
        wanted.setdefault(variable.site, torch.zeros(count, dtype=torch.bool))
        wanted[variable.site][variable.index] = True
    for site in reversed(list(scm.sites)):  # sites stand in the order in which they are computed
        here = wanted.get(site)
        if here is None:
            continue
        for (source, target), matrix in scm.edges.items():
            tied = scm.representative[source] == scm.representative[site]
            if target != site or not (through or tied or source in scm.inputs):
                continue
            reached = (matrix & here[None, :]).any(1)
            wanted[source] = wanted.get(source, torch.zeros_like(reached)) | reached
    found = set(varying_inputs(scm))
    return [
        name
        for site in scm.inputs
        for name, asked in zip(
            scm.sites[site].variables,
            wanted.get(site, torch.zeros(scm.sites[site].count, dtype=torch.bool)).tolist(),
            strict=True,
        )
        if asked and name in found
    ]
