"""Bias: a unit that its bias keeps silent connects nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import nn

from causalmod.conformance.protocol import AXIOMS, Better, Claim, Same, Situation
from causalmod.partition import Partition
from causalmod.scm import compile
from causalmod.zoo.blocks import fixed_linear

_SILENT = -1e6
_BLOCKS, _UNITS, _GATES = 2, 4, 2  # hidden units of a block in a layer, and gates in the first


@cache
def _network(gate: float | None, activation: str) -> Situation:
    """Two blocks, and units in the first layer that read both and are read by both.

    ``gate`` is the bias of these units; None leaves them out of the network's reach by cutting
    what they send.
    """
    generator = torch.Generator().manual_seed(11)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    block = torch.arange(_BLOCKS)
    own = block.repeat_interleave(_UNITS)
    inputs = block.repeat_interleave(3)
    first = torch.where(own[:, None] == inputs[None, :], draw(8, 6), 0.0)
    gates = draw(_GATES, 6)
    second = torch.where(own[:, None] == own[None, :], draw(8, 8), 0.0)
    from_gates = draw(8, _GATES) * (0.0 if gate is None else 1.0)
    last = torch.where(block[:, None] == own[None, :], draw(2, 8), 0.0)
    bias = torch.cat([0.3 * draw(8), torch.full((_GATES,), _SILENT if gate is None else gate)])
    make = nn.ReLU if activation == "relu" else nn.GELU
    model = nn.Sequential()
    model.add_module("linear1", fixed_linear(torch.cat([first, gates]), bias))
    model.add_module("hidden1", make())
    model.add_module("linear2", fixed_linear(torch.cat([second, from_gates], 1), 0.3 * draw(8)))
    model.add_module("hidden2", make())
    model.add_module("readout", fixed_linear(last, torch.zeros(2)))
    data = draw(200, 6)
    scm = compile(model.eval(), data)
    modules = {
        name: [
            *(f"hidden1[{unit}]" for unit in (4 * m, 4 * m + 1, 4 * m + 2, 4 * m + 3, 8 + m)),
            *(f"hidden2[{unit}]" for unit in range(4 * m, 4 * m + 4)),
            f"output[{m}]",
        ]
        for m, name in enumerate(("left", "right"))
    }
    what = "cut" if gate is None else "silent" if gate < -1e3 else "open"
    return Situation(f"{activation} gates {what}", scm, Partition(modules))


class _Bias(NamedTuple):
    name: str = "bias"
    statement: str = (
        "Units that join two blocks, and whose bias keeps them at zero on all the data, join "
        "nothing: the network is as modular as without their connections."
    )
    source: str = "What Is The True Name of Modularity?: measures on weights alone ignore biases"
    tolerance: str = "5 % of the range"

    def claims(self, *, quick: bool = False) -> Sequence[Claim]:
        del quick
        found: list[Claim] = []
        for activation in ("relu", "gelu"):
            silent = _network(_SILENT, activation)
            cut, opened = _network(None, activation), _network(0.0, activation)
            found.append(Same(f"{activation}: silent gates are no gates", (silent, cut)))
            found.append(Better(f"{activation}: silent against open gates", silent, (opened,)))
        return found


AXIOMS.register("bias")(_Bias())
