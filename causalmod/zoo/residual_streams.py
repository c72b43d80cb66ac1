"""A residual perceptron with two streams that never meet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from causalmod.errors import InputError
from causalmod.zoo.blocks import fixed_linear
from causalmod.zoo.case import Case, register
from causalmod.zoo.planted_blocks import letters, silent
from causalmod.zoo.planted_layers import ACTIVATIONS, draw_layers

_INPUTS = 4


class ResidualPerceptron(nn.Module):
    """``stream = embed(x)``, then ``stream += down(act(up(stream)))`` a few times, then a readout.

    The stream is a variable after each step (``embed``, ``stream1``, ``stream2``, ...); the units
    of each step are ``hidden1``, ``hidden2``, ....
    """

    def __init__(self, maps: list[nn.Linear], activation: str) -> None:
        super().__init__()
        self.embed, self.readout = maps[0], maps[-1]
        self.steps = len(maps) // 2 - 1
        for step in range(1, self.steps + 1):
            self.add_module(f"up{step}", maps[2 * step - 1])
            self.add_module(f"hidden{step}", ACTIVATIONS[activation]())
            self.add_module(f"down{step}", maps[2 * step])
            self.add_module(f"stream{step}", nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        """Return readouts ``[rows, readout]``."""
        stream = self.embed(x)
        for step in range(1, self.steps + 1):
            hidden = self.get_submodule(f"hidden{step}")(self.get_submodule(f"up{step}")(stream))
            written = self.get_submodule(f"down{step}")(hidden)
            stream = self.get_submodule(f"stream{step}")(stream + written)
        return self.readout(stream)


@register("planted_streams")
def planted_streams(
    blocks: int = 2,
    width: int = 4,
    units: int = 6,
    *,
    steps: int = 2,
    activation: str = "gelu",
    leak: float = 0.0,
    rows: int = 400,
    seed: int = 0,
) -> Case:
    """A residual perceptron whose stream holds one part for each block, features shuffled.

    Every block reads, and adds to, its own features of the residual stream only; what it reads of
    others is scaled by ``leak``.

    Args:
        blocks: number of blocks.
        width: features of the stream of each block.
        units: hidden units of each block at each step.
        steps: number of steps along the stream.
        activation: ``"tanh"``, ``"gelu"`` or ``"relu"``.
        leak: as for :func:`planted`.
        rows: number of rows of data.
        seed: seed of everything random.

    Raises:
        InputError: a number below 1, or fewer than two blocks.

    Example:
        >>> case = planted_streams()
        >>> sorted({member.split("[")[0] for member in case.modules["A"]})
        ['embed', 'hidden1', 'hidden2', 'output', 'stream1', 'stream2']
        >>> [row.got for row in case.check()]
        [0.0]
    """
    if blocks < 2 or min(width, units, steps) < 1:
        raise InputError(
            "two blocks or more, and width, units and steps of at least 1; given "
            f"blocks={blocks}, width={width}, units={units}, steps={steps}"
        )
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.arange(blocks)

    def owners(count: int) -> Tensor:
        each = numbers.repeat_interleave(count)
        return each[torch.randperm(len(each), generator=generator)]

    inputs_of, stream, readouts = numbers.repeat_interleave(_INPUTS), owners(width), owners(2)
    hidden = [owners(units) for _ in range(steps)]
    leaks = torch.full((blocks, blocks), float(leak)).fill_diagonal_(1.0)
    chain = [inputs_of, stream]
    for each in hidden:
        chain += [each, stream]
    drawn = draw_layers([*chain, readouts], leaks, activation, generator)
    maps = [fixed_linear(w, b) for w, b in zip(drawn.weights, drawn.biases, strict=True)]
    model = ResidualPerceptron(maps, activation).eval()
    sites = {"embed": stream}
    for step, each in enumerate(hidden, 1):
        sites |= {f"hidden{step}": each, f"stream{step}": stream}
    names = letters(blocks)
    modules: dict[str, list[str]] = {name: [] for name in names}
    inputs = torch.randn(rows, blocks * _INPUTS, generator=generator)
    for site, each in {**sites, "output": readouts}.items():
        for unit, owner in enumerate(each.tolist()):
            modules[names[owner]].append(f"{site}[{unit}]")
    return Case(
        name="planted_streams",
        model=model,
        inputs=inputs,
        modules=modules,
        facts=silent(modules, leak),
        sites=(*sites, "output"),
        doc=f"{blocks} residual streams of {width} features, {steps} steps of {units} {activation} "
        f"units each, leak {leak:g}, seed {seed}.",
    )
