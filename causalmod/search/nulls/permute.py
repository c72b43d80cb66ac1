"""The permutation of one matrix: senders trade their weights, in units of what they vary by."""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.search.nulls.protocol import Use


def permuted(weights: Tensor, use: Use, generator: torch.Generator) -> Tensor:
    """Permute each receiving unit's weights among its live senders.

    ``w'[i, j] = w[i, pi_i(j)] * sd[pi_i(j)] / sd[j]``, where ``sd`` of a unit of several entries is
    the root of their mean variance, and all entries move together. The draws are taken in the order
    of the live units, so units that are not live do not move them.

    Args:
        weights: as the network holds them.
        use: who sends and who receives.
        generator: source of the permutations.
    """
    matrix = use.unfold(weights.double().cpu())
    result = matrix.clone()
    groups, receivers, senders, _ = matrix.shape
    variance, known = use.moments.variance, use.moments.known
    for group in range(groups):
        into = slice(group * senders, (group + 1) * senders)
        rows = slice(group * receivers, (group + 1) * receivers)
        order = _units(use.receivers.unit[rows], use.receivers.live[rows])
        live = use.senders.live[into] & known[into]
        for columns in _by_size(use.senders.unit[into], live):
            result[group] = _traded(result[group], order, columns, variance[into], generator)
    return use.fold(result).to(weights).contiguous()


def _traded(
    matrix: Tensor, units: Tensor, columns: Tensor, variance: Tensor, generator: torch.Generator
) -> Tensor:
    """Permute within ``[receiver, sender, inner]``.

    Args:
        matrix: the weights.
        units: ``[receiver]`` rank of the receiving unit among the live ones; -1 for the others.
        columns: ``[unit, entry]`` places of the live senders.
        variance: ``[sender]``.
        generator: source of the permutations.
    """
    count = int(units.max()) + 1 if len(units) else 0
    if len(columns) < 2 or count == 0:
        return matrix
    order = torch.rand(count, len(columns), generator=generator).argsort(1)
    rows = (units >= 0).nonzero().flatten()
    scale = variance[columns].mean(1).sqrt()[:, None, None]
    blocks = matrix[rows][:, columns] * scale  # [receiver, unit, entry, inner]
    picks = order[units[rows]][:, :, None, None].expand(-1, -1, *blocks.shape[2:])
    changed = matrix.clone()
    changed[rows[:, None, None], columns[None]] = blocks.gather(1, picks) / scale
    return changed


def _units(unit: Tensor, live: Tensor) -> Tensor:
    """Rank of each entry's unit among the live ones, by first entry; -1 where it is not live."""
    ranks = torch.full_like(unit, -1)
    _, numbers = unit.unique(return_inverse=True)
    alive = torch.zeros(int(numbers.max()) + 1, dtype=torch.bool)
    alive[numbers[live]] = True
    chosen = alive[numbers]
    first = torch.full((len(alive),), len(unit)).scatter_reduce(
        0, numbers, torch.arange(len(unit)), "amin"
    )
    rank = torch.empty_like(first)
    order = first.masked_fill(~alive, len(unit) + 1).argsort(stable=True)
    rank[order] = torch.arange(len(order))
    ranks[chosen] = rank[numbers[chosen]]
    return ranks


def _by_size(unit: Tensor, live: Tensor) -> list[Tensor]:
    """Places of the live units ``[unit, entry]``, those of one size together, large sets first."""
    ranks = _units(unit, live)
    places = (ranks >= 0).nonzero().flatten()
    if len(places) == 0:
        return []
    sizes = torch.bincount(ranks[places])
    order = places[ranks[places].argsort(stable=True)]
    starts = sizes.cumsum(0) - sizes
    found: list[Tensor] = []
    for size in sizes.unique().tolist():
        chosen = (sizes == size).nonzero().flatten()
        found.append(order[starts[chosen][:, None] + torch.arange(size)[None]])
    return sorted(found, key=len, reverse=True)
