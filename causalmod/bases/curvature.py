"""Eigenvectors of the Gauss-Newton matrix of the output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from torch import Tensor

from causalmod.bases.protocol import BASES, SiteData
from causalmod.bases.solve import orthonormal, principal
from causalmod.errors import InputError
from causalmod.variables import FittedBasis

Metric = Literal["euclidean", "categorical"]
_UNREAD = 1e-10  # of the largest eigenvalue: less does not move the output


@BASES.register("gauss_newton")
@dataclass(frozen=True)
class GaussNewton:
    """Eigenvectors of ``G = E[J.T H J]``: directions by how much they move the output.

    ``J`` is the Jacobian of the network's outputs with respect to the site (each position of a
    sequence or image counts as a sample) and ``H`` the metric of the outputs: the identity, or for
    logits of classes the Fisher matrix ``diag(p) - p p.T``. ``G`` is the Hessian, at the data, of
    half the squared change of the output, and of the divergence of the changed from the unchanged
    classes: Hessian and Gauss-Newton matrix are one for these losses. Orthonormal, largest
    eigenvalue first; ``spectrum`` holds the eigenvalues. What moves no output is one more variable,
    the *rest*.

    Attributes:
        metric: ``"euclidean"`` or ``"categorical"``.
        rows: number of data rows, drawn at random where there are more.
        probes: gradients per row: one for each output number, or so many random sums of them.
        seed: of rows and probes.

    Raises:
        InputError: an unknown metric; or nothing moves an output.

    Source: Martens, JMLR 21(146) (2020), section 8, for the matrix; Sagun et al. (2017, arXiv
    1706.04454) for reading its spectrum.

    Example:
        >>> import torch, causalmod as cm
        >>> net = torch.nn.Linear(2, 1, bias=False).eval()
        >>> with torch.no_grad():
        ...     _ = net.weight.copy_(torch.tensor([[3.0, 4.0]]))
        >>> scm = cm.compile(net, torch.eye(2), basis={"input": cm.bases.gauss_newton()})
        >>> scm.sites["input"].basis.spectrum.round().tolist()
        [25.0, 0.0]
    """

    name: ClassVar[str] = "gauss_newton"
    paper: ClassVar[str] = "Martens (2020)"
    metric: Metric = "euclidean"
    rows: int = 256
    probes: int = 64
    seed: int = 0

    def fit(self, at: SiteData) -> FittedBasis:
        """See :meth:`Basis.fit`."""
        weigh = metric_root(self.metric)
        found = at.gradients(rows=self.rows, probes=self.probes, seed=self.seed, weigh=weigh)
        values, axes = principal(second_moment(found))
        kept = values > _UNREAD * values[0]
        if float(values[0]) <= 0:
            raise InputError(f"basis 'gauss_newton' of {at.name!r}: nothing in it moves an output")
        return orthonormal(self.name, axes[kept], spectrum=values[kept])


def second_moment(gradients: Tensor) -> Tensor:
    """``E[sum over probes of g g.T]`` of gradients ``[probe, sample, feature]``."""
    flat = gradients.flatten(0, 1)
    return flat.T @ flat / gradients.shape[1]


def metric_root(metric: str) -> Callable[[Tensor], Tensor] | None:
    """From outputs ``[row, number]`` to numbers whose gradients have the metric in them.

    For classes: ``z_i = sqrt(p_i) (log p_i)``, with ``p`` held; then ``J_z.T J_z = J.T H J``.

    Raises:
        InputError: an unknown metric.
    """
    if metric == "euclidean":
        return None
    if metric != "categorical":
        raise InputError(
            f"metric is one of {', '.join(map(repr, get_args(Metric)))}; given {metric!r}"
        )

    def root(values: Tensor) -> Tensor:
        logs = values.log_softmax(-1)
        return logs.detach().exp().sqrt() * logs

    return root
