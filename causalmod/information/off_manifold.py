"""How far interventions drive activations to where the data never do."""

from __future__ import annotations

import torch
from torch import Tensor

_ROUNDING = 1e-5  # of the observed range


def off_manifold(observed: Tensor, intervened: Tensor) -> float:
    """Share of intervened activations outside the range that is observed, of each coordinate.

    A figure about such activations says what the network would do, not what it does: beyond the
    data nothing was trained.

    Args:
        observed: ``[row, coordinate]``.
        intervened: ``[..., coordinate]``.

    Returns:
        float: from 0 to 1; rounding is let pass.

    Example:
        >>> off_manifold(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.5], [2.0]]))
        0.5
    """
    low, high = observed.double().amin(0), observed.double().amax(0)
    slack = _ROUNDING * torch.maximum(high - low, torch.maximum(low.abs(), high.abs()))
    outside = (intervened < low - slack) | (intervened > high + slack)
    return float(outside.double().mean()) if outside.numel() else 0.0
