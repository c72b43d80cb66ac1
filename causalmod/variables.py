"""Sites, variables, and the text that selects them.

A *site* is a tensor of the network that has a name; a *variable* is one coordinate (or block of
coordinates) of a site. Selectors are written ``"fc1"`` (a whole site), ``"fc1[3]"`` (one
variable) and ``"fc1[0:4]"`` or ``"fc1[0,2,5]"`` (several).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from causalmod.errors import SelectorError, nearest

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Site:
    """A named tensor of the network, cut into variables along one axis.

    Attributes:
        name: the name used in every result.
        aliases: further names of the same tensor (containers, ``nn.Identity``, dropout).
        shape: the shape of one row, without the batch dimension.
        axis: the dimension of ``shape`` along which variables lie; None for one scalar variable.
        op: the operation that computes the tensor (``"linear"``, ``"relu"``, ``"input"``, ...).
        module: path of the module in which the operation stands; ``""`` is the network itself.

    Example:
        >>> Site("fc1", (), (16,), 0, "linear", "fc1").count
        16
    """

    name: str
    aliases: tuple[str, ...]
    shape: tuple[int, ...]
    axis: int | None
    op: str
    module: str

    @property
    def count(self) -> int:
        """Number of variables."""
        return 1 if self.axis is None else self.shape[self.axis]

    @property
    def width(self) -> int:
        """Number of coordinates in each variable."""
        return prod(self.shape) // max(self.count, 1)

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables, in order."""
        return tuple(f"{self.name}[{index}]" for index in range(self.count))

    def split(self, tensor: Tensor) -> Tensor:
        """View ``[rows, *shape]`` as ``[rows, variable, coordinate]``."""
        if self.axis is None:
            return tensor.reshape(tensor.shape[0], 1, -1)
        return tensor.movedim(self.axis + 1, 1).reshape(tensor.shape[0], self.count, self.width)

    def join(self, blocks: Tensor) -> Tensor:
        """Undo :meth:`split`."""
        if self.axis is None:
            return blocks.reshape(blocks.shape[0], *self.shape)
        rest = [size for place, size in enumerate(self.shape) if place != self.axis]
        return blocks.reshape(blocks.shape[0], self.count, *rest).movedim(1, self.axis + 1)


@dataclass(frozen=True)
class Variable:
    """One variable of a site.

    Example:
        >>> str(Variable("fc1", 3))
        'fc1[3]'
    """

    site: str
    index: int

    @property
    def name(self) -> str:
        """The selector of this variable."""
        return f"{self.site}[{self.index}]"

    def __str__(self) -> str:
        return self.name


def parse(selector: str) -> tuple[str, tuple[int | slice, ...] | None]:
    """Split a selector into a site name and indices (None for the whole site).

    Example:
        >>> parse("h.0.attn[2]")
        ('h.0.attn', (2,))
        >>> parse("fc1[0:4]")
        ('fc1', (slice(0, 4, None),))
        >>> parse("fc1")
        ('fc1', None)

    Raises:
        SelectorError: the text in brackets is not made of non-negative integers and slices.
    """
    if not isinstance(selector, str) or not selector.strip():
        raise SelectorError(
            f"a selector is text such as 'fc1', 'fc1[3]' or 'fc1[0:4]'; given {selector!r}"
        )
    text = selector.strip()
    site, bracket, inside = text.rpartition("[")
    if not (site and bracket and inside.endswith("]")):
        return text, None
    return site, tuple(_index(part, selector) for part in inside[:-1].split(","))


def _index(text: str, selector: str) -> int | slice:
    pieces = text.strip().split(":")
    if len(pieces) <= 3 and all(
        piece.strip() == "" or piece.strip().isdecimal() for piece in pieces
    ):
        numbers = [int(piece) if piece.strip() else None for piece in pieces]
        if len(numbers) > 1 and (len(numbers) < 3 or numbers[2] != 0):
            return slice(*numbers)
        if len(numbers) == 1 and numbers[0] is not None:
            return numbers[0]
    raise SelectorError(
        f"cannot read {text!r} in the selector {selector!r}: write a non-negative integer or a "
        "slice, as in 'fc1[3]', 'fc1[0:4]' or 'fc1[0,2,5]'"
    )


def expand(selector: str, counts: dict[str, int]) -> tuple[Variable, ...]:
    """Return the variables that a selector names; ``counts`` maps each site to its size.

    Example:
        >>> [str(v) for v in expand("fc1[0:2]", {"fc1": 4})]
        ['fc1[0]', 'fc1[1]']

    Raises:
        SelectorError: the site is unknown (the nearest is suggested), or an index is out of range.
    """
    site, indices = (selector, None) if selector in counts else parse(selector)
    if site not in counts:
        raise SelectorError(f"unknown site {site!r} in {selector!r}: {nearest(site, counts)}")
    count = counts[site]
    if indices is None:
        return tuple(Variable(site, index) for index in range(count))
    found: list[Variable] = []
    for index in indices:
        last = index if isinstance(index, int) else (index.stop or 1) - 1
        if last >= count:
            raise SelectorError(
                f"{selector!r}: site {site!r} has {count} variables, numbered 0 to {count - 1}"
            )
        if isinstance(index, int):
            found.append(Variable(site, index))
        else:
            chosen = range(count)[index]
            if not chosen:
                raise SelectorError(f"{selector!r} selects nothing: {site!r} has {count} variables")
            found.extend(Variable(site, place) for place in chosen)
    return tuple(found)
