"""How the features of a site are read as coordinates, and written back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from causalmod._display import html_table
from causalmod.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

_CARRIES = 1e-6  # of the largest entry of a matrix: less is rounding, and carries nothing


@dataclass(frozen=True, eq=False)
class FittedBasis:
    """A basis of one site: a matrix that reads coordinates off features, and one that writes them.

    ``coordinates = (features - offset) @ matrix.T`` and ``features = offset + coordinates @
    directions``. Setting some coordinates moves the features by ``(new - old) @ directions``, so
    that the other coordinates stay as they were.

    Attributes:
        name: the kind of basis (``"pca"``).
        matrix: ``[coordinate, feature]`` in double precision: row ``i`` reads coordinate ``i``.
        directions: ``[coordinate, feature]``: row ``i`` is what one unit of coordinate ``i`` adds.
        offset: ``[feature]`` what is taken off before reading, such as a mean.
        sizes: how many coordinates, one after the other, each variable holds: 1 each, or more for a
            variable that is a subspace (a *block*).
        labels: of each variable, a name to show.
        spectrum: ``[coordinate]`` what the basis sorts by (a variance, an eigenvalue), if it does.

    Source: Geiger, Wu, Potts, Icard and Goodman (2023, arXiv 2303.02536), whose distributed
    interchange interventions read, set and write back coordinates in a rotated basis.

    Example:
        >>> import torch, causalmod as cm
        >>> data = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
        >>> scm = cm.compile(torch.nn.Linear(3, 1).eval(), data, basis={"input": cm.bases.pca()})
        >>> fitted = scm.sites["input"].basis
        >>> fitted
        FittedBasis(pca: 3 variables of 3 features)
        >>> bool((fitted.matrix @ fitted.inverse - torch.eye(3)).abs().max() < 1e-9)
        True
    """

    name: str
    matrix: Tensor
    directions: Tensor
    offset: Tensor
    sizes: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    spectrum: Tensor | None = None

    def __post_init__(self) -> None:
        self.__dict__["_cast"] = {}  # dtype and device → matrices in it
        if not self.sizes:
            object.__setattr__(self, "sizes", (1,) * len(self.matrix))
        if not self.labels:
            object.__setattr__(self, "labels", tuple(_ranges(self.sizes)))
        shapes = {tuple(self.matrix.shape), tuple(self.directions.shape)}
        if len(shapes) != 1 or self.matrix.ndim != 2 or self.offset.shape != self.matrix.shape[1:]:
            raise InputError(
                f"basis {self.name!r}: matrix {list(self.matrix.shape)}, directions "
                f"{list(self.directions.shape)} and offset {list(self.offset.shape)} do not fit; "
                "expected [coordinate, feature] twice, and [feature]"
            )
        if sum(self.sizes) != len(self.matrix) or len(self.labels) != len(self.sizes):
            raise InputError(
                f"basis {self.name!r}: variables of {list(self.sizes)} coordinates with "
                f"{len(self.labels)} labels do not make up {len(self.matrix)} coordinates"
            )

    @property
    def features(self) -> int:
        """Number of features of the site."""
        return self.matrix.shape[1]

    @property
    def count(self) -> int:
        """Number of coordinates."""
        return len(self.matrix)

    @property
    def width(self) -> int:
        """Number of coordinates in the largest variable."""
        return max(self.sizes)

    @property
    def inverse(self) -> Tensor:
        """``[feature, coordinate]``: the transpose of :attr:`directions`."""
        return self.directions.T

    @property
    def is_linear(self) -> bool:
        """Are coordinates an invertible matrix times features, plus a constant?"""
        return len(self.matrix) == self.features

    @cached_property
    def is_identity(self) -> bool:
        """Are coordinates the features themselves, in their order?

        Example:
            >>> import torch
            >>> turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
            >>> basis = FittedBasis("matrix", turn, turn, torch.zeros(2))
            >>> basis.is_identity
            False
        """
        import torch

        one = torch.eye(self.features, dtype=self.matrix.dtype, device=self.matrix.device)
        return self.is_linear and torch.equal(self.matrix, one) and not bool(self.offset.any())

    @cached_property
    def is_orthogonal(self) -> bool:
        """Are the directions orthonormal (to 1e-6)?

        Example:
            >>> import torch
            >>> turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
            >>> basis = FittedBasis("matrix", turn, turn, torch.zeros(2))
            >>> basis.is_orthogonal
            True
        """
        import torch

        gram = self.directions @ self.directions.T
        one = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        return bool((gram - one).abs().amax() <= _CARRIES)

    @cached_property
    def reads(self) -> Tensor:
        """Bool ``[coordinate, feature]``: may the feature change the coordinate?

        Example:
            >>> import torch
            >>> turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
            >>> basis = FittedBasis("matrix", turn, turn, torch.zeros(2))
            >>> basis.reads.tolist()
            [[False, True], [True, False]]
        """
        return _carrying(self.matrix)

    @cached_property
    def writes(self) -> Tensor:
        """Bool ``[coordinate, feature]``: does the coordinate change the feature?

        Example:
            >>> import torch
            >>> turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
            >>> basis = FittedBasis("matrix", turn, turn, torch.zeros(2))
            >>> basis.writes.tolist()
            [[False, True], [True, False]]
        """
        return _carrying(self.directions)

    def parts(self) -> list[tuple[str, Tensor]]:
        """Return what tells this basis from others, by name.

        Example:
            >>> import torch
            >>> turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
            >>> basis = FittedBasis("matrix", turn, turn, torch.zeros(2))
            >>> [name for name, _ in basis.parts()]
            ['matrix', 'directions', 'offset', 'sizes']
        """
        import torch

        sizes = torch.tensor(self.sizes)
        named = (("matrix", self.matrix), ("directions", self.directions), ("offset", self.offset))
        return [*named, ("sizes", sizes)]

    def with_blocks(
        self, sizes: Sequence[int], labels: Sequence[str] = (), name: str = ""
    ) -> FittedBasis:
        """Return the same basis with its coordinates put together in variables of these sizes.

        Args:
            sizes: how many coordinates each variable holds; what they leave over stays in the
                variables that there are.
            labels: of each variable; the ranges of coordinates by default.
            name: for messages: the site.

        Raises:
            InputError: not positive whole numbers that together are at most the coordinates.

        Example:
            >>> import torch
            >>> one = torch.eye(4)
            >>> FittedBasis("neuron", one, one, torch.zeros(4)).with_blocks([2]).labels
            ('0:2', '2', '3')
        """
        held = [int(size) for size in sizes if isinstance(size, int) and not isinstance(size, bool)]
        if len(held) != len(list(sizes)) or any(size < 1 for size in held) or not held:
            raise InputError(
                f"blocks of {name!r} are sizes such as [4, 4, 8], positive whole numbers; given "
                f"{sizes!r}"
            )
        left = self.count - sum(held)
        if left < 0:
            raise InputError(
                f"blocks of {name!r} hold {sum(held)} coordinates together, and there are "
                f"{self.count}: make the sizes {list(sizes)!r} smaller"
            )
        rest: list[int] = []
        for size in reversed(self.sizes):
            rest.insert(0, min(size, left - sum(rest)))
        own = [size for size in rest if size > 0]
        return replace(self, sizes=(*held, *own), labels=tuple(labels))

    # --- coordinates ------------------------------------------------------------------------------

    def coordinates(self, features: Tensor) -> Tensor:
        """Read ``[..., coordinate]`` off ``[..., feature]``, in the dtype of the features.

        Example:
            >>> import torch
            >>> turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
            >>> basis = FittedBasis("matrix", turn, turn, torch.zeros(2))
            >>> basis.coordinates(torch.tensor([[3.0, 5.0]])).tolist()
            [[5.0, -3.0]]
        """
        if self.is_identity:
            return features
        matrix, _, offset = self._like(features)
        return (features - offset) @ matrix.T

    def terms(self, features: Tensor) -> Tensor:
        """Return ``[..., coordinate]`` how large the terms are that each coordinate is the sum of.

        ``sum_j |matrix_ij| |features_j|``: rounding is relative to it.

        Example:
            >>> import torch
            >>> turn = torch.tensor([[1.0, -1.0], [1.0, 1.0]])
            >>> basis = FittedBasis("matrix", turn, turn / 2, torch.zeros(2))
            >>> basis.terms(torch.tensor([3.0, 3.0])).tolist()
            [6.0, 6.0]
        """
        matrix, _, offset = self._like(features)
        return (features.abs() + offset.abs()) @ matrix.abs().T

    def activations(self, coordinates: Tensor) -> Tensor:
        """Write ``[..., feature]`` from ``[..., coordinate]``: undo :meth:`coordinates`.

        Example:
            >>> import torch
            >>> turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
            >>> basis = FittedBasis("matrix", turn, turn, torch.zeros(2))
            >>> basis.activations(torch.tensor([[5.0, -3.0]])).tolist()
            [[3.0, 5.0]]
        """
        if self.is_identity:
            return coordinates
        _, directions, offset = self._like(coordinates)
        return coordinates @ directions + offset

    def moves(self, change: Tensor) -> Tensor:
        """Return by how much the features ``[..., feature]`` move with a change of coordinates.

        Example:
            >>> import torch
            >>> turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
            >>> FittedBasis("matrix", turn, turn, torch.ones(2)).moves(torch.tensor([2.0, 0.0]))
            tensor([0., 2.])
        """
        if self.is_identity:
            return change
        _, directions, _ = self._like(change)
        return change @ directions

    def _like(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Matrix, directions and offset in the dtype of some values, where these are."""
        key, cast = (values.dtype, values.device), self.__dict__["_cast"]
        if key in cast:
            return cast[key]
        place, kind = values.device, values.dtype
        matrix, offset = self.matrix.to(place, kind), self.offset.to(place, kind)
        made = (matrix, self.directions.to(place, kind), offset)
        if not any(part.requires_grad for part in made):  # gradients want a graph for each run
            cast[key] = made
        return made

    # --- blocks -----------------------------------------------------------------------------------

    @property
    def is_plain(self) -> bool:
        """Is every variable one coordinate?"""
        return self.width == 1

    @cached_property
    def layout(self) -> Tensor:
        """``[variable, coordinate]`` coordinates of each variable, then ``count`` to fill up.

        Example:
            >>> import torch
            >>> turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
            >>> basis = FittedBasis("matrix", turn, turn, torch.zeros(2))
            >>> basis.with_blocks([2]).layout.tolist()
            [[0, 1]]
        """
        import torch

        found = torch.full((len(self.sizes), self.width), self.count)
        start = 0
        for place, size in enumerate(self.sizes):
            found[place, :size] = torch.arange(start, start + size)
            start += size
        return found

    def in_blocks(self, values: Tensor) -> Tensor:
        """From ``[rows, coordinate, entry]`` to ``[rows, variable, width × entry]``.

        Variables have rows of one length: those of smaller blocks end in zeros.

        Example:
            >>> import torch
            >>> one = torch.eye(3)
            >>> basis = FittedBasis("neuron", one, one, torch.zeros(3)).with_blocks([2, 1])
            >>> basis.in_blocks(torch.tensor([[[1.0], [2.0], [3.0]]])).tolist()
            [[[1.0, 2.0], [3.0, 0.0]]]
        """
        if self.is_plain:
            return values
        import torch

        rows, _, entries = values.shape
        padded = torch.cat([values, values.new_zeros(rows, 1, entries)], dim=1)
        picked = padded.index_select(1, self.layout.flatten().to(values.device))
        return picked.reshape(rows, len(self.sizes), -1)

    def out_of_blocks(self, blocks: Tensor) -> Tensor:
        """Undo :meth:`in_blocks`; what stands behind the smaller blocks is dropped.

        Example:
            >>> import torch
            >>> one = torch.eye(3)
            >>> basis = FittedBasis("neuron", one, one, torch.zeros(3)).with_blocks([2, 1])
            >>> basis.out_of_blocks(torch.tensor([[[1.0, 2.0], [3.0, 0.0]]])).flatten().tolist()
            [1.0, 2.0, 3.0]
        """
        if self.is_plain:
            return blocks
        flat = self.layout.flatten()
        places = (flat < self.count).nonzero().flatten().to(blocks.device)
        apart = blocks.reshape(len(blocks), len(flat), -1)
        return apart.index_select(1, places)

    def __repr__(self) -> str:
        kind = "variables" if len(self.sizes) != 1 else "variable"
        return f"FittedBasis({self.name}: {len(self.sizes)} {kind} of {self.features} features)"

    def _repr_html_(self) -> str:
        rows = [("basis", self.name), ("features", str(self.features))]
        rows += [("variables", str(len(self.sizes))), ("orthogonal", str(self.is_orthogonal))]
        return html_table("FittedBasis", rows)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write.

        Example:
            >>> import torch
            >>> one = torch.eye(1)
            >>> FittedBasis("neuron", one, one, torch.zeros(1)).to_dict()["labels"]
            ['0']
        """
        return {
            "name": self.name,
            "matrix": self.matrix.tolist(),
            "directions": self.directions.tolist(),
            "offset": self.offset.tolist(),
            "sizes": list(self.sizes),
            "labels": list(self.labels),
            "spectrum": None if self.spectrum is None else self.spectrum.tolist(),
        }


def _carrying(matrix: Tensor) -> Tensor:
    size = matrix.detach().abs()
    return (size > _CARRIES * size.amax()).cpu()


def _ranges(sizes: Sequence[int]) -> list[str]:
    """The coordinates of each variable, as slices are written."""
    found, start = [], 0
    for size in sizes:
        found.append(str(start) if size == 1 else f"{start}:{start + size}")
        start += size
    return found
