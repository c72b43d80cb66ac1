"""Binned information of all pairs of units at once, as one product of matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf, log
from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.information.bins import BINS, Bins, BinsLike
from causalmod.information.estimators.binned import below, bin_codes, edges_of, xlogx
from causalmod.information.tables import PairTable, table_figures

_TILE = 2**19  # counts held at a time, unless memory is short: few enough for the cache
_FEW = 32  # bins, of which comparisons with every edge are quick
_BYTES = 40  # of work for each count


class PairCodes(NamedTuple):
    """Bin numbers ``[unit, row]`` of both sides, -1 where discarded, and how they were made."""

    left: Tensor
    right: Tensor
    bins: tuple[Bins, Bins]


def pair_codes(
    left: Tensor,
    right: Tensor,
    bins: BinsLike = BINS,
    reference: tuple[Tensor, Tensor] | None = None,
) -> PairCodes:
    """Bin units ``[row, source]`` and ``[row, target]``, with edges from reference activations.

    Raises:
        EstimatorError: fewer rows than bins.
    """
    cuts = Bins.pair(bins)
    codes = []
    observed = (left, right) if reference is None else reference
    for values, base, cut in zip((left, right), observed, cuts, strict=True):
        if len(base) < cut.count and cut.edges is None:
            raise EstimatorError(
                f"{cut.count} bins need at least {cut.count} rows of data; given {len(base)}: use "
                "fewer bins (bins=...) or more data"
            )
        codes.append(_codes(values, edges_of(base, cut), cut))
    return PairCodes(codes[0], codes[1], cuts)


def binned_pairs(
    left: Tensor,
    right: Tensor,
    bins: BinsLike = BINS,
    *,
    reference: tuple[Tensor, Tensor] | None = None,
    memory: int = 2 * 10**9,
    permutations: int = 0,
    seed: int = 0,
) -> PairTable:
    """Information that each unit of one side shares with each of the other, in bits.

    Tables of all pairs are one product of one-hot bins. The figure is the plug-in less its bias
    ``(r - 1)(c - 1) / (2 n ln 2)``, see :class:`~causalmod.information.estimators.binned.Binned`.

    Args:
        left: ``[row, source]``.
        right: ``[row, target]``.
        bins: number of bins, edges, or :class:`~causalmod.Bins`.
        reference: activations of both sides that edges are found from; the data by default.
        memory: bytes that the work may hold.
        permutations: number of permutations of the rows that null floors and p-values come from; 0
            takes p-values from the chi-square law of Pearson's statistic, and null floors from
            :func:`~causalmod.information.null_law.null_law`.
        seed: seed of the permutations.

    Raises:
        EstimatorError: fewer rows than bins.

    Source: Miller, in Quastler (ed.), Information Theory in Psychology (1955), for the bias;
    Roulston, Physica D 125:285 (1999), for the spread.

    Example:
        >>> bit = torch.tensor([[0.0], [1.0]]).repeat(500, 1)
        >>> round(float(binned_pairs(bit, bit).bits), 3)
        0.999
    """
    codes = pair_codes(left, right, bins, reference)
    shape = (len(codes.left), len(codes.right))
    table = PairTable(*(torch.zeros(shape, dtype=torch.float64) for _ in PairTable._fields))
    for rows, columns, counts in _tiles(codes, memory):
        for whole, part in zip(table, table_figures(counts, codes.bins), strict=True):
            whole[rows, columns] = part.to(whole.device)
    if permutations:
        table = _permuted(codes, table, memory, permutations, seed)
    return PairTable(*(part.clamp_min_(0) for part in table))


def pair_bits(codes: PairCodes, memory: int = 2 * 10**9) -> Tensor:
    """Figures of :func:`binned_pairs` alone, ``[source, target]``; below 0 by chance.

    A value of ``n log2 n`` is looked up for each count, ten at a time.
    """
    found = torch.zeros(len(codes.left), len(codes.right), dtype=torch.float64)
    left, right = codes.left, codes.right
    of_left, of_right = _alone(left, codes.bins[0].count), _alone(right, codes.bins[1].count)
    discards = bool((left < 0).any() or (right < 0).any())
    n = left.shape[1]
    log_table = xlogx(torch.arange(n + 1, dtype=torch.float64, device=left.device))
    correct = codes.bins[1].correction != "none"
    for rows, columns, counts in _tiles(codes, memory):
        if discards:  # then margins and number of rows are those of the pair
            found[rows, columns] = table_figures(counts, codes.bins).bits.to(found.device)
            continue
        sources, _, targets, width = counts.shape
        joint = torch.nn.functional.embedding_bag(
            counts.reshape(-1, width), log_table.float()[:, None], mode="sum"
        )
        joint = joint.view(sources, -1, targets).sum(1, dtype=torch.float64)
        (a, a_bins), (b, b_bins) = of_left[:, rows], of_right[:, columns]
        freedom = (a_bins - 1)[:, None] * (b_bins - 1)
        plug_in = (log_table[n] + joint - a[:, None] - b) / (n * log(2))
        bits = plug_in - freedom / (2 * n * log(2)) if correct else plug_in
        found[rows, columns] = torch.where(freedom > 0, bits, 0.0).to(found.device)
    return found


def _codes(values: Tensor, edges: Tensor, bins: Bins) -> Tensor:
    """Bin ``[unit, row]`` of ``[row, unit]``, by comparisons with few edges ``[unit, edge]``."""
    columns = values.T.contiguous()
    small = torch.int8 if bins.count < 128 else torch.int16
    if bins.edges is not None:
        return bin_codes(columns, edges[0], bins).to(small)
    if bins.count > _FEW:
        return torch.searchsorted(edges.contiguous(), columns.double()).to(small)
    limits = below(edges, columns.dtype)
    found = torch.zeros(columns.shape, dtype=torch.int8, device=columns.device)
    for edge in limits.unbind(1):
        found += (columns > edge[:, None]).view(torch.int8)
    return found


def _alone(codes: Tensor, count: int) -> Tensor:
    """``sum n ln n`` over bins, and occupied bins, of each unit: ``[2, unit]``."""
    offset = torch.arange(len(codes), device=codes.device)[:, None] * (count + 1)
    numbers = codes.int() + 1 + offset.int()  # the first of each are those discarded
    counts = torch.bincount(numbers.flatten(), minlength=len(codes) * (count + 1))
    counts = counts.reshape(len(codes), -1)[:, 1:].double()
    return torch.stack([xlogx(counts).sum(1), (counts > 0).sum(1).double()])


def _tiles(codes: PairCodes, memory: int) -> Iterator[tuple[slice, slice, Tensor]]:
    """Tables ``[source, bin, target, bin]`` of counts, some units of either side at a time.

    A table lasts until the next one is asked for.
    """
    left, right = codes.left, codes.right
    a, b = codes.bins[0].count, codes.bins[1].count
    rows = left.shape[1]
    most = max(a * b, min(_TILE, memory // _BYTES))
    # one-hot bins of both tiles are held too
    wide = max(1, min(len(right), most // (a * b), memory // (4 * rows * b)))
    tall = max(1, min(len(left), most // (a * b * wide), memory // (4 * rows * a)))
    multiply = product_of_counts(left.device)
    for column in range(0, len(right), wide):
        columns = slice(column, min(column + wide, len(right)))
        second, held = _one_hot(right[columns], b), None
        for row in range(0, len(left), tall):
            some = slice(row, min(row + tall, len(left)))
            first = _one_hot(left[some], a)
            if held is None or len(held) != len(first):  # memory anew costs as much as the product
                held = torch.empty(len(first), len(second), dtype=torch.int32, device=left.device)
            counts = multiply(first, second, held)
            yield some, columns, counts.view(some.stop - row, a, columns.stop - column, b)


def _one_hot(codes: Tensor, count: int) -> Tensor:
    """``[unit × bin, row]`` int8."""
    numbers = torch.arange(count, dtype=codes.dtype, device=codes.device)
    return (codes[:, None, :] == numbers[:, None]).flatten(0, 1).view(torch.int8)


def product_of_counts(device: torch.device) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return a product of one-hot matrices ``[a, row]`` and ``[b, row]``, into a third.

    Of integers if possible.
    Half precision would miscount above 2048, and bfloat16 above 256.
    """

    def integers(first: Tensor, second: Tensor, out: Tensor) -> Tensor:
        return torch._int_mm(  # pyright: ignore[reportPrivateImportUsage]
            first, second.T, out=out
        )

    def floats(first: Tensor, second: Tensor, out: Tensor) -> Tensor:
        return out.copy_(first.float() @ second.float().T)

    probe = torch.eye(32, dtype=torch.int8, device=device)
    try:
        works = torch.equal(integers(probe, probe, probe.int()), probe.int())
    except (AttributeError, RuntimeError, NotImplementedError):  # a private function of torch
        works = False
    if works and device.type == "cpu":
        return integers
    return floats


def _permuted(
    codes: PairCodes, table: PairTable, memory: int, permutations: int, seed: int
) -> PairTable:
    """The same figures, with null floors and p-values from permutations of the rows of one side."""
    generator = torch.Generator().manual_seed(seed)
    observed = pair_bits(codes, memory)
    reached = torch.ones_like(observed)
    keep = max(1, permutations // 20 + 1)  # the largest ones: their last is the 95th percentile
    largest = torch.full((keep, *observed.shape), -inf, dtype=torch.float64)
    for _ in range(permutations):
        order = torch.randperm(codes.left.shape[1], generator=generator)
        null = pair_bits(codes._replace(left=codes.left[:, order]), memory)
        reached += null >= observed
        largest = torch.cat([largest, null[None]]).topk(keep, dim=0).values
    return table._replace(null=largest[-1], p=reached / (1 + permutations))
