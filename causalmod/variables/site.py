"""Sites: named tensors of the network, and how they are cut into variables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from causalmod.errors import InputError
from causalmod.variables.basis import FittedBasis

if TYPE_CHECKING:
    from torch import Tensor

_FEATURES = frozenset({"unit", "channel", "direction", "block"})  # grains along the features


@dataclass(frozen=True)
class Site:
    """A named tensor of the network, cut into variables along some of its axes.

    Attributes:
        name: the name used in every result.
        aliases: further names of the same tensor (containers, ``nn.Identity``, dropout).
        shape: the shape of one row, without the batch dimension; in a basis, coordinates stand
            where the features were.
        axes: the dimensions of ``folded`` along which variables lie; none for one single variable.
            Variables along several axes are numbered in the order of the tensor, last axis fastest.
        op: the operation that computes the tensor (``"linear"``, ``"relu"``, ``"input"``, ...).
        module: path of the module in which the operation stands; ``""`` is the network itself.
        folded: ``shape``, where an axis that holds several heads is cut in two.
        rows_at: the dimension of the network's own tensor that holds the rows; they come first in
            everything that is handed out.
        grain: what one variable is: unit, channel, head, position or element; in a basis, direction
            or block.
        basis: how features are read as coordinates; None where variables are the features.
        neurons: the same site without its basis.

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
    basis: FittedBasis | None = None
    neurons: Site | None = None

    def __post_init__(self) -> None:
        if not self.folded:
            object.__setattr__(self, "folded", self.shape)

    @property
    def count(self) -> int:
        """Number of variables."""
        if self.basis is not None:
            return len(self.basis.sizes)
        return prod(self.folded[axis] for axis in self.axes)

    @property
    def width(self) -> int:
        """Number of coordinates in each variable (in the largest, where blocks differ in size)."""
        if self.basis is not None:
            return self.basis.width * prod(self.shape) // self.basis.count
        return prod(self.shape) // max(self.count, 1)

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables, in order."""
        return tuple(f"{self.name}[{index}]" for index in range(self.count))

    @property
    def inside(self) -> tuple[int, ...]:
        """Shape of one variable."""
        wide = self.basis is not None and not self.basis.is_plain
        block = (self.basis.width,) if self.basis is not None and wide else ()
        return block + tuple(size for axis, size in enumerate(self.folded) if axis not in self.axes)

    def rows_first(self, tensor: Tensor) -> Tensor:
        """View the network's own tensor as ``[rows, *shape]``, in the site's basis.

        Example:
            >>> import torch
            >>> recurrent = Site("rnn", (), (3,), (0,), "tanh", "rnn", rows_at=1)
            >>> recurrent.rows_first(torch.ones(3, 5)).shape
            torch.Size([5, 3])
        """
        if self.basis is not None and self.neurons is not None:
            axis = self.axes[0] + 1
            features = self.neurons.rows_first(tensor).movedim(axis, -1)
            return self.basis.coordinates(features).movedim(-1, axis)
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
        if self.basis is not None:
            return self.basis.in_blocks(values.reshape(rows, self.basis.count, -1))
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
        if self.basis is not None:
            blocks = self.basis.out_of_blocks(blocks)
        rest = [size for axis, size in enumerate(self.folded) if axis not in self.axes]
        values = blocks.reshape(blocks.shape[0], *sizes, *rest)
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
        if self.basis is not None:
            axis = self.axes[0] + 1
            values = self.basis.activations(values.movedim(axis, -1)).movedim(-1, axis)
        return self._in_network(values, like)

    def changed(self, tensor: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the network's own tensor with its blocks changed.

        In a basis the tensor moves along the directions of what changes, and by nothing else.

        Args:
            tensor: the network's own.
            change: function from ``[rows, variable, coordinate]`` to the same.

        Example:
            >>> import torch
            >>> site = Site("fc", (), (2,), (0,), "linear", "fc")
            >>> site.changed(torch.ones(1, 2), lambda blocks: 3 * blocks).tolist()
            [[3.0, 3.0]]
        """
        before = self.split(tensor)
        after = change(before)
        if self.basis is None or self.basis.is_identity:
            return self.join(after, tensor)
        axis = self.axes[0] + 1
        step = self.paste(after - before).movedim(axis, -1)
        step = self.basis.moves(step).movedim(-1, axis)
        return tensor + self._in_network(step, tensor)

    def marks(self, blocks: Tensor, like: Tensor) -> Tensor:
        """Lay a 0/1 pattern of variables out as a pattern of the network's own tensor.

        Example:
            >>> import torch
            >>> site = Site("fc", (), (2,), (0,), "linear", "fc")
            >>> site.marks(torch.tensor([[[1.0], [0.0]]]), torch.ones(1, 2)).tolist()
            [[1.0, 0.0]]
        """
        if self.basis is None:
            return self.join(blocks, like)
        axis = self.axes[0] + 1
        pattern = self.paste(blocks).movedim(axis, -1) @ self.basis.writes.to(blocks.dtype)
        return self._in_network((pattern > 0).to(blocks.dtype).movedim(-1, axis), like)

    def marked(self, pattern: Tensor) -> Tensor:
        """Tell which variables ``[rows, variable]`` a 0/1 pattern of the network's tensor reaches.

        Example:
            >>> import torch
            >>> Site("fc", (), (2,), (0,), "linear", "fc").marked(torch.tensor([[0.0, 1.0]]))
            tensor([[False,  True]])
        """
        if self.basis is None or self.neurons is None:
            return self.split(pattern).amax(-1) > 0
        axis = self.axes[0] + 1
        features = self.neurons.rows_first(pattern).movedim(axis, -1)
        read = features @ self.basis.reads.to(features.dtype).T
        return self.cut(read.movedim(-1, axis)).amax(-1) > 0

    def in_basis(self, basis: FittedBasis | None) -> Site:
        """Return this site with its features read in a basis, or without one.

        Raises:
            InputError: the variables do not lie along the features, or the basis has others.

        Example:
            >>> import torch
            >>> one = torch.eye(4)
            >>> basis = FittedBasis("neuron", one, one, torch.zeros(4)).with_blocks([2, 2])
            >>> Site("fc", (), (4,), (0,), "linear", "fc").in_basis(basis).count
            2
        """
        plain = self if self.neurons is None else self.neurons
        if basis is None:
            return plain
        axis = plain.feature_axis
        if axis is None:
            raise InputError(
                f"site {self.name!r} is cut by {self.grain}, and a basis mixes the features of a "
                f"site: compile with variables={{{self.name!r}: 'unit'}} (or 'channel') to give it "
                "one"
            )
        if basis.features != plain.shape[axis]:
            raise InputError(
                f"the basis {basis.name!r} is of {basis.features} features, and site "
                f"{self.name!r} has {plain.shape[axis]}"
            )
        shape = (*plain.shape[:axis], basis.count, *plain.shape[axis + 1 :])
        grain = "direction" if basis.is_plain else "block"
        return replace(
            plain, shape=shape, axes=(axis,), folded=shape, grain=grain, basis=basis, neurons=plain
        )

    def alike(self, other: Site) -> bool:
        """Is variable ``i`` of one site made of the same features as variable ``i`` of the other?

        Example:
            >>> site = Site("fc", (), (2,), (0,), "linear", "fc")
            >>> site.alike(site)
            True
        """
        mine, others = self.basis, other.basis
        if mine is None or others is None:
            return mine is others
        return mine.is_identity and others.is_identity and mine.sizes == others.sizes

    def parts(self) -> list[tuple[str, Tensor]]:
        """Return what the basis of the site is made of, by name; nothing without one.

        Example:
            >>> Site("fc", (), (2,), (0,), "linear", "fc").parts()
            []
        """
        if self.basis is None:
            return []
        return [(f"{self.name}:{name}", held) for name, held in self.basis.parts()]

    @property
    def feature_axis(self) -> int | None:
        """The axis of ``shape`` along which features lie; None where variables do not."""
        if self.grain == "head" and self.folded != self.shape:
            last = len(self.folded) - 1  # the features of all heads, one head after the other
            return len(self.shape) - 1 if self.axes == (last - 1,) else None
        whole = self.folded == self.shape and len(self.axes) == 1
        alone = len(self.shape) == 1 or self.grain in _FEATURES
        return self.axes[0] if whole and alone else None

    # --- some blocks of a basis -------------------------------------------------------------------

    @property
    def in_blocks(self) -> bool:
        """Are some variables several coordinates of a basis?"""
        return self.basis is not None and not self.basis.is_plain

    def part_shape(self, index: Tensor) -> tuple[int, ...]:
        """Shape of one row of the coordinates of some blocks, side by side.

        Example:
            >>> import torch
            >>> one = torch.eye(3)
            >>> basis = FittedBasis("neuron", one, one, torch.zeros(3)).with_blocks([2, 1])
            >>> site = Site("fc", (), (3,), (0,), "linear", "fc").in_basis(basis)
            >>> site.part_shape(torch.tensor([0]))
            (2,)
        """
        sizes = (1,) * self.count if self.basis is None else self.basis.sizes
        total = sum(sizes[place] for place in index.tolist())
        axis = self.axes[0]
        return (*self.shape[:axis], total, *self.shape[axis + 1 :])

    def paste_part(self, blocks: Tensor, index: Tensor) -> Tensor:
        """From blocks ``[rows, variable, coordinate]`` of some variables to ``[rows, *part]``.

        Example:
            >>> import torch
            >>> one = torch.eye(3)
            >>> basis = FittedBasis("neuron", one, one, torch.zeros(3)).with_blocks([1, 2])
            >>> site = Site("fc", (), (3,), (0,), "linear", "fc").in_basis(basis)
            >>> site.paste_part(torch.tensor([[[7.0, 0.0]]]), torch.tensor([0])).tolist()
            [[7.0]]
        """
        filled = self._filled(index).to(blocks.device)
        rest = [size for axis, size in enumerate(self.shape) if axis != self.axes[0]]
        apart = blocks.reshape(len(blocks), len(filled), -1)[:, filled]
        return apart.reshape(len(blocks), -1, *rest).movedim(1, self.axes[0] + 1)

    def cut_part(self, values: Tensor, index: Tensor) -> Tensor:
        """Undo :meth:`paste_part`; zeros stand behind the smaller blocks.

        Example:
            >>> import torch
            >>> one = torch.eye(3)
            >>> basis = FittedBasis("neuron", one, one, torch.zeros(3)).with_blocks([1, 2])
            >>> site = Site("fc", (), (3,), (0,), "linear", "fc").in_basis(basis)
            >>> site.cut_part(torch.tensor([[7.0]]), torch.tensor([0])).tolist()
            [[[7.0, 0.0]]]
        """
        filled = self._filled(index).to(values.device)
        moved = values.movedim(self.axes[0] + 1, 1)
        apart = moved.reshape(len(values), moved.shape[1], -1)
        padded = apart.new_zeros(len(values), len(filled), apart.shape[2])
        padded[:, filled] = apart
        return padded.reshape(len(values), len(index), -1)

    def _filled(self, index: Tensor) -> Tensor:
        """Bool: which places of some blocks, one after the other, hold coordinates."""
        assert self.basis is not None
        return self.basis.layout[index].flatten() < self.basis.count

    def size_of_terms(self, tensor: Tensor) -> Tensor | None:
        """How large the terms are that coordinates are sums of: rounding is relative to them.

        Args:
            tensor: the network's own.

        Returns:
            Tensor | None: ``[variable, coordinate]``, the largest over rows; None without a basis.

        Example:
            >>> import torch
            >>> site = Site("fc", (), (2,), (0,), "linear", "fc")
            >>> site.size_of_terms(torch.ones(3, 2)) is None
            True
        """
        if self.basis is None or self.neurons is None:
            return None
        axis = self.axes[0] + 1
        features = self.neurons.rows_first(tensor).movedim(axis, -1)
        return self.cut(self.basis.terms(features).movedim(-1, axis)).amax(0)

    def _in_network(self, values: Tensor, like: Tensor | None) -> Tensor:
        """From rows first to the network's own order of dimensions."""
        if like is not None and like.ndim < values.ndim:  # rows share a dimension with their parts
            values = values.flatten(0, 1)
        return values.movedim(0, self.rows_at) if self.rows_at else values

    @property
    def _leading(self) -> list[int]:
        return list(range(1, len(self.axes) + 1))
