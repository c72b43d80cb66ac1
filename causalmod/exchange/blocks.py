"""Blocks of rows: how far a figure would move with other data of the same kind.

Contexts that share donor rows, and a noise scale found from all rows, err together, which their
spread does not show. So the figure is found again on disjoint blocks of rows, each with contexts,
donors and scales of its own: the spread over blocks shows everything.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.exchange.choice import FEW_ROWS
from causalmod.exchange.hybrid import Sample
from causalmod.information import Bounds, Observed

_BLOCKS = (8, 16)
_ROWS = 32  # in a block, where there are enough for the fewest blocks
_DRAWS = 64


class Block(NamedTuple):
    """Rows of a block, and the contexts and donors drawn from them."""

    rows: Tensor
    sample: Sample


def draw_blocks(rows: Tensor, contexts: int, draws: int, streams: int, seed: int) -> list[Block]:
    """Deal rows to blocks, and draw contexts and donors within each; none where rows are few."""
    if len(rows) < FEW_ROWS:
        return []
    count = min(max(len(rows) // _ROWS, _BLOCKS[0]), _BLOCKS[1])
    generator = torch.Generator().manual_seed(seed + 6)
    order = rows[torch.randperm(len(rows), generator=generator)]
    found: list[Block] = []
    for block in order.chunk(count):
        few = block[: max(2, contexts // count)]
        shape = (streams, len(few), min(draws, _DRAWS))
        picks = torch.randint(len(block), shape, generator=generator)
        found.append(Block(block, Sample(few, block[picks])))
    return found


def at_rows(observed: Observed, rows: Tensor, spread: Tensor | None = None) -> Observed:
    """Some rows, with scales that follow their spread; ``spread`` is that of all rows, if known."""
    spread = spread_of(observed) if spread is None else spread
    now = observed.values[rows].double().std(0, unbiased=False)
    follow = torch.where((spread > 0) & (now > 0), now / spread.clamp_min(1e-300), 1.0)
    return Observed(observed.values[rows], observed.scale * follow)


def spread_of(observed: Observed) -> Tensor:
    """Standard deviation ``[coordinate]`` over all rows."""
    return observed.values.double().std(0, unbiased=False)


def means(parts: list[Bounds]) -> Bounds | None:
    """Means ``[block]`` of figures ``[context]``; None without blocks."""
    each = [Bounds(*(part.mean()[None] for part in bounds if part is not None)) for bounds in parts]
    return Bounds.joined(each) if each else None
