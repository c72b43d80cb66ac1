"""A basis that the user gives as a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from causalmod.bases.protocol import BASES, SiteData
from causalmod.bases.solve import SMALL, inverted
from causalmod.errors import InputError
from causalmod.variables import FittedBasis


@BASES.register("matrix")
@dataclass(frozen=True, eq=False)
class Matrix:
    """Coordinates by the rows of a matrix: ``coordinates = features @ rows.T``.

    A square matrix is orthogonal or at least invertible. One with fewer rows than the site has
    features spans a subspace; what is orthogonal to it is one more variable, the *rest*, so that
    nothing of the site is lost. Directions, by which coordinates are written, are the inverse's:
    orthonormal rows are their own directions.

    Attributes:
        rows: ``[coordinate, feature]`` tensor or array of finite numbers.

    Raises:
        InputError: not such a matrix, or one of too small a rank (when it is fitted).

    Example:
        >>> import torch, causalmod as cm
        >>> turn = torch.tensor([[1.0, 1.0], [1.0, -1.0]]) / 2**0.5
        >>> scm = cm.compile(torch.nn.ReLU().eval(), torch.eye(2), basis={"input": turn})
        >>> scm.do({"input[0]": 0.0}).observe()["output"].round(decimals=3).tolist()
        [[0.5, 0.0], [0.0, 0.5]]
    """

    name: ClassVar[str] = "matrix"
    paper: ClassVar[str] = "none"
    rows: Any

    def fit(self, at: SiteData) -> FittedBasis:
        """See :meth:`Basis.fit`."""
        return of_rows(self.rows, at)


def of_rows(rows: Any, at: SiteData) -> FittedBasis:
    """Return the basis that reads by the rows of a matrix; see :class:`Matrix`."""
    return inverted("matrix", as_matrix(rows, at), torch.zeros(at.features))


def as_matrix(given: Any, at: SiteData, what: str = "basis") -> Tensor:
    """Return a matrix ``[coordinate, feature]`` in double precision, checked.

    Raises:
        InputError: not a matrix of finite numbers with as many columns as the site has features,
            or one whose rows are zero.
    """
    here = f"{what} of {at.name!r}"
    try:
        matrix = torch.as_tensor(given).detach().double().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{here}: expected a basis such as cm.bases.pca(), or a matrix [coordinate, feature]; "
            f"given {type(given).__name__}"
        ) from error
    if matrix.ndim != 2 or matrix.shape[1] != at.features or not len(matrix):
        raise InputError(
            f"{here}: the matrix has shape {list(matrix.shape)}; expected [coordinate, "
            f"{at.features}], as the site has {at.features} features"
        )
    if not bool(torch.isfinite(matrix).all()):
        raise InputError(f"{here}: the matrix holds NaN or infinity")
    if len(matrix) > at.features:
        raise InputError(
            f"{here}: the matrix has {len(matrix)} rows, more than the {at.features} features; "
            "directions that are more than the features are a dictionary, see cm.bases.dictionary()"
        )
    values = torch.linalg.svdvals(matrix)
    rank = int((values > SMALL * values[0]).sum())
    if rank < len(matrix):
        raise InputError(
            f"{here}: the matrix is singular: it has {len(matrix)} rows and rank {rank}; give "
            "independent rows, fewer of them for a subspace (its complement is added)"
        )
    return matrix
