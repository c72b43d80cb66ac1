"""What axioms are made of: networks compiled once, and splits of their units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import torch

from causalmod.bridges import from_functions
from causalmod.conformance.protocol import Situation
from causalmod.errors import InputError
from causalmod.partition import Partition
from causalmod.scm import compile
from causalmod.zoo import Case, planted
from causalmod.zoo.planted_layers import INERT, Layers, draw_layers

Modules = Mapping[str, Sequence[str]]


@cache
def reference() -> tuple[Situation, tuple[Situation, ...]]:
    """Two separate blocks, planted and at random: what a measure's range is read from."""
    found = of_case("planted", planted(2, 16, readouts=1, rows=200))
    return found, shuffles(found, 7)


def of_case(name: str, case: Case, *, with_inert: bool = False) -> Situation:
    """Compile a case, with its modules as the partition.

    Args:
        name: of the situation.
        case: it has modules.
        with_inert: deal its inert units to the modules, as someone would who cannot tell.
    """
    if case.modules is None:
        raise InputError(f"{case.name} has no modules")
    scm = case.compile()
    modules = {module: list(members) for module, members in case.modules.items()}
    if with_inert:
        names = list(modules)
        for place, unit in enumerate(scm.units.inert):
            modules[names[place % len(names)]].append(unit)
    return Situation(name, scm, Partition(modules))


def of_functions(name: str, variables: Mapping[str, Any], modules: Modules) -> Situation:
    """Compile functions of discrete exogenous variables, which are enumerated."""
    scm = from_functions(variables)
    named = {
        module: [str(variable) for variable in scm.resolve(members)]
        for module, members in modules.items()
    }
    return Situation(name, scm, Partition(named))


def drawn(activation: str, *, leak: float = 0.2, seed: int = 0) -> tuple[Layers, torch.Tensor]:
    """Weights of two blocks of 4 units in each of two layers, and data for it.

    Args:
        activation: ``"tanh"``, ``"gelu"`` or ``"relu"``.
        leak: size of the weights between blocks over that of the weights within.
        seed: of the weights and the data.
    """
    generator = torch.Generator().manual_seed(seed)
    block = torch.arange(2)
    owners = [block.repeat_interleave(count) for count in (3, 4, 4, 1)]
    leaks = torch.full((2, 2), leak).fill_diagonal_(1.0)
    layers = draw_layers(owners, leaks, activation, generator)
    return layers, torch.randn(200, 6, generator=generator)


def of_layers(name: str, layers: Layers, data: torch.Tensor) -> Situation:
    """Compile layers of two blocks, these as the partition; units of no block are dealt to both."""
    network = layers.network()
    modules: dict[str, list[str]] = {"left": [], "right": []}
    names = list(modules)
    for depth, owners in enumerate(layers.owners[1:], start=1):
        last = depth == len(layers.owners) - 1
        numbers: list[int] = owners.tolist()
        for unit, owner in enumerate(numbers):
            home = unit % 2 if owner == INERT else owner
            modules[names[home]].append(f"{'output' if last else f'hidden{depth}'}[{unit}]")
    return Situation(name, compile(network, data), Partition(modules))


def split(name: str, base: Situation, labels: Iterable[int]) -> Situation:
    """Another split of the live units of a situation's network, ``[unit]`` module numbers."""
    modules: dict[str, list[str]] = {}
    for unit, label in zip(base.scm.units.names, labels, strict=True):
        modules.setdefault(f"module {label}", []).append(unit)
    return Situation(name, base.scm, Partition(modules))


def labels_of(situation: Situation) -> torch.Tensor:
    """Module number of each live unit."""
    number = {module: place for place, module in enumerate(situation.partition.modules)}
    owner = situation.partition.labels
    return torch.tensor([number[owner[unit]] for unit in situation.scm.units.names])


def shuffles(base: Situation, count: int, seed: int = 0) -> tuple[Situation, ...]:
    """Random splits with as many units of each layer in each module."""
    generator = torch.Generator().manual_seed(seed)
    labels, layer = labels_of(base), base.scm.units.layer
    found: list[Situation] = []
    seen = {tuple(_canonical(labels.tolist()))}
    for _ in range(20 * count):  # small networks have few different ones
        shuffled = labels.clone()
        for depth in layer.unique():
            places = (layer == depth).nonzero().flatten()
            order = torch.randperm(len(places), generator=generator)
            shuffled[places] = labels[places[order]]
        key = tuple(_canonical(shuffled.tolist()))
        if key not in seen:
            seen.add(key)
            found.append(split(f"{base.name}, shuffled {len(found) + 1}", base, shuffled.tolist()))
        if len(found) == count:
            break
    return tuple(found)


def moves(base: Situation, count: int, seed: int = 0) -> tuple[Situation, ...]:
    """The split with one unit moved to another module, for several units."""
    generator = torch.Generator().manual_seed(seed)
    labels, k = labels_of(base), len(base.partition)
    found: list[Situation] = []
    for unit in torch.randperm(len(labels), generator=generator).tolist():
        moved = labels.clone()
        moved[unit] = (moved[unit] + 1) % k
        if len(moved.unique()) == k:
            name = f"{base.name}, {base.scm.units.names[unit]} moved"
            found.append(split(name, base, moved.tolist()))
        if len(found) == count:
            break
    return tuple(found)


def apart(base: Situation, units: Iterable[str], name: str) -> Situation:
    """Some live units against all others."""
    chosen = set(units)
    return split(name, base, [int(unit in chosen) for unit in base.scm.units.names])


def _canonical(labels: Sequence[int]) -> list[int]:
    order: dict[int, int] = {}
    return [order.setdefault(label, len(order)) for label in labels]
