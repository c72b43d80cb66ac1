"""Cases of the coverage table, and what each estimator reads there with endless samples.

The values are integrals, or averages over a million draws from the population, found by numpy and
scipy from the formulas; they share no code with the package.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import KDTree
from scipy.special import digamma, ndtr, ndtri
from torch import Tensor, nn

Array = NDArray[np.float64]
MANY = 2**20  # draws from the population
HELD, DRAWN, PARTS = 16384, 256, 8
GRID = 0.05  # noise scales
BINS = 10
WIDTH = 4


class Sum(nn.Module):
    """``.8 a + .6 b``; of whole numbers ``max(0, a + b - 2)``."""

    def __init__(self, discrete: bool) -> None:
        super().__init__()
        self.discrete = discrete

    def forward(self, x: Tensor) -> Tensor:
        """Return the output."""
        return self.respond(x, x[:, :1])

    def sent(self, x: Tensor) -> Tensor:
        """Return the source on the rows."""
        return x[:, :1]

    def respond(self, x: Tensor, sent: Tensor) -> Tensor:
        """Return the target on the rows, the source being set."""
        return torch.relu(sent + x[:, 1:] - 2) if self.discrete else 0.8 * sent + 0.6 * x[:, 1:]


class Tracks(nn.Module):
    """Two tracks of tanh units, with a leak from the left one into the right one."""

    def __init__(self, leak: float) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.first, self.second = nn.Linear(4, 2 * WIDTH), nn.Linear(2 * WIDTH, 2 * WIDTH)
        with torch.no_grad():
            for layer in (self.first, self.second):
                reads = layer.weight.shape[1]
                layer.weight.copy_(torch.randn(2 * WIDTH, reads, generator=generator))
                layer.weight.div_((reads / 2) ** 0.5)
                layer.bias.copy_(0.3 * torch.randn(2 * WIDTH, generator=generator))
                layer.weight[:WIDTH, reads // 2 :] = 0
                layer.weight[WIDTH:, : reads // 2] *= leak if layer is self.second else 0.0

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations of the second layer."""
        return torch.tanh(self.second(torch.tanh(self.first(x))))

    def sent(self, x: Tensor) -> Tensor:
        """Return the source on the rows."""
        return torch.tanh(self.first(x))[:, :1]

    def respond(self, x: Tensor, sent: Tensor) -> Tensor:
        """Return the target on the rows, the source being set."""
        hidden = torch.cat([sent, torch.tanh(self.first(x))[:, 1:]], dim=1)
        return torch.tanh(self.second(hidden))[:, WIDTH : WIDTH + 1]

    def right(self, x: Tensor, donors: Tensor) -> Tensor:
        """Return the right track's outputs on the rows, the left track being that of donors."""
        own, other = (torch.tanh(self.first(rows)) for rows in (x, donors))
        hidden = torch.cat([other[:, :WIDTH], own[:, WIDTH:]], dim=1)
        return torch.tanh(self.second(hidden))[:, WIDTH:]


class Case(NamedTuple):
    """A network, where its inputs come from, and who sends to whom."""

    model: Any
    rows: Callable[[int, torch.Generator], Tensor]
    source: str
    target: str


def normal(width: int) -> Callable[[int, torch.Generator], Tensor]:
    """Return what draws rows of standard normal values."""
    return lambda rows, generator: torch.randn(rows, width, generator=generator)


def whole(rows: int, generator: torch.Generator) -> Tensor:
    """Return rows of numbers 0 to 3, all alike likely."""
    return torch.randint(4, (rows, 2), generator=generator).float()


CASES = {
    "discrete": Case(Sum(True), whole, "input[0]", "output[0]"),
    "Gaussian": Case(Sum(False), normal(2), "input[0]", "output[0]"),
} | {
    f"leak {leak}": Case(Tracks(leak), normal(4), "tanh[0]", "output[4]")
    for leak in (0.03, 0.1, 0.3)
}


def endless(case: str, form: str, name: str) -> tuple[float, float | None]:
    """What an estimator reads with endless samples; its upper bound, where it gives one."""
    made = CASES[case]
    generator = torch.Generator().manual_seed(10**6)
    with torch.no_grad():
        x, other = _population(made, MANY, MANY, generator)
        seen_source, seen = made.model.sent(x), made.model(x)
        if form == "exchange":
            scale = np.array(seen[:, WIDTH:].double().std(0))
            return _exchange(made, scale, generator, name)
        seen_target = made.model.respond(x, seen_source)
        scales = float(seen_source.double().std()), float(seen_target.double().std())
        edges = [_inner_edges(_plain(side)) for side in (seen_source, seen_target)]
        if form == "observational":
            return _shared(name, _plain(seen_source), _plain(seen_target), edges)
        donors = made.model.sent(other)
        if form == "interventional" and name not in {"gaussian", "pairwise"}:
            got = made.model.respond(x, donors)
            return _shared(name, _plain(donors), _plain(got), edges)
        if form == "conditional" and (case, name) == ("Gaussian", "binned"):
            return _binned_channel(0.8), None
        parts = np.array(
            [_on_grid(made, form, name, scales[1], edges[1], generator) for _ in range(PARTS)]
        )
        figures = parts.mean(0)
        if form == "conditional":
            return figures[0], None if np.isnan(figures[1]) else figures[1]
        if name == "gaussian":
            return figures[2], None
        pool = _plain(made.model.respond(x, donors)) / scales[1]
        low, high = _smoothed(pool[:, None])
        return low - figures[3], min(high - figures[2], figures[1])


