"""An overcomplete dictionary, such as the decoder of a sparse autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from causalmod.bases.protocol import BASES, SiteData
from causalmod.errors import InputError
from causalmod.variables import FittedBasis, FittedDictionary


@BASES.register("dictionary")
@dataclass(frozen=True, eq=False)
class Dictionary:
    """Coefficients of given directions, and what they leave of the activation: the error.

    ``x = offset + f @ decoder + error`` with ``f = act((x - offset) @ encoder.T + bias)``, so that
    nothing of the activation is lost: the error is a variable (or one per feature) like any other.
    Setting a coefficient adds ``(new - old)`` times its row of the decoder.

    What to keep in mind, as directions are more than dimensions:

    - Coordinates that are read after an intervention are those of the changed activation. They need
      not be those that were set, and setting one may change others: what
      :meth:`~causalmod.StructuralCausalModel.do` promises of a basis holds for the activation only.
    - Coefficients are read by an encoder that was fitted to be sparse; a zero coefficient does not
      say that the direction is absent.
    - What the error carries, no feature explains: watch its share in the figures.
    - Null networks permute the weights of neurons, as coefficients have no weights of their own.

    Attributes:
        decoder: ``[coefficient, feature]`` directions, as many as you like.
        encoder: ``[coefficient, feature]``; without one, coefficients are those of least norm that
            give the activation (the pseudoinverse), which are not sparse.
        bias: ``[coefficient]`` of the encoder.
        offset: ``[feature]`` taken off before and added after (the decoder's bias).
        threshold: a number or ``[coefficient]``: at or below it a coefficient is 0 (0 is a ReLU).
            Without an encoder there is none.
        limit: most share of the variance that may be left to the error.
        error: ``"one"``: the error is one variable; ``"each"``: one per feature, which takes less
            memory where features are many.

    Raises:
        InputError: shapes that do not fit; or more than ``limit`` of the variance is left
            unexplained (the share is said).

    Source: Bricken et al., *Towards Monosemanticity* (Anthropic, 2023); Marks et al. (2024, arXiv
    2403.19647), for the error as a variable of the causal model.

    Example:
        >>> import torch, causalmod as cm
        >>> signs = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
        >>> data = torch.tensor([[2.0, -1.0], [0.5, 3.0]])
        >>> basis = cm.bases.dictionary(signs, encoder=signs)
        >>> scm = cm.compile(torch.nn.ReLU().eval(), data, basis={"input": basis})
        >>> scm.do({"input[0]": 0.0}).observe()["output"].tolist()
        [[0.0, 0.0], [0.0, 3.0]]
    """

    name: ClassVar[str] = "dictionary"
    paper: ClassVar[str] = "Bricken et al. (2023), Marks et al. (2024)"
    decoder: Any
    encoder: Any = None
    bias: Any = None
    offset: Any = None
    threshold: Any = 0.0
    limit: float = 0.1
    error: Literal["one", "each"] = "one"

    def fit(self, at: SiteData) -> FittedBasis:
        """See :meth:`Basis.fit`."""
        decoder = _given(self.decoder, at, "decoder", (None, at.features))
        count = len(decoder)
        offset = torch.zeros(at.features, dtype=torch.float64)
        if self.offset is not None:
            offset = _given(self.offset, at, "offset", (at.features,))
        bias, threshold = torch.zeros(count, dtype=torch.float64), None
        if self.encoder is None:
            if self.bias is not None:
                raise InputError(f"dictionary of {at.name!r}: a bias needs an encoder")
            encoder = torch.linalg.pinv(decoder).T.contiguous()
        else:
            encoder = _given(self.encoder, at, "encoder", (count, at.features))
            if self.bias is not None:
                bias = _given(self.bias, at, "bias", (count,))
            held = torch.as_tensor(self.threshold, dtype=torch.float64)
            threshold = _given(
                held.expand(count) if held.ndim == 0 else held, at, "threshold", (count,)
            )
        if self.error not in ("one", "each"):
            raise InputError(
                f"dictionary of {at.name!r}: error is 'one' or 'each'; given {self.error!r}"
            )
        one = torch.eye(at.features, dtype=torch.float64)
        together = self.error == "one"
        errors = ["error"] if together else [f"error {j}" for j in range(at.features)]
        fitted = FittedDictionary(
            self.name,
            torch.cat([encoder, one]),
            torch.cat([decoder, one]),
            offset,
            (*(1,) * count, at.features) if together else (1,) * (count + at.features),
            (*map(str, range(count)), *errors),
            encoder=encoder,
            bias=bias,
            threshold=threshold,
        )
        return self._checked(at, fitted, count)

    def _checked(self, at: SiteData, fitted: FittedDictionary, count: int) -> FittedDictionary:
        from dataclasses import replace

        values = at.activations
        error = fitted.coordinates(values)[:, count:]
        spread = float((values - values.mean(0)).square().sum())
        share = float(error.square().sum()) / spread if spread > 0 else 0.0
        if not share <= self.limit:
            raise InputError(
                f"dictionary of {at.name!r}: it leaves {share:.1%} of the variance of the data to "
                f"the error, more than limit={self.limit:g}; check that it belongs to this site, "
                "with its offset and bias, or give a higher limit="
            )
        return replace(fitted, unexplained=share)


def _given(held: Any, at: SiteData, what: str, shape: tuple[int | None, ...]) -> Tensor:
    try:
        tensor = torch.as_tensor(held).detach().double().cpu()
    except (TypeError, ValueError, RuntimeError):
        tensor = torch.full((0,), float("nan"))
    fits = tensor.ndim == len(shape) and all(
        size is None or size == own for size, own in zip(shape, tensor.shape, strict=False)
    )
    if not fits or not tensor.numel() or not bool(torch.isfinite(tensor).all()):
        wanted = ", ".join("coefficient" if size is None else str(size) for size in shape)
        raise InputError(
            f"dictionary of {at.name!r}: {what} is a tensor [{wanted}] of finite numbers; given "
            f"{list(tensor.shape)}"
        )
    return tensor.clone()
