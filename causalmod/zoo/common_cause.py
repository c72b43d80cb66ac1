"""Two copies of one cause: they share everything and send nothing."""

from __future__ import annotations

from math import log2

import torch
from torch import Tensor, nn

from causalmod.zoo.blocks import fixed_linear
from causalmod.zoo.case import Case, register
from causalmod.zoo.facts import exchanges, sends, sends_alike

VALUES = 8


class _Fork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left = fixed_linear([[1.0]])
        self.right = fixed_linear([[1.0]])

    def forward(self, cause: Tensor) -> dict[str, Tensor]:
        return {"b": self.left(cause), "c": self.right(cause)}


@register("fork")
def fork() -> Case:
    """``B <- A -> C``: both copy A, one of eight equally likely values.

    Whoever watches sees ``I(B;C) = H(A) = 3`` bits; whoever sets B sees that C does not move, so
    every figure under intervention is 0. A itself sends 3 bits to each.

    Source: Pearl, *Causality* (2009), section 1.2.3, on forks.

    Example:
        >>> [fact.expected for fact in fork().facts[:3]]
        [3.0, 0.0, 0.0]
    """
    bits = log2(VALUES)
    modules = {"b": ["output.b[0]"], "c": ["output.c[0]"]}
    cut = "setting one copy leaves the other as it is"
    return Case(
        name="fork",
        model=_Fork().eval(),
        inputs=torch.arange(float(VALUES))[:, None],
        modules=modules,
        facts=(
            sends(
                "observational", "output.b[0]", "output.c[0]", bits, "both equal A: H(A) = log2 8"
            ),
            sends("interventional", "output.b[0]", "output.c[0]", 0.0, cut),
            sends("conditional", "output.b[0]", "output.c[0]", 0.0, cut),
            *sends_alike("input[0]", "output.b[0]", bits, "B copies A: H(A) = log2 8"),
            exchanges(modules, 0.0, cut),
        ),
        doc="Two copies of one input: all that they share is their cause.",
    )
