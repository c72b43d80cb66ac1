"""Independent components."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from causalmod.bases.principal_axes import principal_axes
from causalmod.bases.protocol import BASES, SiteData
from causalmod.bases.solve import inverted, with_signs
from causalmod.errors import InputError
from causalmod.variables import FittedBasis


@BASES.register("ica")
@dataclass(frozen=True)
class ICA:
    """Independent components: ``coordinates = (x - mean) @ W.T``, as independent as can be.

    ``W`` unmixes the activations into components of variance 1, found by FastICA on the whitened
    data (symmetric, log cosh); it is invertible and not orthogonal. Components come in the order of
    how far they are from Gaussian; ``spectrum`` holds their excess kurtosis, without sign. Gaussian
    components cannot be told apart: where kurtosis is near 0, directions are arbitrary.

    Attributes:
        components: so many, found among as many principal components; the rest of the space is one
            more variable. By default all.
        seed: of the start.
        iterations: most steps.
        tolerance: how little the unmixing matrix moves in the last step.

    Raises:
        InputError: FastICA does not settle in so many steps; and as for :class:`PCA`.

    Source: Hyvärinen, IEEE Transactions on Neural Networks 10(3):626 (1999).

    Example:
        >>> import torch, causalmod as cm
        >>> two = torch.rand(500, 2, generator=torch.Generator().manual_seed(0)) - 0.5
        >>> mixed = two @ torch.tensor([[1.0, 0.4], [0.3, 1.0]])
        >>> scm = cm.compile(torch.nn.ReLU().eval(), mixed, basis={"input": cm.bases.ica()})
        >>> found = torch.corrcoef(torch.cat([two.T, scm.observe()["input"].T]))[:2, 2:].abs()
        >>> bool((found.amax(1) > 0.98).all())
        True
    """

    name: ClassVar[str] = "ica"
    paper: ClassVar[str] = "Hyvärinen (1999)"
    components: int | None = None
    seed: int = 0
    iterations: int = 1000
    tolerance: float = 1e-4

    def fit(self, at: SiteData) -> FittedBasis:
        """See :meth:`Basis.fit`."""
        from sklearn.decomposition import FastICA
        from sklearn.exceptions import ConvergenceWarning

        mean, variances, axes = principal_axes(at, self.components, self.name)
        whiten = axes / variances.sqrt()[:, None]
        white = (at.activations - mean) @ whiten.T
        as_it_is: Any = False  # it is white already
        engine = FastICA(
            whiten=as_it_is,
            random_state=self.seed,
            max_iter=self.iterations,
            tol=self.tolerance,
            fun="logcosh",
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            try:
                engine.fit(white.numpy())
            except ConvergenceWarning as error:
                raise InputError(
                    f"basis 'ica' of {at.name!r}: FastICA does not settle in {self.iterations} "
                    "steps, as where several components are Gaussian; give cm.bases.ica("
                    "components=...) fewer, or more iterations"
                ) from error
        turn = torch.from_numpy(engine.components_).double()
        sources = white @ turn.T
        kurtosis = (sources.pow(4).mean(0) / sources.square().mean(0).square() - 3).abs()
        order = kurtosis.argsort(descending=True)
        return inverted(self.name, with_signs((turn @ whiten)[order]), mean, kurtosis[order])
