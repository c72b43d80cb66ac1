"""Case: a small network together with what is known to be true of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from torch import Tensor, nn

from causalmod._registry import Registry
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel, compile


@dataclass(frozen=True)
class Fact:
    """One figure that is known beforehand, and the call that should give it.

    Attributes:
        name: what is measured, such as ``"conditional b[0] -> output[0]"``.
        expected: the right answer (bits, or a score).
        compute: public causalmod calls that measure it.
        source: why that is the right answer: a closed form, or a paper.
        tolerance: how far the measured figure may be off.

    Example:
        >>> Fact("one", 1.0, lambda scm: 1.0, "counting").expected
        1.0
    """

    name: str
    expected: float
    compute: Callable[[StructuralCausalModel], float]
    source: str
    tolerance: float = 1e-9


class Checked(NamedTuple):
    """A fact next to what was measured."""

    fact: str
    got: float
    expected: float
    ok: bool


@dataclass(frozen=True, eq=False)
class Case:
    """A network, its data, and the facts that hold for it.

    Attributes:
        name: name in the zoo.
        model: the network, in eval mode.
        inputs: the rows that it is studied on; they enumerate the distribution of the inputs.
        modules: module name → its units, as the compiled model names them; None when no split of
            the units stands out.
        facts: figures that are known beforehand.
        sites: passed on to :func:`causalmod.compile`.
        doc: what the network is and what it is for.
        numbers: what was measured when the case was made, such as accuracies.

    Example:
        >>> from causalmod import zoo
        >>> case = zoo.fork()
        >>> case.compile()
        StructuralCausalModel(8 rows; input: 1, output.b: 1, output.c: 1)
        >>> all(row.ok for row in case.check())
        True
    """

    name: str
    model: nn.Module
    inputs: Tensor
    modules: Mapping[str, list[str]] | None
    facts: tuple[Fact, ...]
    sites: tuple[str, ...] | None = None
    doc: str = ""
    numbers: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def partition(self) -> Partition | None:
        """The modules as a partition; None where there are none."""
        return None if self.modules is None else Partition(self.modules)

    def compile(self) -> StructuralCausalModel:
        """Compile the network on its data, with the case's own sites."""
        return compile(self.model, self.inputs, sites=self.sites)

    def check(self, scm: StructuralCausalModel | None = None) -> list[Checked]:
        """Measure every fact.

        Args:
            scm: the compiled case, where it is at hand already.

        Returns:
            list: a row for each fact; ``pandas.DataFrame(case.check())`` is a table.
        """
        scm = self.compile() if scm is None else scm
        rows: list[Checked] = []
        for fact in self.facts:
            got = fact.compute(scm)
            ok = abs(got - fact.expected) <= fact.tolerance  # False for NaN
            rows.append(Checked(fact.name, got, fact.expected, ok))
        return rows

    def __repr__(self) -> str:
        rows, modules = self.inputs.shape[0], "no" if self.modules is None else len(self.modules)
        return f"Case({self.name}: {rows} rows, {modules} modules, {len(self.facts)} facts)"


Constructor = TypeVar("Constructor", bound=Callable[..., Case])

ZOO: Registry[Callable[..., Case]] = Registry("zoo case", "causalmod.zoo")


def register(name: str, **options: object) -> Callable[[Constructor], Constructor]:
    """Return a decorator that lists a constructor, called with ``options``, under ``name``.

    One constructor can be listed several times, under several names and with several options.

    Raises:
        InputError: the name is taken.
    """

    def store(constructor: Constructor) -> Constructor:
        ZOO.register(name)(partial(constructor, **options))
        return constructor

    return store
