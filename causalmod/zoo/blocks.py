"""Layers with weights that are written down instead of drawn."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Matrix = Tensor | Sequence[Sequence[float]]
Row = Tensor | Sequence[float]


def fixed_linear(weight: Matrix, bias: Row | None = None) -> nn.Linear:
    """Return a linear layer with the given weights; no random number is drawn.

    Example:
        >>> fixed_linear([[1.0, 2.0]])(torch.tensor([[3.0, 4.0]])).item()
        11.0
    """
    matrix = torch.as_tensor(weight, dtype=torch.float32)
    outputs, inputs = matrix.shape
    # made on the meta device, nn.Linear draws no weights from the global generator
    layer = nn.Linear(inputs, outputs, bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(matrix.clone(), requires_grad=False)
    if bias is not None:
        row = torch.as_tensor(bias, dtype=torch.float32)
        layer.bias = nn.Parameter(row.clone(), requires_grad=False)
    return layer


class Step(nn.Module):
    """Units that fire, as 1.0, where ``weight @ x + bias > 0``, and are 0.0 elsewhere.

    Example:
        >>> Step([[1.0]], [-0.5])(torch.tensor([[0.0], [1.0]])).flatten().tolist()
        [0.0, 1.0]
    """

    def __init__(self, weight: Matrix, bias: Row) -> None:
        super().__init__()
        matrix = torch.as_tensor(weight, dtype=torch.float32)
        self.weight = nn.Parameter(matrix, requires_grad=False)
        self.bias = nn.Parameter(torch.as_tensor(bias, dtype=torch.float32), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Threshold each unit's weighted input."""
        return (F.linear(x, self.weight, self.bias) > 0).float()


def bit_reader(place: int, bits: int) -> Step:
    """Return a unit that repeats one of several 0/1 inputs.

    Example:
        >>> bit_reader(1, 2)(torch.tensor([[0.0, 1.0], [1.0, 0.0]])).flatten().tolist()
        [1.0, 0.0]
    """
    return Step([[float(column == place) for column in range(bits)]], [-0.5])


def all_bits(count: int) -> Tensor:
    """Return every row of ``count`` bits, once, as ``[2 ** count, count]``.

    Example:
        >>> all_bits(2).tolist()
        [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    rows = torch.arange(2**count)[:, None]
    places = torch.arange(count - 1, -1, -1)
    return ((rows >> places) & 1).float()


def entropy(*shares: float) -> float:
    """Entropy in bits of a distribution.

    Example:
        >>> round(entropy(0.9, 0.1), 4)
        0.469
    """
    return sum(-share * log2(share) for share in shares if share > 0)
