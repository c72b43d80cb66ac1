"""One bit to many receivers: it counts once in each module that takes it in."""

from __future__ import annotations

from torch import nn

from causalmod.errors import InputError
from causalmod.zoo.blocks import all_bits, bit_reader, fixed_linear
from causalmod.zoo.case import Case, register
from causalmod.zoo.facts import exchanges

REPEATS = 32


@register("broadcast_4", modules=4)
@register("broadcast")
def broadcast(receivers: int = 100, modules: int = 1) -> Case:
    """One fair bit, copied to many receivers that stand in one or several modules.

    A module's response is joint, so the copies inside it are one bit together:
    ``exchange = modules`` bits, however many receivers there are.

    Args:
        receivers: number of receiving units.
        modules: number of modules that they are dealt to, in equal parts.

    Raises:
        InputError: ``modules`` does not divide ``receivers``.

    Example:
        >>> [fact.expected for fact in broadcast(receivers=12, modules=3).facts]
        [3.0, 3.0]
    """
    if modules < 1 or receivers < modules or receivers % modules:
        raise InputError(
            f"receivers must be a positive multiple of modules; given {receivers} and {modules}"
        )
    model = nn.Sequential()
    model.add_module("sender", bit_reader(0, 1))
    model.add_module("receivers", fixed_linear([[1.0]] * receivers))
    size = receivers // modules
    split = {"sender": ["sender[0]"]} | {
        f"receiver {m}": [f"output[{unit}]" for unit in range(m * size, (m + 1) * size)]
        for m in range(modules)
    }
    why = "each receiving module takes in one fair bit"
    return Case(
        name="broadcast" if modules == 1 else f"broadcast_{modules}",
        model=model.eval(),
        inputs=all_bits(1).repeat(REPEATS, 1),
        modules=split,
        facts=(
            exchanges(split, float(modules), why),
            # 64 donors for each context: their share of ones is 1/2 up to sampling
            exchanges(split, float(modules), why, estimator="pairwise", tolerance=0.02 * modules),
        ),
        doc=f"One fair bit copied to {receivers} receivers in {modules} modules.",
    )
