"""Two tracks in a basis that is not that of the neurons."""

from __future__ import annotations

from math import sqrt

import torch
from torch import nn

from causalmod.exchange import exchange
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel
from causalmod.zoo.blocks import all_bits, fixed_linear
from causalmod.zoo.case import Case, Fact, register

_HALF = sqrt(0.5)
_TURN = torch.tensor([[_HALF, _HALF], [_HALF, -_HALF]])
_TRACKS = Partition({"left": ["hidden[0]", "output[0]"], "right": ["hidden[1]", "output[1]"]})


@register("rotated_basis")
def rotated_basis() -> Case:
    """Two bits that are copied, through a hidden layer that is turned by half a right angle.

    The hidden units are ``u = (a + b) / sqrt 2`` and ``v = (a - b) / sqrt 2``, and the outputs turn
    them back to the fair bits a and b. Each output reads both units, so no split of neurons is free
    of exchange. Track by track, one output takes in v's donor, which is -1, 0 or 1 (times a
    constant) with probability 1/4, 1/2, 1/4: 1.5 bits; the other takes in u's donor, 1.5 bits too.

    In the basis that is turned back, the coordinates are a and b themselves, and the tracks
    exchange nothing: ``scm.with_basis({"hidden": R})``, with R as the hidden weights, transposed.

    Source: enumeration.

    Example:
        >>> [fact.expected for fact in rotated_basis().facts]
        [3.0, 0.0]
    """
    model = nn.Sequential()
    model.add_module("hidden", fixed_linear(_TURN))
    model.add_module("back", fixed_linear(_TURN.T))

    def neurons(scm: StructuralCausalModel) -> float:
        return exchange(scm, _TRACKS, estimator="exact").bits

    def turned(scm: StructuralCausalModel) -> float:
        return exchange(scm.with_basis({"hidden": _TURN.T}), _TRACKS, estimator="exact").bits

    return Case(
        name="rotated_basis",
        model=model.eval(),
        inputs=all_bits(2),
        modules=None,
        facts=(
            Fact("exchange of the tracks, by neurons", 3.0, neurons, "H(1/4, 1/2, 1/4), twice"),
            Fact("exchange of the tracks, turned back", 0.0, turned, "coordinates are the bits"),
        ),
        sites=("hidden", "output"),
        doc="Two bits, copied through a hidden layer that is turned by 45 degrees.",
    )
