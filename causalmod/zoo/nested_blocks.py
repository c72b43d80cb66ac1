"""Blocks inside of blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import torch

from causalmod.errors import InputError
from causalmod.zoo.case import Case, register
from causalmod.zoo.planted_blocks import letters, silent
from causalmod.zoo.planted_layers import draw_layers

_INPUTS = 4


@register("planted_nested")
def planted_nested(
    shape: Sequence[int] = (2, 2),
    units: int = 5,
    *,
    leaks: Sequence[float] | None = None,
    layers: int = 2,
    readouts: int = 2,
    activation: str = "tanh",
    rows: int = 400,
    seed: int = 0,
) -> Case:
    """A perceptron whose blocks fall into smaller blocks, its neurons shuffled.

    ``shape=(3, 2)`` has three blocks of two blocks each. Leaves that part at the outermost level
    leak by ``leaks[0]`` (see :func:`planted`), those that part one level further in by
    ``leaks[1]``, and so on; the closer, the more. The modules of the case are the leaves, named by
    their way down: ``"A.b"``, say, which ``scm.with_partition`` reads as nested names.

    Args:
        shape: number of blocks at each level, the outermost first.
        units: hidden units of each leaf in each layer.
        leaks: leak at each level, increasing; by default 0 outermost, 0.2 innermost, and a quarter
            of the next for levels between.
        layers: number of hidden layers.
        readouts: outputs of each leaf.
        activation: ``"tanh"``, ``"gelu"`` or ``"relu"``.
        rows: number of rows of data.
        seed: seed of everything random.

    Raises:
        InputError: numbers that do not fit together.

    Example:
        >>> case = planted_nested((2, 2))
        >>> list(case.modules)
        ['A.a', 'A.b', 'B.a', 'B.b']
        >>> {name: len(members) for name, members in level(case.modules, 1).items()}
        {'A': 24, 'B': 24}
    """
    depth = len(shape)
    if depth < 2 or min(shape) < 2:
        raise InputError(f"shape needs two levels or more, of at least 2; given {tuple(shape)}")
    chosen = (
        [0.0, *(0.2 / 4 ** (depth - 2 - place) for place in range(depth - 1))]
        if leaks is None
        else [float(each) for each in leaks]
    )
    if len(chosen) != depth or min(chosen) < 0 or sorted(chosen) != chosen:
        raise InputError(
            f"leaks must be {depth} numbers, one for each level, none negative or less than the "
            f"one before; given {chosen}"
        )
    if units < 1 or layers < 1 or readouts < 1:
        raise InputError(
            f"units, layers and readouts must be at least 1; given {units}, {layers}, {readouts}"
        )
    generator = torch.Generator().manual_seed(seed)
    ways = list(product(*(range(count) for count in shape)))
    between = torch.ones(len(ways), len(ways))
    for (i, first), (j, second) in product(enumerate(ways), repeat=2):
        if first != second:
            parting = next(k for k in range(depth) if first[k] != second[k])
            between[i, j] = chosen[parting]
    numbers = torch.arange(len(ways))
    owners = [numbers.repeat_interleave(count) for count in (_INPUTS, *[units] * layers, readouts)]
    made = draw_layers(owners, between, activation, generator).shuffled(generator)
    inputs = torch.randn(rows, len(owners[0]), generator=generator)
    modules = made.modules([_name(way) for way in ways], inputs)
    outer = level(modules, 1)
    return Case(
        name="planted_nested",
        model=made.network(),
        inputs=inputs,
        modules=modules,
        facts=silent(outer, chosen[0]),
        doc=f"Blocks within blocks, {' of '.join(map(str, shape))}, leaks "
        f"{', '.join(f'{each:g}' for each in chosen)}, seed {seed}.",
    )


def level(modules: Mapping[str, Sequence[str]], depth: int) -> dict[str, list[str]]:
    """Merge modules with dotted names that agree down to a level.

    Args:
        modules: name → members.
        depth: 1 for the outermost blocks.

    Example:
        >>> level({"A.a": ["x[0]"], "A.b": ["x[1]"], "B.a": ["x[2]"]}, 1)
        {'A': ['x[0]', 'x[1]'], 'B': ['x[2]']}
    """
    merged: dict[str, list[str]] = {}
    for name, members in modules.items():
        merged.setdefault(".".join(name.split(".")[:depth]), []).extend(members)
    return merged


def _name(way: Sequence[int]) -> str:
    first, *rest = way
    inner = [letters(each + 1)[each].lower() for each in rest]
    return ".".join([letters(first + 1)[first], *inner])
