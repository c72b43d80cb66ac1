"""Principal components, as they are or scaled to variance 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from causalmod.bases.protocol import BASES, SiteData
from causalmod.bases.solve import inverted, principal
from causalmod.errors import InputError
from causalmod.variables import FittedBasis

RANK = 1e-6  # of the largest standard deviation: less is rounding, in single precision


@BASES.register("pca")
@dataclass(frozen=True)
class PCA:
    """Principal components: ``coordinates = (x - mean) @ V.T``, uncorrelated on the data.

    The rows of ``V`` are the eigenvectors of the covariance, largest variance first, so the basis
    is orthonormal; ``spectrum`` holds the variances. Setting a coordinate to 0 sets it to its mean.

    Attributes:
        components: keep so many; the rest of the space is one more variable. By default all.

    Raises:
        InputError: ``components`` is no whole number from 1 to the rank of the data; or it is not
            given and the data have a smaller rank than the site has features (the rank is said).

    Source: Pearson, Philosophical Magazine 2(11):559 (1901); Hotelling (1933).

    Example:
        >>> import torch, causalmod as cm
        >>> data = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [0.1, -0.1], [-0.1, 0.1]])
        >>> scm = cm.compile(torch.nn.ReLU().eval(), data, basis={"input": cm.bases.pca()})
        >>> scm.sites["input"].basis.spectrum.tolist()
        [1.0, 0.01...]
    """

    name: ClassVar[str] = "pca"
    paper: ClassVar[str] = "Pearson (1901), Hotelling (1933)"
    components: int | None = None

    def fit(self, at: SiteData) -> FittedBasis:
        """See :meth:`Basis.fit`."""
        mean, variances, axes = principal_axes(at, self.components, self.name)
        return inverted(self.name, axes, mean, variances)


@BASES.register("whitened")
@dataclass(frozen=True)
class Whitened:
    """Principal components scaled to variance 1: ``coordinates = (x - mean) @ V.T / sd``.

    Writing a coordinate moves the features along its axis, by one standard deviation for each unit.
    Figures that measure noise in standard deviations are those of :class:`PCA`; the difference is
    in the values that ``do`` takes, and in blocks, whose coordinates weigh the same here.

    Attributes:
        components: as for :class:`PCA`.

    Raises:
        InputError: as for :class:`PCA`.

    Example:
        >>> import torch, causalmod as cm
        >>> data = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [0.1, -0.1], [-0.1, 0.1]])
        >>> scm = cm.compile(torch.nn.ReLU().eval(), data, basis={"input": cm.bases.whitened()})
        >>> scm.observe()["input"].std(0, unbiased=False).round(decimals=4).tolist()
        [1.0, 1.0]
    """

    name: ClassVar[str] = "whitened"
    paper: ClassVar[str] = "Pearson (1901), Hotelling (1933)"
    components: int | None = None

    def fit(self, at: SiteData) -> FittedBasis:
        """See :meth:`Basis.fit`."""
        mean, variances, axes = principal_axes(at, self.components, self.name)
        return inverted(self.name, axes / variances.sqrt()[:, None], mean, variances)


def principal_axes(
    at: SiteData, components: int | None, name: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean ``[feature]``, variances and axes ``[component, feature]`` of the activations.

    Raises:
        InputError: see :class:`PCA`.
    """
    values = at.activations
    mean = values.mean(0)
    centred = values - mean
    variances, axes = principal(centred.T @ centred / len(values))
    variances = variances.clamp_min(0)
    rank = int((variances.sqrt() > RANK * variances[0].sqrt()).sum()) if variances[0] > 0 else 0
    if rank == 0:
        raise InputError(f"basis {name!r} of {at.name!r}: the site is constant on the data")
    if components is None and rank < at.features:
        raise InputError(
            f"basis {name!r} of {at.name!r}: the {len(values)} samples have rank {rank}, fewer "
            f"than the {at.features} features, so {at.features - rank} directions would be "
            f"arbitrary; give more rows, or cm.bases.{name}(components={rank}), which puts them "
            "together in one variable"
        )
    kept = at.features if components is None else components
    is_count = isinstance(kept, int) and not isinstance(kept, bool)
    if not is_count or not 1 <= kept <= rank:
        raise InputError(
            f"basis {name!r} of {at.name!r}: components is a whole number from 1 to {rank}, the "
            f"rank of the data; given {components!r}"
        )
    return mean, variances[:kept], torch.as_tensor(axes[:kept])
