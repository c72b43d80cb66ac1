"""A transformer whose heads work on separate parts of the model dimension."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from causalmod.errors import InputError
from causalmod.zoo.blocks import fixed_linear
from causalmod.zoo.case import Case, register
from causalmod.zoo.planted_blocks import letters, silent
from causalmod.zoo.planted_layers import ACTIVATIONS

_GAIN = 1.5


class Block(nn.Module):
    """Attention and a feed-forward part, each added to the residual stream; no normalisation.

    A normalisation would mix all features, and with them the heads.
    """

    def __init__(self, maps: dict[str, nn.Linear], heads: int, activation: str) -> None:
        super().__init__()
        self.heads = heads
        for name, layer in maps.items():
            self.add_module(name, layer)
        self.hidden = ACTIVATIONS[activation]()

    def forward(self, stream: Tensor) -> Tensor:
        """Return the stream ``[rows, position, feature]`` after the block."""
        query, key, value = (
            self.get_submodule(name)(stream).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        given = nn.functional.scaled_dot_product_attention(query, key, value)
        stream = stream + self.get_submodule("project")(given.transpose(1, 2).flatten(2))
        return stream + self.get_submodule("down")(self.hidden(self.get_submodule("up")(stream)))


class Transformer(nn.Module):
    """Blocks on a stream of features; the readouts see its mean over positions."""

    def __init__(self, blocks: list[Block], readout: nn.Linear) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.readout = readout

    def forward(self, stream: Tensor) -> Tensor:
        """Return readouts ``[rows, readout]``."""
        for block in self.blocks:
            stream = block(stream)
        return self.readout(stream.mean(1))


@register("planted_heads")
def planted_heads(
    heads: int = 2,
    width: int = 4,
    *,
    depth: int = 2,
    units: int = 6,
    positions: int = 5,
    activation: str = "gelu",
    leak: float = 0.0,
    rows: int = 200,
    seed: int = 0,
) -> Case:
    """A transformer each of whose heads reads and writes its own features, features shuffled.

    Variables are the queries, keys, values and results of each head, the features of the residual
    stream (over all positions), the hidden units of the feed-forward parts, and the readouts. A
    block is one head of each layer with its features and hidden units.

    Args:
        heads: number of heads, one for each block.
        width: features of the stream of each block, and width of a head.
        depth: number of layers.
        units: hidden units of each block in each feed-forward part.
        positions: length of the sequences.
        activation: ``"tanh"``, ``"gelu"`` or ``"relu"``.
        leak: as for :func:`planted`.
        rows: number of sequences.
        seed: seed of everything random.

    Raises:
        InputError: a number out of range.

    Example:
        >>> case = planted_heads(depth=1)
        >>> sorted({member.split("[")[0] for member in case.modules["A"]})
        ['blocks.0.heads', 'blocks.0.hidden', 'blocks.0.k', 'blocks.0.q', 'blocks.0.v', 'output']
    """
    if heads < 2 or min(width, depth, units) < 1 or positions < 2:
        raise InputError(
            "two heads or more, two positions or more, and width, depth and units of at least 1; "
            f"given heads={heads}, positions={positions}, width={width}, depth={depth}, "
            f"units={units}"
        )
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.arange(heads)

    def owners(count: int) -> Tensor:
        each = numbers.repeat_interleave(count)
        return each[torch.randperm(len(each), generator=generator)]

    def linear(below: Tensor, above: Tensor, gain: float = _GAIN) -> nn.Linear:
        own = torch.bincount(below)[above].sqrt()[:, None]
        apart = torch.where(above[:, None] == below[None], 1.0, leak)
        draws = torch.randn(len(above), len(below), generator=generator)
        bias = 0.1 * torch.randn(len(above), generator=generator)
        return fixed_linear(gain * draws / own * apart, bias)

    stream, inside = owners(width), numbers.repeat_interleave(width)
    names = letters(heads)
    modules: dict[str, list[str]] = {name: [] for name in names}

    def belong(site: str, owner: Tensor) -> None:
        for unit, each in enumerate(owner.tolist()):
            modules[names[each]].append(f"{site}[{unit}]")

    blocks: list[Block] = []
    for layer in range(depth):
        hidden = owners(units)
        maps = {name: linear(stream, inside) for name in ("query", "key", "value")}
        maps |= {"project": linear(inside, stream), "up": linear(stream, hidden)}
        blocks.append(Block({**maps, "down": linear(hidden, stream)}, heads, activation))
        for part in ("q", "k", "v", "heads"):
            belong(f"blocks.{layer}.{part}", numbers)
        belong(f"blocks.{layer}.hidden", hidden)
        if layer < depth - 1:
            belong(f"blocks.{layer}", stream)
    readouts = owners(2)
    belong("output", readouts)
    sites = dict.fromkeys(member.split("[")[0] for member in modules[names[0]])
    model = Transformer(blocks, linear(stream, readouts)).eval()
    inputs = torch.randn(rows, positions, heads * width, generator=generator)
    return Case(
        name="planted_heads",
        model=model,
        inputs=inputs,
        modules=modules,
        facts=silent(modules, leak),
        sites=tuple(sites),
        doc=f"{heads} heads of width {width} in each of {depth} layers, each with its own features "
        f"and {units} {activation} units, leak {leak:g}, seed {seed}.",
    )
