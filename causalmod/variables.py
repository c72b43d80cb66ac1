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
    """A named tensor of the network, cut into variables along some of its axes.

    Attributes:
        name: the name used in every result.
        aliases: further names of the same tensor (containers, ``nn.Identity``, dropout).
        shape: the shape of one row, without the batch dimension.
        axes: the dimensions of ``folded`` along which variables lie; none for one single variable.
            Variables along several axes are numbered in the order of the tensor, last axis fastest.
        op: the operation that computes the tensor (``"linear"``, ``"relu"``, ``"input"``, ...).
        module: path of the module in which the operation stands; ``""`` is the network itself.
        folded: ``shape``, where an axis that holds several heads is cut in two.
        rows_at: the dimension of the network's own tensor that holds the rows; they come first in
            everything that is handed out.
        grain: what one variable is: unit, channel, head, position or element.

    Example:
        >>> Site("fc1", (), (16,), (0,), "linear", "fc1").count
        16
        >>> Site("attn", (), (10, 16), (1,), "view", "attn", folded=(10, 4, 4), grain="head").count
        4
    """

    name: str
    aliases: tuple[str, ...]
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    op: str
    module: str
    folded: tuple[int, ...] = ()
    rows_at: int = 0
    grain: str = "unit"

    def __post_init__(self) -> None:
        if not self.folded:
            object.__setattr__(self, "folded", self.shape)

    @property
    def count(self) -> int:
        """Number of variables."""
        return prod(self.folded[axis] for axis in self.axes)

    @property
    def width(self) -> int:
        """Number of coordinates in each variable."""
        return prod(self.shape) // max(self.count, 1)

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables, in order."""
        return tuple(f"{self.name}[{index}]" for index in range(self.count))

    @property
    def inside(self) -> tuple[int, ...]:
        """Shape of one variable."""
        return tuple(size for axis, size in enumerate(self.folded) if axis not in self.axes)

    def rows_first(self, tensor: Tensor) -> Tensor:
        """View the network's own tensor as ``[rows, *shape]``.

        Example:
            >>> import torch
            >>> recurrent = Site("rnn", (), (3,), (0,), "tanh", "rnn", rows_at=1)
            >>> recurrent.rows_first(torch.ones(3, 5)).shape
            torch.Size([5, 3])
        """
        moved = tensor.movedim(self.rows_at, 0) if self.rows_at else tensor
        if tuple(moved.shape[1:]) == self.shape:
            return moved
        return moved.reshape(-1, *self.shape)  # several rows' parts share a dimension

    def split(self, tensor: Tensor) -> Tensor:
        """View the network's own tensor as ``[rows, variable, coordinate]``.

        Example:
            >>> import torch
            >>> image = Site("conv", (), (3, 4, 4), (0,), "conv2d", "conv")
            >>> image.split(torch.ones(9, 3, 4, 4)).shape
            torch.Size([9, 3, 16])
        """
        return self.cut(self.rows_first(tensor))

    def cut(self, values: Tensor) -> Tensor:
        """View ``[rows, *shape]`` as ``[rows, variable, coordinate]``.

        Example:
            >>> import torch
            >>> by_position = Site("attn", (), (10, 16), (0,), "add", "attn", grain="position")
            >>> by_position.cut(torch.ones(9, 10, 16)).shape
            torch.Size([9, 10, 16])
        """
        rows = values.shape[0]
        values = values.reshape(rows, *self.folded)
        values = values.movedim([axis + 1 for axis in self.axes], self._leading)
        return values.reshape(rows, self.count, self.width)

    def paste(self, blocks: Tensor) -> Tensor:
        """Undo :meth:`cut`.

        Example:
            >>> import torch
            >>> site = Site("h", (), (3, 4), (1,), "add", "h")
            >>> values = torch.arange(24).view(2, 3, 4)
            >>> torch.equal(site.paste(site.cut(values)), values)
            True
        """
        sizes = [self.folded[axis] for axis in self.axes]
        values = blocks.reshape(blocks.shape[0], *sizes, *self.inside)
        values = values.movedim(self._leading, [axis + 1 for axis in self.axes])
        return values.reshape(blocks.shape[0], *self.shape)

    def join(self, blocks: Tensor, like: Tensor | None = None) -> Tensor:
        """Undo :meth:`split`; ``like`` is a tensor with the network's own number of dimensions.

        Example:
            >>> import torch
            >>> site = Site("rnn", (), (3,), (0,), "tanh", "rnn", rows_at=1)
            >>> values = torch.arange(12).view(3, 4)
            >>> torch.equal(site.join(site.split(values)), values)
            True
        """
        values = self.paste(blocks)
        if like is not None and like.ndim < values.ndim:  # rows share a dimension with their parts
            values = values.flatten(0, 1)
        return values.movedim(0, self.rows_at) if self.rows_at else values

    @property
    def _leading(self) -> list[int]:
        return list(range(1, len(self.axes) + 1))


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
    return choose(site, indices, counts[site], selector)


def choose(
    site: str, indices: tuple[int | slice, ...] | None, count: int, selector: str
) -> tuple[Variable, ...]:
    """Return the variables of a site at some indices; see :func:`parse` and :func:`expand`.

    Raises:
        SelectorError: an index is out of range; ``selector`` is what the user wrote.

    Example:
        >>> [str(variable) for variable in choose("fc1", (0, slice(2, None)), 4, "fc1[0,2:]")]
        ['fc1[0]', 'fc1[2]', 'fc1[3]']
    """
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
