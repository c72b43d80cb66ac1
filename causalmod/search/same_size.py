"""Partitions with the same sizes per layer: what a partition is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import comb, prod

import torch
from torch import Tensor

#: Modules' unit counts per layer, in an order that does not depend on module names.
SizeClass = tuple[tuple[int, ...], ...]


def size_class(labels: Tensor, layer: Tensor, k: int) -> SizeClass:
    """Return the size class of a partition ``[unit]`` into ``k`` modules."""
    layers = int(layer.max()) + 1
    counts = torch.bincount(labels * layers + layer, minlength=k * layers).reshape(k, layers)
    return tuple(sorted(tuple(row) for row in counts.tolist()))


def labelled(members: SizeClass, layer: Tensor) -> Tensor:
    """Return one partition ``[unit]`` of a class, the same for all of its members."""
    labels = torch.zeros(len(layer), dtype=torch.long)
    for number in layer.unique().tolist():
        counts = torch.tensor([module[number] for module in members])
        places = (layer == number).nonzero().flatten()
        labels[places] = torch.arange(len(members)).repeat_interleave(counts)
    return labels


def class_size(members: SizeClass) -> int:
    """Count the labelled partitions of a class."""
    total = 1
    for number in range(len(members[0])):
        left = sum(module[number] for module in members)
        for module in members:
            total *= comb(left, module[number])
            left -= module[number]
    return total


def whole_class(members: SizeClass, layer: Tensor) -> Tensor:
    """Return every labelled partition of a class: ``[partition, unit]``."""
    layers = layer.unique().tolist()
    ways = [list(_arrangements([module[n] for module in members])) for n in layers]
    found = torch.zeros(prod(map(len, ways)), len(layer), dtype=torch.long)
    for row, chosen in enumerate(product(*ways)):
        for number, labels in zip(layers, chosen, strict=True):
            found[row, layer == number] = torch.tensor(labels)
    return found


def _arrangements(counts: list[int]) -> Iterator[list[int]]:
    if not any(counts):
        yield []
        return
    for label, count in enumerate(counts):
        if count:
            left = [c - (place == label) for place, c in enumerate(counts)]
            for rest in _arrangements(left):
                yield [label, *rest]


def shuffle_in_layers(
    labels: Tensor, layer: Tensor, draws: int, generator: torch.Generator
) -> Tensor:
    """Shuffle module labels among the units of each layer: ``[draw, unit]``."""
    shuffled = labels.repeat(draws, 1)
    for number in layer.unique():
        places = (layer == number).nonzero().flatten()
        order = torch.rand(draws, len(places), generator=generator).argsort(1)
        shuffled[:, places] = labels[places][order]
    return shuffled
