"""Blocks hidden behind large weights that cancel."""

from __future__ import annotations

from dataclasses import replace

import torch

from causalmod.errors import InputError
from causalmod.zoo.case import Case, register
from causalmod.zoo.planted_blocks import letters, silent
from causalmod.zoo.planted_layers import Layers, draw_layers

_GRID = 0.25  # weights and inputs are multiples, so that ReLU networks are computed exactly
_FINE = 1 / 64  # of weights, where some are small because they leak


@register("planted_twins")
def planted_twins(
    blocks: int = 2,
    units: int = 8,
    *,
    pairs: int = 2,
    cross: float = 4.0,
    activation: str = "relu",
    leak: float = 0.0,
    rows: int = 400,
    seed: int = 0,
) -> Case:
    """Blocks whose units read twins of other blocks with large weights that cancel.

    In the first hidden layer of each block, ``pairs`` units have a twin that reads the same. Every
    unit of the second layer in other blocks reads one of the two with weight ``cross`` and the
    other with ``-cross``: together nothing, on every input and every donor. So the blocks exchange
    nothing, though the largest weights run between them, and though resampling one twin alone
    moves units of every block: any graph of weights or of unit-to-unit effects is wrong.

    Weights, biases and inputs are multiples of 1/4 with ReLU (weights of 1/64 with a leak), so that
    the sums cancel exactly, whatever the order in which they are taken. With tanh or GELU they do
    so to rounding.

    Args:
        blocks: number of blocks.
        units: hidden units of each block in each of two layers, before twins are added.
        pairs: units of each block that get a twin.
        cross: the weights that cancel; those within a block are about 1 in size.
        activation: ``"tanh"``, ``"gelu"`` or ``"relu"``.
        leak: as for :func:`planted`.
        rows: number of rows of data.
        seed: seed of everything random.

    Raises:
        InputError: fewer than two blocks, or more pairs than units.

    Example:
        >>> case = planted_twins()
        >>> {name: len(members) for name, members in case.modules.items()}
        {'A': 19, 'B': 20}
        >>> [row.got for row in case.check()]
        [0.0]
    """
    if blocks < 2 or not 1 <= pairs <= units:
        raise InputError(
            f"twins need two blocks or more and from 1 to {units} pairs in each; given "
            f"blocks={blocks}, pairs={pairs}"
        )
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.arange(blocks)
    owners = [numbers.repeat_interleave(count) for count in (4, units, units, 2)]
    leaks = torch.full((blocks, blocks), float(leak)).fill_diagonal_(1.0)
    made = draw_layers(owners, leaks, activation, generator)
    made = _with_twins(made, blocks, units, pairs, cross)
    inputs = torch.randn(rows, 4 * blocks, generator=generator)
    if activation == "relu":
        inputs = (inputs / _GRID).round() * _GRID
        grid = _FINE if leak else _GRID
        on_grid = [_snapped(each, grid) for each in made.weights]
        biases = tuple(_snapped(each, grid) for each in made.biases)
        made = replace(made, weights=tuple(on_grid), biases=biases)
    made = made.shuffled(generator)
    modules = made.modules(letters(blocks), inputs)
    return Case(
        name="planted_twins",
        model=made.network(),
        inputs=inputs,
        modules=modules,
        facts=silent(modules, leak) if activation == "relu" else (),
        doc=f"{blocks} blocks of {units} {activation} units in each of two layers; {pairs} in each "
        f"block have a twin, and what both send to other blocks cancels, seed {seed}.",
    )


def _with_twins(made: Layers, blocks: int, units: int, pairs: int, cross: float) -> Layers:
    """Append twins to the first hidden layer, and add the weights that cancel."""
    first, second, *above = made.weights
    owner = made.owners[1]
    twinned = torch.cat([torch.arange(pairs) + block * units for block in range(blocks)])
    second = second.clone()
    second[:, twinned] /= 2  # each twin sends half of what is not cancelled
    sent = second[:, twinned]
    foreign = made.owners[2][:, None] != owner[twinned][None]
    extra = torch.where(foreign, cross, 0.0)
    second[:, twinned] += extra
    weights = (torch.cat([first, first[twinned]]), torch.cat([second, sent - extra], 1), *above)
    biases = (torch.cat([made.biases[0], made.biases[0][twinned]]), *made.biases[1:])
    owners = (made.owners[0], torch.cat([owner, owner[twinned]]), *made.owners[2:])
    return replace(made, weights=weights, biases=biases, owners=owners)


def _snapped(values: torch.Tensor, grid: float) -> torch.Tensor:
    """Round to the grid, away from 0 where there is something."""
    steps = (values.abs() / grid).round().clamp_min(1) * values.sign()
    return torch.where(values == 0, 0.0, steps * grid)
