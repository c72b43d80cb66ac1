"""Singular vectors of the weights that read a site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from causalmod.bases.protocol import BASES, SiteData
from causalmod.bases.solve import orthonormal, with_signs
from causalmod.variables import FittedBasis

_RANK = 1e-6  # of the largest singular value: less is rounding, in single precision


@BASES.register("svd")
@dataclass(frozen=True)
class ReaderSVD:
    """Right singular vectors of the readers' weights: what is read most comes first.

    ``W = U S V.T``, where ``W [output, feature]`` are the weights of all linear maps that read the
    site directly, one below the other; ``coordinates = x @ V``. Orthonormal; ``spectrum`` holds the
    singular values. What no map reads is one more variable, the *rest*.

    The basis looks at weights alone: data and what readers do with what they read do not count.

    Raises:
        InputError: no linear map reads the site directly.

    Source: Millidge and Black, *The Singular Value Decompositions of Transformer Weight Matrices
    are Highly Interpretable* (Alignment Forum, 2022).

    Example:
        >>> import torch, causalmod as cm
        >>> net = torch.nn.Linear(2, 1, bias=False).eval()
        >>> with torch.no_grad():
        ...     _ = net.weight.copy_(torch.tensor([[3.0, 4.0]]))
        >>> scm = cm.compile(net, torch.eye(2), basis={"input": cm.bases.svd()})
        >>> basis = scm.sites["input"].basis
        >>> basis.labels, basis.matrix[0].tolist()
        (('0', 'rest'), [0.6..., 0.8...])
    """

    name: ClassVar[str] = "svd"
    paper: ClassVar[str] = "Millidge and Black (2022)"

    def fit(self, at: SiteData) -> FittedBasis:
        """See :meth:`Basis.fit`."""
        _, values, rows = torch.linalg.svd(at.readers, full_matrices=False)
        kept = values > _RANK * values[0]
        return orthonormal(self.name, with_signs(rows[kept]), spectrum=values[kept])
