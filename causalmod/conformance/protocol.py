"""Axiom: what a measure of modularity must satisfy, as claims about networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from causalmod._registry import Registry
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel

#: Differences below this share of a measure's range count as none. A measure that draws samples
#: moves by one or two per cent of its range when the order of units or rows changes.
SLACK = 0.05


@dataclass(frozen=True, eq=False)
class Situation:
    """A network on its data, and a split of its units.

    Attributes:
        name: what it is, in a few words.
        scm: the compiled network.
        partition: the split. Inert units may stand in it.
    """

    name: str
    scm: StructuralCausalModel
    partition: Partition


@dataclass(frozen=True)
class Same:
    """All these situations are equally modular, up to ``slack`` of the measure's range."""

    text: str
    situations: tuple[Situation, ...]
    slack: float = SLACK


@dataclass(frozen=True)
class Better:
    """The first situation is more modular than each other one, by more than ``margin``.

    ``margin`` is a share of the measure's range; at 0 any difference beyond rounding will do.
    """

    text: str
    first: Situation
    others: tuple[Situation, ...]
    margin: float = 0.0


@dataclass(frozen=True)
class NotBetter:
    """None of the suspects is more modular than the best of the others, up to ``slack``."""

    text: str
    suspects: tuple[Situation, ...]
    others: tuple[Situation, ...]
    slack: float = SLACK


@dataclass(frozen=True)
class Falling:
    """Each situation is at most as modular as the one before it, up to ``slack``.

    The last must also be less modular than the first by more than ``slack``: a measure that never
    moves does not fall.
    """

    text: str
    situations: tuple[Situation, ...]
    slack: float = SLACK


@dataclass(frozen=True)
class Finds:
    """The measure's own search, where it has one, returns this situation's partition."""

    text: str
    situation: Situation


@dataclass(frozen=True)
class CoversZero:
    """The measure's interval, where it gives one, has the value for "nothing is exchanged" in it.

    That value is what the measure reads, without noise, at a partition whose modules are separate:
    0 bits for a measure in bits.
    """

    text: str
    situation: Situation


@dataclass(frozen=True)
class Behaves:
    """The measure gives a finite number, again the same for the same seed, and changes nothing.

    It must not read the same for this situation and all others, which are quite another split.
    """

    text: str
    situation: Situation
    others: tuple[Situation, ...]


Claim = Same | Better | NotBetter | Falling | Finds | CoversZero | Behaves


class Axiom(Protocol):
    """A property that a measure must have, with the networks on which it is tried."""

    @property
    def name(self) -> str:
        """Name in the table, such as ``"relabelling"``."""
        ...

    @property
    def statement(self) -> str:
        """The property in one sentence."""
        ...

    @property
    def source(self) -> str:
        """The passage or paper that it comes from."""
        ...

    @property
    def tolerance(self) -> str:
        """How much a figure may be off, and why."""
        ...

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        """Return what has to hold; with ``quick`` on the cheapest networks only."""
        ...


AXIOMS: Registry[Axiom] = Registry("axiom", "causalmod.conformance.axioms", {"claims": ("quick",)})