def _on_grid(
    made: Case, form: str, name: str, scale: float, edges: Array, generator: torch.Generator
) -> tuple[float, ...]:
    """What is told within a context, and within a donor; lower and upper bounds, NaN for none.

    Of the Gaussian channel the averaged figure in place of what is told within a donor.
    """
    # [context, donor], or [donor, context] where the donor is known; all drawn afresh
    held, drawn = _population(made, HELD, HELD * DRAWN, generator)
    each = held.repeat_interleave(DRAWN, 0)

    def told(contexts: Tensor, donors: Tensor) -> tuple[float, float]:
        grid = _plain(made.model.respond(contexts, made.model.sent(donors))).reshape(HELD, DRAWN)
        low, high = _within(name, grid, scale, edges)
        return low, float("nan") if high is None else high

    if form == "conditional":
        return told(each, drawn)
    if name == "gaussian":  # in pairs on the same contexts, whose chances cancel
        mixed, known = told(drawn, _shuffled(drawn, generator)), told(drawn, each)
        return float("nan"), float("nan"), mixed[0] - known[0]
    return *told(each, drawn), *told(drawn, each)


def _population(
    made: Case, rows: int, others: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Independent draws; of whole numbers every one equally often, alone and in pairs."""
    if made.rows is not whole:
        return made.rows(rows, generator), made.rows(others, generator)
    every = torch.cartesian_prod(torch.arange(4.0), torch.arange(4.0))
    places = torch.arange(rows) // (16 if rows == others else 1)
    return every[places % 16], every[torch.arange(others) % 16]


def _shuffled(rows: Tensor, generator: torch.Generator) -> Tensor:
    return rows[torch.randperm(len(rows), generator=generator)]


def _plain(values: Tensor) -> Array:
    return values[:, 0].double().numpy()


def _inner_edges(values: Array) -> Array:
    """Midway between neighbours among few values, else quantiles."""
    levels = np.unique(values)
    if len(levels) <= BINS:
        return (levels[1:] + levels[:-1]) / 2
    return np.quantile(values, np.arange(1, BINS) / BINS)


def _shared(name: str, left: Array, right: Array, edges: list[Array]) -> tuple[float, float | None]:
    if name == "binned":
        cut = [np.searchsorted(e, side) for e, side in zip(edges, (left, right), strict=True)]
        return _plug_in(*cut), None
    if name == "copula":
        scores = [ndtri(side.argsort().argsort() / len(side) + 0.5 / len(side)) for side in
                  (left, right)]  # fmt: skip
        return -np.log2(1 - np.corrcoef(*scores)[0, 1] ** 2) / 2, None
    if name in {"ksg", "ksg-ranks"}:
        return _neighbours(left[: MANY // 4], right[: MANY // 4]), None
    both = np.stack([left / left.std(), right / right.std()], axis=1)
    if name == "gaussian":
        noisy = np.cov(both.T) + np.eye(2)
        return np.log2(noisy[0, 0] * noisy[1, 1] / np.linalg.det(noisy)) / 2, None
    (b_low, b_high), (c_low, c_high), (low, high) = (
        _smoothed(both[:, columns]) for columns in ([0], [1], [0, 1])
    )
    return b_low + c_low - high, min(b_high + c_high - low, b_high, c_high)


def _within(name: str, grid: Array, scale: float, edges: Array) -> tuple[float, float | None]:
    """Mean over rows of the grid of what is told within each."""
    if name == "binned":
        codes = np.searchsorted(edges, grid)
        share = np.stack([(codes == b).mean(1) for b in range(len(edges) + 1)])
        bits = float(-(share * np.log2(np.maximum(share, 1e-300))).sum(0).mean())
        if len(edges) == BINS - 1:  # drawn, and not each value equally often: Miller (1955)
            bits += float(((share > 0).sum(0) - 1).mean()) / (2 * grid.shape[1] * np.log(2))
        return bits, None
    if name == "gaussian":  # the concave logarithm of few draws is too low: Quenouille (1956)
        halves = np.split(grid / scale, 2, axis=1) if grid.shape[1] == DRAWN else []
        whole, *parts = (np.log2(1 + part.var(1, ddof=1)).mean() / 2 for part in
                         (grid / scale, *halves))  # fmt: skip
        return float(2 * whole - sum(parts) / 2 if parts else whole), None
    low, high = _mixture(grid[:, :, None] / scale)
    return float(low.mean()), float(high.mean())


def _binned_channel(weight: float) -> float:
    """Mean over x of the entropy of the bin of ``weight b + (1 - weight^2)^.5 x``, integrated."""
    x = ndtri((np.arange(20000) + 0.5) / 20000)[:, None]
    edges = ndtri(np.arange(1, BINS) / BINS)
    below = ndtr((edges - (1 - weight**2) ** 0.5 * x) / weight)
    share = np.diff(below, axis=1, prepend=0.0, append=1.0)
    return float(-(share * np.log2(np.maximum(share, 1e-300))).sum(1).mean())


def _exchange(
    made: Case, scale: Array, generator: torch.Generator, name: str
) -> tuple[float, float | None]:
    """What the right track takes in; the left one takes in nothing."""
    lows, highs = [], []
    for row in made.rows(4 * HELD, generator):
        donors = made.rows(DRAWN, generator)
        got = made.model.right(row.expand(DRAWN, -1), donors).double().numpy() / scale
        if name == "gaussian":  # of few draws, less what halves of them say it is too low
            whole, *halves = (
                np.linalg.slogdet(np.eye(WIDTH) + np.cov(part.T))[1] / np.log(2) / 2
                for part in (got, *np.split(got, 2))
            )
            lows.append(2 * whole - sum(halves) / 2)
        else:
            low, high = _mixture(got[None])
            lows.append(low[0])
            highs.append(high[0])
    return float(np.mean(lows)), float(np.mean(highs)) if highs else None


def _plug_in(left: NDArray[Any], right: NDArray[Any]) -> float:
    counts = np.zeros((BINS, BINS))
    np.add.at(counts, (left, right), 1.0)
    p = counts / counts.sum()
    apart = p.sum(1, keepdims=True) * p.sum(0)
    filled = p > 0
    return float((p[filled] * np.log2(p[filled] / apart[filled])).sum())


def _neighbours(left: Array, right: Array, k: int = 4) -> float:
    both = np.stack([left / left.std(), right / right.std()], axis=1)
    tree: Any = KDTree(both)  # its stub takes whole norms only
    reach = tree.query(both, k + 1, p=np.inf)[0][:, -1] * (1 - 1e-10)
    found = digamma(k) + digamma(len(both))
    for side in both.T:
        ordered = np.sort(side)
        inside = np.searchsorted(ordered, side + reach) - np.searchsorted(ordered, side - reach)
        found -= digamma(np.maximum(inside, 1)).mean()
    return float(found / np.log(2))


def _smoothed(values: Array) -> tuple[float, float]:
    """Bounds of Kolchinsky and Tracey on many ``[draw, coordinate]`` in noise scales, on a grid."""
    low, high = values.min(0) - 10, values.max(0) + 10
    share, _ = np.histogramdd(
        values,
        bins=[int(n) for n in (high - low) / GRID],
        range=list(zip(low, high, strict=True)),
    )
    share /= len(values)
    filled = share > 0
    steps = (high - low) / np.array(share.shape)
    found = []
    for width in (2.0, 1.0):  # exp(-d^2 / 8) and exp(-d^2 / 2)
        density = gaussian_filter(share, width / steps, mode="constant", truncate=6.0)
        kernel = density * np.prod((2 * np.pi) ** 0.5 * width / steps)
        found.append(float(-(share[filled] * np.log2(kernel[filled])).sum()))
    return found[0], found[1]


def _mixture(centres: Array) -> tuple[Array, Array]:
    """Bounds of Kolchinsky and Tracey on ``[mixture, draw, coordinate]`` in noise scales.

    A draw has no distance to itself, so few draws read too little; see :func:`_in_halves`.
    """
    lows, highs = [], []
    for mixture in centres:
        middle = len(mixture) // 2
        first = np.concatenate([mixture[:32], mixture[middle : middle + 32]])
        square = np.zeros((len(first), len(mixture)))
        for place in range(mixture.shape[1]):
            square += (first[:, place, None] - mixture[:, place]) ** 2
        kernel = np.exp(-square / 8)
        lows.append(_in_halves(kernel))
        highs.append(_in_halves(kernel**4))
    return np.array(lows), np.array(highs)


def _in_halves(kernel: Array) -> float:
    """Minus the mean log2 of row means, less the bias that halves of the draws have twice."""
    rows, columns = (n // 2 for n in kernel.shape)
    parts = (kernel, kernel[:rows, :columns], kernel[rows:, columns:])
    whole, *halves = (-np.log2(part.mean(1)).mean() for part in parts)
    return float(2 * whole - sum(halves) / 2)
