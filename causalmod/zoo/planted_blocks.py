"""Blocks planted into a perceptron, and perceptrons without any."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from causalmod.errors import InputError
from causalmod.zoo.case import Case, Fact, register
from causalmod.zoo.facts import exchanges
from causalmod.zoo.planted_layers import draw_layers

_INPUTS = 4  # of each block
APART = "no connection leads from one block to another"


@register("planted")
def planted(
    blocks: int = 2,
    units: int = 40,
    *,
    sizes: Sequence[int] | None = None,
    layers: int = 2,
    readouts: int = 2,
    activation: str = "tanh",
    leak: float = 0.0,
    shuffled: bool = True,
    dead: int = 0,
    saturated: int = 0,
    duplicated: int = 0,
    unread: int = 0,
    rescaled: bool = False,
    rows: int = 400,
    seed: int = 0,
) -> Case:
    """A perceptron made of blocks that each read their own inputs, its neurons shuffled.

    Within a block every unit reads every unit of the layer below, with normal weights. Between
    blocks the weights are those times ``leak``: at 0 the blocks share nothing, and the planted
    partition is the finest one without exchange; at 1 there are no blocks. Inputs are independent
    normal numbers, four for each block.

    Args:
        blocks: number of blocks.
        units: hidden units of all blocks together, shared out equally.
        sizes: hidden units of each block in each layer, in place of ``units``.
        layers: number of hidden layers.
        readouts: outputs of each block.
        activation: ``"tanh"``, ``"gelu"`` or ``"relu"``.
        leak: size of the weights between blocks over that of the weights within.
        shuffled: shuffle the units of each layer.
        dead: units for each hidden layer that are always 0 and send with huge weights.
        saturated: units for each hidden layer that are always 1 (tanh only).
        duplicated: units of each hidden layer that are split into two of half the weight.
        unread: units for each hidden layer that nothing reads.
        rescaled: multiply what each unit reads, and divide what it sends, by a factor from 0.1 to
            10 (ReLU only).
        rows: number of rows of data.
        seed: seed of everything random.

    Raises:
        InputError: numbers that do not fit together, an unknown activation, or a change that the
            activation does not allow.

    Example:
        >>> case = planted(blocks=3, units=24, leak=0.1)
        >>> {name: len(members) for name, members in case.modules.items()}
        {'A': 10, 'B': 10, 'C': 10}
        >>> all(row.ok for row in planted().check())
        True
    """
    widths = _widths(blocks, units, sizes, layers)
    if readouts < 1 or rows < 2 or leak < 0 or min(dead, saturated, duplicated, unread) < 0:
        raise InputError(
            "readouts must be at least 1, rows at least 2, and leak and the numbers of added units "
            f"not negative; given readouts={readouts}, rows={rows}, leak={leak}, dead={dead}, "
            f"saturated={saturated}, duplicated={duplicated}, unread={unread}"
        )
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.arange(blocks)
    hidden = numbers.repeat_interleave(torch.tensor(widths))
    owners = [numbers.repeat_interleave(_INPUTS), *[hidden] * layers,
              numbers.repeat_interleave(readouts)]  # fmt: skip
    leaks = torch.full((blocks, blocks), float(leak)).fill_diagonal_(1.0)
    made = draw_layers(owners, leaks, activation, generator)
    made = made.with_duplicates(duplicated, generator) if duplicated else made
    made = made.with_dead(dead, generator) if dead else made
    made = made.with_saturated(saturated, generator) if saturated else made
    made = made.with_unread(unread, generator) if unread else made
    made = made.shuffled(generator) if shuffled else made
    made = made.rescaled(generator) if rescaled else made
    inputs = torch.randn(rows, len(owners[0]), generator=generator)
    modules = made.modules(letters(blocks), inputs)
    return Case(
        name="planted",
        model=made.network(),
        inputs=inputs,
        modules=modules if blocks > 1 else None,
        facts=silent(modules, leak),
        doc=f"{blocks} blocks of {', '.join(map(str, widths))} {activation} units in each of "
        f"{layers} hidden layers, leak {leak:g}, seed {seed}.",
    )


@register("random_dense")
def random_dense(
    units: int = 30, *, layers: int = 2, activation: str = "tanh", rows: int = 400, seed: int = 0
) -> Case:
    """A perceptron with normal weights everywhere: nothing in it is a module.

    Args:
        units: hidden units of all layers together.
        layers: number of hidden layers.
        activation: ``"tanh"``, ``"gelu"`` or ``"relu"``.
        rows: number of rows of data.
        seed: seed of everything random.

    Example:
        >>> case = random_dense(units=8)
        >>> len(case.compile().units), case.modules
        (12, None)
    """
    case = planted(
        1, units, layers=layers, readouts=4, activation=activation, rows=rows, seed=seed
    )  # fmt: skip
    doc = f"{units} {activation} units in {layers} hidden layers, all connected, seed {seed}."
    return Case("random_dense", case.model, case.inputs, None, (), doc=doc)


def letters(count: int) -> list[str]:
    """Return names of modules.

    Example:
        >>> letters(3)
        ['A', 'B', 'C']
    """
    return [chr(ord("A") + place) if place < 26 else f"M{place + 1}" for place in range(count)]


def silent(modules: dict[str, list[str]], leak: float) -> tuple[Fact, ...]:
    """Return the fact that blocks exchange exactly nothing, when they do not leak."""
    if leak or len(modules) < 2:
        return ()
    return (exchanges(modules, 0.0, APART, estimator="auto", tolerance=0.0),)


def _widths(blocks: int, units: int, sizes: Sequence[int] | None, layers: int) -> list[int]:
    if blocks < 1 or layers < 1:
        raise InputError(
            f"blocks and layers must be at least 1; given blocks={blocks}, layers={layers}"
        )
    if sizes is not None:
        if len(sizes) != blocks or min(sizes) < 1:
            raise InputError(
                f"sizes must be {blocks} positive numbers, the hidden units of each block in each "
                f"layer; given {tuple(sizes)}"
            )
        return list(sizes)
    if units % (blocks * layers) or units < blocks * layers:
        raise InputError(
            f"units must be a multiple of blocks × layers, here {blocks * layers}, so that all "
            f"blocks get the same; given {units}. Or say sizes="
        )
    return [units // (blocks * layers)] * blocks
