"""A unit that fires on some of ten inputs: the entropy of a coin is what it sends."""

from __future__ import annotations

import torch

from causalmod.errors import InputError
from causalmod.zoo.blocks import Step, entropy, fixed_linear
from causalmod.zoo.case import Case, register
from causalmod.zoo.facts import exchanges, sends_alike

ROWS = 10


@register("threshold_9", fires_on=9)
@register("threshold")
def threshold(fires_on: int = 5) -> Case:
    """One threshold unit over the inputs 0 to 9, and one receiver that copies it.

    The unit fires on ``fires_on`` of ten equally likely inputs, so it is a coin with
    ``p = fires_on / 10``; the receiver takes in ``H(p) = -p log2 p - (1 - p) log2(1 - p)`` bits,
    watched or intervened on.

    Args:
        fires_on: number of inputs on which the unit fires, 1 to 9.

    Raises:
        InputError: ``fires_on`` is not from 1 to 9 (the unit would be constant).

    Source: Shannon (1948), the entropy of a binary source.

    Example:
        >>> case = threshold(fires_on=9)
        >>> round(case.facts[0].expected, 4)
        0.469
    """
    if not 1 <= fires_on < ROWS:
        raise InputError(f"fires_on must be from 1 to {ROWS - 1}; given {fires_on}")
    model = torch.nn.Sequential()
    model.add_module("unit", Step([[1.0]], [fires_on - ROWS + 0.5]))
    model.add_module("receiver", fixed_linear([[1.0]]))
    bits = entropy(fires_on / ROWS, 1 - fires_on / ROWS)
    modules = {"sender": ["unit[0]"], "receiver": ["output[0]"]}
    why = f"entropy of a coin that falls {fires_on} times in {ROWS}"
    return Case(
        name="threshold" if fires_on == ROWS // 2 else f"threshold_{fires_on}",
        model=model.eval(),
        inputs=torch.arange(float(ROWS))[:, None],
        modules=modules,
        facts=(*sends_alike("unit[0]", "output[0]", bits, why), exchanges(modules, bits, why)),
        doc=f"A threshold unit that fires on {fires_on} of {ROWS} inputs, and a copy of it.",
    )
