"""The planted families: a network for each leak and seed, with the modules that are in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from causalmod import zoo

ROWS = 600
Make = Callable[[float, int], zoo.Case]


def _blocks(blocks: int, units: int, activation: str, **options: Any) -> Make:
    def make(leak: float, seed: int) -> zoo.Case:
        return zoo.planted(
            blocks, units, activation=activation, leak=leak, rows=ROWS, seed=seed, **options
        )

    return make


def _other(constructor: Callable[..., zoo.Case], **options: Any) -> Make:
    def make(leak: float, seed: int) -> zoo.Case:
        return constructor(leak=leak, rows=ROWS, seed=seed, **options)

    return make


def _retina(leak: float, seed: int) -> zoo.Case:
    """The trained network with two heads, wired apart: it has no leak."""
    return zoo.retina("heads", seed=seed)


#: Hidden units of all blocks, by the number of blocks and activation: 20 to 300.
_SIZES = {
    2: {"tanh": (20, 40), "gelu": (24, 132), "relu": (32, 300)},
    3: {"tanh": (30, 60), "gelu": (48, 300), "relu": (60, 132)},
    4: {"tanh": (40, 128), "gelu": (48, 80), "relu": (80, 304)},
    8: {"tanh": (80, 160), "gelu": (96, 304), "relu": (128, 304)},
}

FAMILIES: dict[str, Make] = {
    f"{blocks} blocks, {units} {activation}": _blocks(blocks, units, activation)
    for blocks, kinds in _SIZES.items()
    for activation, sizes in kinds.items()
    for units in sizes
} | {
    "10:1, 66 tanh": _blocks(2, 0, "tanh", sizes=(30, 3)),
    "10:1, 132 gelu": _blocks(2, 0, "gelu", sizes=(60, 6)),
    "10:10:1, 126 relu": _blocks(3, 0, "relu", sizes=(30, 30, 3)),
    "dead, saturated, duplicated, unread": _blocks(
        2, 40, "tanh", dead=2, saturated=2, duplicated=3, unread=2
    ),
    "dead, duplicated, unread, relu": _blocks(3, 60, "relu", dead=3, duplicated=4, unread=3),
    "rescaled, 40 relu": _blocks(2, 40, "relu", rescaled=True),
    "rescaled, 80 relu": _blocks(4, 80, "relu", rescaled=True),
    "twins, 2 blocks, relu": _other(zoo.planted_twins),
    "twins, 4 blocks, relu": _other(zoo.planted_twins, blocks=4),
    "twins, 2 blocks, tanh": _other(zoo.planted_twins, activation="tanh", units=12, pairs=3),
    "two streams": _other(zoo.planted_streams),
    "grouped convolution": _other(zoo.planted_convolution),
    "two heads": _other(zoo.planted_heads),
    "retina, two heads": _retina,
}

#: Families whose weights are trained, so that no leak can be set.
WITHOUT_LEAK = {"retina, two heads"}

NESTED: dict[str, Callable[[int], zoo.Case]] = {
    f"{' of '.join(map(str, shape))}, {units} a leaf": partial(
        lambda shape, units, seed: zoo.planted_nested(shape, units, rows=ROWS, seed=seed),
        shape, units // 2,
    )
    for shape in ((2, 2), (3, 2), (2, 2, 2))
    for units in (8, 12, 16)
}  # fmt: skip
