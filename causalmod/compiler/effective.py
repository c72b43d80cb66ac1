"""Effective weights between sites in bases, where all that lies between them is linear.

A pattern of which entries of matrices are zero says too little of a product of matrices: the
weights of a rotated layer have no zeros, and those of the product with the inverse rotation do.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor, fx

from causalmod.compiler.ops import (
    CASTS,
    IDENTITY,
    MULTILINEAR,
    SHAPE_ONLY,
    SUMS,
    VIEWS,
    is_rename,
    moving,
    op_name,
)
from causalmod.compiler.program import Program
from causalmod.variables import Site

_CARRIES = 1e-6  # of the sum of the sizes of its terms: a smaller entry is rounding
_MOST = 2**24  # numbers in one matrix
_STEP = 4096.0  # a power of two: how far is moved, so that biases do not count
_SUMMED = frozenset({"sum", "mean"})
_SCALED = frozenset({"mul", "div", "neg", "batch_norm"})


def effective_edges(
    program: Program,
    source: Site,
    target: Site,
    ends: tuple[str, str],
    sites: Mapping[str, str],
) -> Tensor | None:
    """Tell which variables of one site are parts of which of another, by their effective weights.

    Args:
        program: the network.
        source: a site, perhaps in a basis.
        target: another one, or a readout.
        ends: node of each.
        sites: name of each site → node; ways lead through none of them.

    Returns:
        Tensor | None: bool ``[source variable, target variable]``; None where something between the
        two is not linear, or the matrix is too large.
    """
    straight = all(s.basis is None or s.basis.is_linear for s in (source, target))
    plain, goal = source.neurons or source, target.neurons or target
    if not straight or prod(plain.shape) * prod(goal.shape) > _MOST:
        return None
    between = _between(program, *ends, set(sites.values()))
    if between is None:
        return None
    weights = _weights(program, plain, goal, ends, set(sites.values()))
    return None if weights is None else _carried(weights, source, target)


def _between(program: Program, start: str, end: str, sites: set[str]) -> set[str] | None:
    """Nodes on the ways from one to another; None if one of them is not linear."""
    below, above = {start}, {end}
    order = program.in_order({*program.descendants(start), start})
    for name in order[1:]:
        reads = {each.name for each in program.nodes[name].all_input_nodes}
        passes = op_name(program.nodes[name]) not in SHAPE_ONLY
        if passes and reads & below and (name == end or name not in sites):
            below.add(name)
    for name in reversed(order):
        users = {each.name for each in program.nodes[name].users}
        if name in below and name not in sites | {end} and users & above:
            above.add(name)
    found = above | {end}
    return found if all(_is_linear(program, program.nodes[n], below) for n in found) else None


def _is_linear(program: Program, node: fx.Node, changing: set[str]) -> bool:
    """Is an operation linear in all of its arguments that change, taken together?"""
    name = op_name(node)
    if name in VIEWS | SUMS | IDENTITY | CASTS | _SUMMED or is_rename(node):
        return True
    if name not in _SCALED and name not in MULTILINEAR:
        return False
    return len(moving(node, program.constants)) == 1


def _weights(
    program: Program, source: Site, target: Site, ends: tuple[str, str], sites: set[str]
) -> Tensor | None:
    """Weights ``[source entry, target entry]`` in double precision, entries in order of a row."""
    start, end = ends
    count = prod(source.shape)
    like = program.nodes[start].meta["val"]
    probes = torch.cat([torch.zeros(1, count), _STEP * torch.eye(count)])
    held = next(iter(program.constants.values()), probes)
    device = held.device if isinstance(held, Tensor) else probes.device
    rows = len(probes)
    shaped = probes.to(device, like.dtype).reshape(rows, *source.shape)
    known = {start: source.join(source.cut(shaped), _sized(program, start, rows))}
    moved = program.descendants(start)
    needed = program.needs(
        [end],
        lambda name: name == start or (name != end and (name in sites or name not in moved)),
    )
    for name in needed:
        if name != start:
            known[name] = _sized(program, name, rows).to(device)
    try:
        made = program.run(known, [end], rows=rows)[end]
    except (RuntimeError, TypeError, ValueError, IndexError):
        return None  # an operation that does not take zeros
    values = target.rows_first(made).reshape(rows, -1).double().cpu()
    return (values[1:] - values[:1]) / _STEP


def _sized(program: Program, name: str, rows: int) -> Tensor:
    """Zeros like a node's value."""
    value = program.nodes[name].meta["val"]
    return torch.zeros([program.size(size, rows) or 0 for size in value.shape], dtype=value.dtype)


def _carried(weights: Tensor, source: Site, target: Site) -> Tensor:
    """Which variables carry, bool ``[source variable, target variable]``: more than rounding."""
    entries, sizes = weights, weights.abs()
    if source.basis is not None:
        plain = source.neurons or source
        write = source.basis.directions.double().cpu()
        entries = _along(entries.T, plain.shape, source.axes[0], write).T
        sizes = _along(sizes.T, plain.shape, source.axes[0], write.abs()).T
    if target.basis is not None:
        plain = target.neurons or target
        read = target.basis.matrix.double().cpu()
        entries = _along(entries, plain.shape, target.axes[0], read)
        sizes = _along(sizes, plain.shape, target.axes[0], read.abs())
    carried = (entries.abs() > _CARRIES * sizes).float()
    by_source = source.cut(carried.T.reshape(-1, *source.shape)).amax(-1).T
    return target.cut(by_source.reshape(-1, *target.shape)).amax(-1) > 0


def _along(rows: Tensor, shape: tuple[int, ...], axis: int, matrix: Tensor) -> Tensor:
    """Multiply one axis of flattened rows ``[row, entry]`` by a matrix ``[new, old]``."""
    apart = rows.reshape(-1, *shape).movedim(axis + 1, -1) @ matrix.T
    return apart.movedim(-1, axis + 1).flatten(1)
