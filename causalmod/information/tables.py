"""Figures of tables of counts: information, its interval, and what chance would read."""

from __future__ import annotations

from math import log
from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.information.bins import Bins
from causalmod.information.null_law import null_law

_NORMAL = 1.959964  # 97.5% quantile
_CHANCE = 0.75


class PairTable(NamedTuple):
    """Figures ``[source, target]`` in bits.

    Attributes:
        bits: mutual information, bias corrected, nowhere below zero; exactly 0 where a side does
            not move.
        low, high: 95% interval, from the spread of the log ratios and of the chi-square law.
        null: 95th percentile where nothing is shared.
        p: p-value of independence.
    """

    bits: Tensor
    low: Tensor
    high: Tensor
    null: Tensor
    p: Tensor


def table_figures(counts: Tensor, bins: tuple[Bins, Bins]) -> PairTable:
    """Figures of tables ``[source, bin, target, bin]`` of counts; below 0 by chance.

    The interval has the spread of the log ratios, and that of the chi-square law where these are
    all 0. The correction of the bias counts every cell; those that stay empty however many rows
    there are need none, and which those are the data do not say: so the upper end takes half of
    the correction for empty cells back. Where few are expected in a cell the bias is larger than
    corrected for, and the lower end takes that off.

    Source: Roulston, Physica D 125:285 (1999), for the spread.
    """
    from scipy.special import chdtrc  # scipy.stats takes a second to import

    table = counts.to(torch.float64 if counts.dtype == torch.int64 else torch.float32)
    down, across = table.sum(3), table.sum(1)  # [source, bin, target], [source, target, bin]
    n = down.sum(1).double()
    kept = n.clamp_min(1)
    share = (down / kept.to(table)[:, None]).clamp_min_(1e-30)
    ratio = table / share[..., None]
    ratio /= across.clamp_min(1e-30)[:, None]  # p(b, c) / p(b) p(c)
    filled = (table > 0).sum((1, 3))
    pearson = (table * ratio).sum((1, 3), dtype=torch.float64) - n
    ratio = ratio.clamp_min_(1e-30).log2_()
    terms = table.mul_(ratio)
    plug_in = terms.sum((1, 3), dtype=torch.float64) / kept
    square = terms.mul_(ratio).sum((1, 3), dtype=torch.float64) / kept
    left, right = (down > 0).sum(1), (across > 0).sum(2)
    freedom = ((left - 1) * (right - 1)).clamp_min(0).double()
    moves = freedom > 0
    corrected = bins[1].correction != "none"
    one_degree = 1 / (2 * kept * log(2))
    bias = freedom * one_degree * corrected
    bits = torch.where(moves, plug_in - bias, 0.0)
    # most of what chance alone adds to the log ratios' spread: all of it would be too much
    chance = _CHANCE * (filled - left - right + 1).clamp_min(0) / (kept * log(2) ** 2)
    spread = (square - plug_in.square() - chance).clamp_min(0) / kept
    spread += freedom / (2 * (kept * log(2)).square())
    half = _NORMAL * torch.where(moves, spread, 0.0).sqrt()
    empty = torch.where(moves, (left * right - filled) * one_degree * corrected / 2, 0.0)
    degrees = freedom.clamp_min(1).cpu().numpy()
    p = torch.from_numpy(chdtrc(degrees, pearson.clamp_min(0).cpu().numpy())).to(bits)
    # the harmonic mean over cells of the expected count, from the margins
    thin = (1 / down.double()).nan_to_num(posinf=0.0).sum(1) / left.clamp_min(1)
    thin *= (1 / across.double()).nan_to_num(posinf=0.0).sum(2) / right.clamp_min(1)
    usual = 1 / (kept * thin).clamp_min(1e-12)
    cells = (left * right).clamp_min(1).double().cpu().numpy()
    mean, tail = null_law(cells, degrees, usual.cpu().numpy(), kept.cpu().numpy())
    null = torch.where(moves, torch.from_numpy(tail).to(bits) - bias, 0.0)
    # what the correction leaves where few are expected in each cell
    left_over = (torch.from_numpy(mean).to(bits) - freedom * one_degree).clamp_min(0)
    low = bits - half - torch.where(moves, left_over, 0.0) * corrected
    return PairTable(bits, low, bits + half + empty, null, torch.where(moves, p, 1.0))
