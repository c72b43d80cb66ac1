"""The local interaction basis: by activations, and by what the next layer reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from causalmod.bases.curvature import second_moment
from causalmod.bases.principal_axes import RANK
from causalmod.bases.protocol import BASES, SiteData
from causalmod.bases.solve import inverted, principal, with_signs
from causalmod.errors import InputError
from causalmod.variables import FittedBasis, Site


@BASES.register("interaction")
@dataclass(frozen=True)
class Interaction:
    """The local interaction basis: features by how much the next layer's features depend on them.

    Fitted from the last site to the first. For a site with covariance ``V D V.T``, and the next
    site (or output) read in *its* basis as coordinates ``y``:

    1. whiten: ``z = D^-1/2 V.T (x - mean)``, without directions that do not vary;
    2. ``M = E[(dy/dz).T (dy/dz)]``, with eigenvectors ``U`` and eigenvalues ``L``;
    3. ``coordinates = L^1/2 U.T z``, without directions that nothing reads.

    So coordinates are uncorrelated, sorted by importance (``spectrum`` holds ``L``), and scaled so
    that the next layer's depend on each equally strongly, in the mean square. What was dropped is
    one more variable, the *rest*, orthogonal to what the others read; it does not vary, or nothing
    reads it. The basis is not orthogonal.

    The next site is the first later one, in the order of the network, that gets this basis in the
    same call and that moves with the site; failing that the outputs, whose principal components
    (the paper's choice) give the same ``M`` as the outputs themselves. The definition is of layers
    one after another: on a branched network the choice of what is next is a convention of this
    package.

    Attributes:
        rows: number of data rows for gradients, drawn at random where there are more.
        probes: gradients per row: one for each coordinate of the next site, or so many random sums.
        tolerance: share of the largest eigenvalue of ``M`` below which nothing reads a direction.
        seed: of rows and probes.

    Raises:
        InputError: the site is constant on the data, or nothing reads it.

    Source: Bushnaq et al. (2024, arXiv 2405.10928), section 3.

    Example:
        >>> import torch, causalmod as cm
        >>> net = torch.nn.Sequential(torch.nn.Linear(3, 3, bias=False), torch.nn.Tanh()).eval()
        >>> with torch.no_grad():
        ...     _ = net[0].weight.copy_(torch.tensor([[3.0, 0, 0], [0, 1.0, 0], [0, 0, 0]]))
        >>> data = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
        >>> scm = cm.compile(net, data, basis={"input": cm.bases.interaction()})
        >>> scm.sites["input"].basis.labels  # the third feature is read by nothing
        ('0', '1', 'rest')
    """

    name: ClassVar[str] = "interaction"
    paper: ClassVar[str] = "Bushnaq et al. (2024)"
    rows: int = 256
    probes: int = 64
    tolerance: float = 1e-8
    seed: int = 0

    def fit(self, at: SiteData) -> FittedBasis:
        """See :meth:`Basis.fit`."""
        values = at.activations
        mean = values.mean(0)
        variances, axes = principal((values - mean).T @ (values - mean) / len(values))
        kept = variances.clamp_min(0).sqrt() > RANK * variances[0].clamp_min(0).sqrt()
        if not bool(kept.any()):
            raise InputError(f"basis 'interaction' of {at.name!r}: it is constant on the data")
        variances, axes = variances[kept], axes[kept]
        gradients = self._gradients(at)
        to_white = axes * variances.sqrt()[:, None]  # the gradient by z is to_white @ that by x
        importance, turn = principal(to_white @ second_moment(gradients) @ to_white.T)
        read = importance > self.tolerance * importance[0].clamp_min(0)
        if float(importance[0]) <= 0 or not bool(read.any()):
            raise InputError(f"basis 'interaction' of {at.name!r}: nothing after it moves with it")
        importance, turn = importance[read], turn[read]
        whiten = axes / variances.sqrt()[:, None]
        matrix = importance.sqrt()[:, None] * (turn @ whiten)
        return inverted(self.name, with_signs(matrix), mean, importance)

    def _gradients(self, at: SiteData) -> Tensor:
        """Gradients of the next site's coordinates, ``[probe, sample, feature]``."""
        for name, fitted in at.later.items():
            if fitted.name != self.name:
                continue
            site = at.network.site(name)
            found = at.gradients(
                [name],
                rows=self.rows,
                probes=self.probes,
                seed=self.seed,
                weigh=lambda values, site=site, fitted=fitted: _read(values, site, fitted),
            )
            if bool(found.any()):
                return found
        return at.gradients(rows=self.rows, probes=self.probes, seed=self.seed)


def _read(values: Tensor, site: Site, fitted: FittedBasis) -> Tensor:
    """From blocks ``[row, number]`` of a site without its basis to coordinates ``[row, number]``.

    Of the rest, which nothing reads, nothing is asked.
    """
    axis = site.feature_axis or 0
    features = site.paste(values.reshape(len(values), site.count, site.width)).movedim(axis + 1, -1)
    kept = fitted.count - sum(
        size for size, label in zip(fitted.sizes, fitted.labels, strict=True) if label == "rest"
    )
    return fitted.coordinates(features)[..., :kept].flatten(1)
