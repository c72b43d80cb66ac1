"""An overcomplete dictionary as a basis: coefficients of features, and the error."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from causalmod.errors import InputError
from causalmod.variables.basis import FittedBasis

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class FittedDictionary(FittedBasis):
    """Coefficients ``f = act((x - offset) @ encoder.T + bias)`` and error ``x - offset - f D``.

    There are more coordinates than features, so it is no basis in the strict sense: coordinates of
    a changed activation are read anew, and need not be those that were set. See
    :func:`causalmod.bases.dictionary`.

    Attributes:
        encoder: ``[coefficient, feature]``.
        bias: ``[coefficient]``.
        threshold: ``[coefficient]`` below which a coefficient is 0; None where it may be negative.
        unexplained: share of the data's variance that the coefficients leave to the error.

    Example:
        >>> import torch, causalmod as cm
        >>> signs = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
        >>> dictionary = cm.bases.dictionary(signs, encoder=signs)
        >>> data = torch.tensor([[2.0, -1.0], [0.5, 3.0]])
        >>> scm = cm.compile(torch.nn.Tanh().eval(), data, basis={"input": dictionary})
        >>> scm.observe()["input"].tolist()
        [[2.0, 0.0, 0.0, 1.0, 0.0, 0.0], [0.5, 0.0, 3.0, 0.0, 0.0, 0.0]]
    """

    encoder: Tensor | None = None
    bias: Tensor | None = None
    threshold: Tensor | None = None
    unexplained: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        fits = self.encoder is not None and self.bias is not None
        if fits and self.encoder is not None and self.bias is not None:
            count = self.count - self.features
            fits = tuple(self.encoder.shape) == (count, self.features)
            fits = fits and tuple(self.bias.shape) == (count,)
        if not fits:
            raise InputError("a fitted dictionary needs encoder [coefficient, feature] and bias")

    @property
    def is_linear(self) -> bool:
        """Are coordinates an invertible matrix times features, plus a constant?"""
        return False

    @cached_property
    def reads(self) -> Tensor:
        """Bool ``[coordinate, feature]``: the error may depend on all that is read.

        Example:
            >>> import torch, causalmod as cm
            >>> one = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
            >>> data = torch.tensor([[2.0, 1.0], [0.5, 3.0]])
            >>> scm = cm.compile(torch.nn.Tanh().eval(), data,
            ...                  basis={"input": cm.bases.dictionary(one)})
            >>> scm.sites["input"].basis.reads[-1].tolist()
            [True, True]
        """
        import torch

        found = super().reads.clone()
        found[self.count - self.features :] = True
        return torch.as_tensor(found)

    def coordinates(self, features: Tensor) -> Tensor:
        """Read ``[..., coefficient and error]`` off ``[..., feature]``.

        Example:
            >>> import torch
            >>> one = torch.ones(1, 1)
            >>> basis = FittedDictionary("dictionary", torch.ones(2, 1), torch.ones(2, 1),
            ...     torch.zeros(1), encoder=one, bias=torch.tensor([-1.0]),
            ...     threshold=torch.zeros(1))
            >>> basis.coordinates(torch.tensor([[3.0]])).tolist()
            [[2.0, 1.0]]
        """
        import torch

        assert self.encoder is not None
        assert self.bias is not None
        place, kind = features.device, features.dtype
        _, directions, offset = self._like(features)
        centred = features - offset
        found = centred @ self.encoder.to(place, kind).T + self.bias.to(place, kind)
        if self.threshold is not None:
            found = torch.where(found > self.threshold.to(place, kind), found, 0.0)
        count = self.count - self.features
        error = centred - found @ directions[:count]
        return torch.cat([found, error], dim=-1)

    def parts(self) -> list[tuple[str, Tensor]]:
        """Return what tells this dictionary from others, by name.

        Example:
            >>> import torch
            >>> one = torch.ones(1, 1)
            >>> FittedDictionary("dictionary", torch.ones(2, 1), torch.ones(2, 1),
            ...     torch.zeros(1), encoder=one, bias=torch.zeros(1)).parts()[-1]
            ('bias', tensor([0.]))
        """
        named = [("encoder", self.encoder), ("threshold", self.threshold), ("bias", self.bias)]
        return [*super().parts(), *((name, held) for name, held in named if held is not None)]
