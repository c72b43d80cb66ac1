"""Two subnetworks that share nothing, their neurons shuffled among each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product

import torch
from torch import Tensor, nn

from causalmod.errors import InputError
from causalmod.zoo.blocks import fixed_linear
from causalmod.zoo.case import Case, Fact, register
from causalmod.zoo.facts import exchanges, finds, scores, sends

BLOCKS = 2
_SIGNS = (-1.0, 1.0)
_REPEATS = 4  # further copies of the rows on which both blocks see the same


@register("isolated")
def isolated(seed: int = 0, widths: Sequence[int] = (2, 2, 1)) -> Case:
    """Two isolated subnetworks with their own inputs and readouts, neurons shuffled in each layer.

    Each block is a small tanh network that reads two signs of its own; within a block every unit is
    connected to every unit of the next layer, with weights of 0.5 to 1.5 in size, so no part of a
    block can be split off for free. The planted split is the only one with no exchange: any other
    parts two connected units of one block, and cutting a connection between them lets at least one
    bit of donor through. (``tests/zoo/test_isolated.py`` goes through all splits of the default
    network.) The blocks see equal signs more often than chance would have it, so they share
    information although they never talk.

    Args:
        seed: seed of the weights and of the shuffle.
        widths: units of one block in each layer; the last are readouts. At least two layers.

    Raises:
        InputError: fewer than two layers, or an empty one.

    Example:
        >>> case = isolated()
        >>> len(case.modules["left"]), len(case.modules["right"])
        (5, 5)
        >>> case.compile().units.names[:4]
        ('hidden1[0]', 'hidden1[1]', 'hidden1[2]', 'hidden1[3]')
    """
    if len(widths) < 2 or min(widths) < 1:
        raise InputError(f"widths must be at least two positive numbers; given {tuple(widths)}")
    generator = torch.Generator().manual_seed(seed)
    model, modules = _network(widths, generator)
    left, right = modules["left"], modules["right"]
    apart = "no connection leads from one block to the other"
    facts: tuple[Fact, ...] = (
        exchanges(modules, 0.0, apart),
        sends("interventional", left[0], right[-1], 0.0, apart),
        sends("conditional", left[0], right[-1], 0.0, apart),
        scores(1.0, apart),
        finds(modules, "every other split cuts a connection"),
    )
    return Case(
        name="isolated",
        model=model.eval(),
        inputs=_rows(),
        modules=modules,
        facts=facts,
        doc=f"Two isolated blocks of {sum(widths)} units each, shuffled with seed {seed}.",
    )


def _rows() -> Tensor:
    """Both blocks' signs in all combinations, the equal ones ``1 + _REPEATS`` times."""
    signs = list(product(_SIGNS, repeat=2))
    rows = [(*left, *right) for left in signs for right in signs]
    rows += [(*both, *both) for both in signs] * _REPEATS
    return torch.tensor(rows)


def _network(
    widths: Sequence[int], generator: torch.Generator
) -> tuple[nn.Sequential, dict[str, list[str]]]:
    """Block-diagonal weights with rows and columns shuffled, and where each block's units went."""
    model = nn.Sequential()
    modules: dict[str, list[str]] = {"left": [], "right": []}
    order = torch.arange(2 * BLOCKS)  # the inputs stay as they are: left's signs, then right's
    for layer, (before, after) in enumerate(pairwise((2, *widths)), start=1):
        blocks = [_block(after, before, generator) for _ in range(BLOCKS)]
        weight = torch.block_diag(*(block for block, _ in blocks))
        bias = torch.cat([bias for _, bias in blocks])
        shuffled = torch.randperm(BLOCKS * after, generator=generator)
        linear = fixed_linear(weight[shuffled][:, order], bias[shuffled])
        last = layer == len(widths)
        site = "output" if last else f"hidden{layer}"
        model.add_module("readout" if last else f"linear{layer}", linear)
        if not last:
            model.add_module(site, nn.Tanh())
        for place, unit in enumerate(shuffled.tolist()):
            modules["left" if unit < after else "right"].append(f"{site}[{place}]")
        order = shuffled
    return model, modules


def _block(after: int, before: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    size = 0.5 + torch.rand(after, before, generator=generator)
    sign = torch.randint(2, (after, before), generator=generator) * 2 - 1
    return size * sign, 0.5 * torch.rand(after, generator=generator)
