"""What an estimator of information is, and the table of those there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from torch import Tensor

from causalmod._registry import Registry

#: Differences below this many noise scales are rounding, not signal.
DUST = 1e-5


class Bounds(NamedTuple):
    """Bits, and an upper bound where the estimator gives one; tensors of equal shape."""

    bits: Tensor
    upper: Tensor | None = None


class Observed(NamedTuple):
    """A group's activations on the data, and the scale of each coordinate.

    Attributes:
        values: ``[row, coordinate]``.
        scale: ``[coordinate]`` standard deviations, with a floor.
    """

    values: Tensor
    scale: Tensor


class Estimator(ABC):
    """Estimates information from samples. One instance serves one source and one target.

    Implementations are made with ``fit`` and never change afterwards. All three figures are in
    bits, never below zero, batched in torch.

    Attributes:
        name: name in the registry.
        uses_resolution: is noise of scale resolution × standard deviation added?
        groups: can source and target hold several coordinates?
        exact: are figures exact over the data, given every donor?
        paper: where the estimator comes from.
    """

    name: ClassVar[str]
    uses_resolution: ClassVar[bool] = True
    groups: ClassVar[bool] = True
    exact: ClassVar[bool] = False
    paper: ClassVar[str]

    @classmethod
    @abstractmethod
    def fit(cls, source: Observed | None, target: Observed, resolution: float) -> Estimator:
        """Prepare an estimator from observed activations.

        Args:
            source: the source; None when only :meth:`response` is used.
            target: the target.
            resolution: noise scale, in standard deviations.
        """

    @abstractmethod
    def response(self, responses: Tensor, weights: Tensor | None = None) -> Bounds:
        """Information that the donor sends, in each fixed context: ``H(C(x, B'))``.

        Args:
            responses: ``[..., donor, coordinate]`` of the target.
            weights: ``[donor]`` integer counts; equal weights by default.

        Returns:
            Bounds: ``[...]`` bits.
        """

    @abstractmethod
    def shared(self, source: Tensor, target: Tensor) -> Bounds:
        """Mutual information of paired samples ``[row, coordinate]``; a scalar."""

    @abstractmethod
    def averaged(self, source: Tensor, responses: Tensor) -> Bounds:
        """Information of the channel ``P(C | do(b))``, with the context unknown to the receiver.

        Args:
            source: ``[donor, coordinate]`` values that the source was set to.
            responses: ``[donor, context, coordinate]`` of the target.
        """


ESTIMATORS: Registry[type[Estimator]] = Registry(
    "estimator",
    "causalmod.information.estimators",
    {
        "fit": ("source", "target", "resolution"),
        "response": ("responses", "weights"),
        "shared": ("source", "target"),
        "averaged": ("source", "responses"),
    },
)
