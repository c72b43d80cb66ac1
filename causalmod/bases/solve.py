"""Matrices that every kind of basis needs: inverses, complements, principal axes."""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.errors import InputError
from causalmod.variables import FittedBasis

SMALL = 1e-10  # of the largest singular value: less is rounding, in double precision


def orthonormal(name: str, directions: Tensor, *, spectrum: Tensor | None = None) -> FittedBasis:
    """Return the basis of orthonormal directions ``[direction, feature]``, read by themselves.

    Directions that are fewer than the features are completed by one block: their complement.
    """
    return inverted(name, directions, torch.zeros(directions.shape[1]), spectrum)


def inverted(
    name: str, matrix: Tensor, offset: Tensor, spectrum: Tensor | None = None
) -> FittedBasis:
    """Return the basis that reads by the rows of a matrix, and writes by its inverse.

    A matrix with fewer rows than features is completed by an orthonormal basis of what is
    orthogonal to its rows; those coordinates are one variable, the *rest*.

    Args:
        name: the kind of basis.
        matrix: ``[coordinate, feature]`` with independent rows.
        offset: ``[feature]`` what is taken off first.
        spectrum: of each row, if there is one.

    Raises:
        InputError: the rows are not independent.
    """
    matrix = matrix.double()
    count, features = matrix.shape
    values = torch.linalg.svdvals(matrix)
    rank = int((values > SMALL * values[0]).sum()) if count else 0
    if rank < count:
        raise InputError(
            f"basis {name!r}: the matrix has {count} rows and rank {rank}, so its rows do not tell "
            f"{count} coordinates apart; give independent rows (at most {features})"
        )
    sizes, labels = (1,) * count, [str(place) for place in range(count)]
    if count < features:
        matrix = torch.cat([matrix, complement(matrix)])
        sizes, labels = (*sizes, features - count), [*labels, "rest"]
        if spectrum is not None:
            spectrum = torch.cat([spectrum.double(), spectrum.new_zeros(features - count).double()])
    one = torch.eye(features, dtype=torch.float64)
    is_orthogonal = bool((matrix @ matrix.T - one).abs().amax() < SMALL)
    directions = matrix if is_orthogonal else torch.linalg.inv(matrix).T
    return FittedBasis(
        name, matrix, directions.contiguous(), offset.double(), sizes, tuple(labels), spectrum
    )


def complement(matrix: Tensor) -> Tensor:
    """Return orthonormal rows ``[features - rank, feature]`` orthogonal to those of a matrix."""
    count, features = matrix.shape
    if not count:
        return torch.eye(features, dtype=torch.float64)
    _, values, rows = torch.linalg.svd(matrix.double())
    rank = int((values > SMALL * values[0]).sum())
    return with_signs(rows[rank:])


def principal(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Return eigenvalues, largest first, and eigenvectors ``[direction, feature]``, of a matrix.

    Args:
        moments: symmetric ``[feature, feature]``, such as a covariance.
    """
    values, vectors = torch.linalg.eigh((moments + moments.T).double() / 2)
    return values.flip(0), with_signs(vectors.T.flip(0))


def with_signs(directions: Tensor) -> Tensor:
    """Choose the sign of each direction: its entry of largest size is positive."""
    if not directions.numel():
        return directions
    size = directions.abs()
    # entries of equal size, but for rounding, count as equal: the first one decides
    first = (size >= (1 - 1e-6) * size.amax(1, keepdim=True)).double().argmax(1)
    signs = directions.gather(1, first[:, None]).sign()
    return directions * torch.where(signs == 0, torch.ones_like(signs), signs)
