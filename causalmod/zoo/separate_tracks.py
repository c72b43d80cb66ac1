"""Ducks and shadows: two tracks that agree because their inputs do."""

from __future__ import annotations

import torch
from torch import nn

from causalmod.errors import InputError
from causalmod.zoo.blocks import Step, entropy, fixed_linear
from causalmod.zoo.case import Case, register
from causalmod.zoo.facts import exchanges, finds, scores, sends

ROWS = 40


@register("ducks_and_shadows_independent", rho=0.0)
@register("ducks_and_shadows")
def ducks_and_shadows(rho: float = 0.9) -> Case:
    """Is there a duck, is there a shadow: two tracks without a connection, on correlated inputs.

    Each track reads its own input bit and reports it. The bits are fair, with correlation ``rho``:
    they agree with probability ``(1 + rho) / 2``. Watched, the tracks share
    ``1 - H((1 + rho) / 2)`` bits; nothing that is done to one moves the other.

    Args:
        rho: correlation of the two input bits, a multiple of 0.1 from -0.9 to 0.9 (40 rows show it
            exactly).

    Raises:
        InputError: another ``rho``.

    Source: mutual information of a binary symmetric channel, Cover and Thomas, *Elements of
    Information Theory* (2006), section 7.1.4.

    Example:
        >>> round(ducks_and_shadows(rho=0.5).facts[0].expected, 4)
        0.1887
    """
    agreeing = ROWS * (1 + rho) / 4
    each = round(agreeing)
    if not -1 < rho < 1 or abs(agreeing - each) > 1e-9:
        raise InputError(f"rho must be a multiple of 0.1 from -0.9 to 0.9; given {rho}")
    counts = {(0, 0): each, (1, 1): each, (0, 1): ROWS // 2 - each, (1, 0): ROWS // 2 - each}
    rows = [pair for pair, count in counts.items() for _ in range(count)]
    model = nn.Sequential()
    model.add_module("hidden", Step([[1.0, 0.0], [0.0, 1.0]], [-0.5, -0.5]))
    model.add_module("report", fixed_linear([[1.0, 0.0], [0.0, 1.0]]))
    modules = {"duck": ["hidden[0]", "output[0]"], "shadow": ["hidden[1]", "output[1]"]}
    agree = (1 + rho) / 2
    shared = 1 - entropy(agree, 1 - agree)
    apart = "no connection leads from one track to the other"
    return Case(
        name="ducks_and_shadows" if rho else "ducks_and_shadows_independent",
        model=model.eval(),
        inputs=torch.tensor(rows, dtype=torch.float32),
        modules=modules,
        facts=(
            sends("observational", "hidden[0]", "output[1]", shared, "binary symmetric channel"),
            sends("interventional", "hidden[0]", "output[1]", 0.0, apart),
            sends("conditional", "hidden[0]", "output[1]", 0.0, apart),
            exchanges(modules, 0.0, apart),
            scores(1.0, apart),
            finds(modules, "every other split cuts a connection"),
        ),
        doc=f"Two tracks without a connection; their input bits have correlation {rho}.",
    )
