"""Everything counted by brute force, from the definitions alone; shares no code with the package.

A network is a dict of Python functions. Each function maps the values computed so far (name →
array) to its own value, elementwise, so that one call serves a whole grid of runs. Rows are equally
likely. All figures are in bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

Values = dict[str, np.ndarray]
Mechanism = Callable[[Values], np.ndarray]
Split = Mapping[str, Sequence[str]]

DIGITS = 9  # values that agree to this many decimals are equal


def entropy(mass: np.ndarray) -> np.ndarray:
    """``-sum p log2 p`` along the last axis, of masses that need not add up to 1."""
    share = mass / mass.sum(-1, keepdims=True)
    logs = np.log2(share, where=share > 0, out=np.zeros_like(share))
    return -(share * logs).sum(-1) + 0.0


def outcomes(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Number the joint outcomes of some coordinates from 0 up, in an array of the same shape."""
    shape = np.broadcast_shapes(*(np.shape(column) for column in columns))
    codes = np.zeros(shape, dtype=np.int64)
    for column in columns:
        rounded = np.round(np.broadcast_to(column, shape), DIGITS) + 0.0  # no minus zero
        levels, ranks = np.unique(rounded, return_inverse=True)
        joint = codes * len(levels) + ranks.reshape(shape)
        codes = np.unique(joint, return_inverse=True)[1].reshape(shape)
    return codes


def masses(codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """``[row, outcome]`` mass of each outcome in each row of ``codes``."""
    table = np.zeros((len(codes), int(codes.max()) + 1))
    rows = np.broadcast_to(np.arange(len(codes))[:, None], codes.shape)
    np.add.at(table, (rows, codes), np.broadcast_to(weights, codes.shape))
    return table


class Grid(NamedTuple):
    """Runs on every context row with every combination of donor values.

    Attributes:
        values: name → ``[context, combination]``.
        weights: ``[combination]`` number of donor rows behind each.
    """

    values: Values
    weights: np.ndarray

    def within_context(self, names: Sequence[str]) -> np.ndarray:
        """Mass of the joint outcomes of some units, ``[context, outcome]``."""
        return masses(outcomes([self.values[name] for name in names]), self.weights)


class Network:
    """Inputs on given rows, and units with their mechanisms, in the order of computation."""

    def __init__(
        self,
        inputs: Mapping[str, Sequence[float] | np.ndarray],
        units: Mapping[str, Mechanism],
        layers: Mapping[str, int] | None = None,
    ) -> None:
        self.inputs = {name: np.asarray(column, dtype=float) for name, column in inputs.items()}
        self.units = dict(units)
        self.layers = dict(layers) if layers else dict.fromkeys(units, 0)
        self.rows = len(next(iter(self.inputs.values())))
        self.data = self.run(np.arange(self.rows), {})

    def run(self, rows: np.ndarray, do: Mapping[str, np.ndarray]) -> Values:
        """Values of inputs and units on rows, some of them set."""
        values: Values = {}
        for name, column in self.inputs.items():
            values[name] = do.get(name, column[rows])
        for name, mechanism in self.units.items():
            values[name] = do[name] if name in do else mechanism(values)
        return {name: np.broadcast_to(value, rows.shape) for name, value in values.items()}

    def grid(self, donated: Sequence[Sequence[str]], held: Sequence[str] = ()) -> Grid:
        """Set each group of units to what it was on a donor row of its own.

        Donor rows on which a group has the same values are run once, and counted. ``held`` units
        are set to what they were on the context row.
        """
        firsts, counts = [], []
        for group in donated:
            codes = outcomes([self.data[name] for name in group])
            _, first, count = np.unique(codes, return_index=True, return_counts=True)
            firsts.append(first)
            counts.append(count)
        places = np.indices([len(first) for first in firsts]).reshape(len(donated), -1)
        chosen = list(zip(firsts, counts, places, strict=True))
        weights = np.prod([count[place] for _, count, place in chosen], axis=0, dtype=float)
        contexts = np.broadcast_to(np.arange(self.rows)[:, None], (self.rows, len(weights)))
        do = {name: self.data[name][contexts] for name in held}
        for group, (first, _, place) in zip(donated, chosen, strict=True):
            rows = np.broadcast_to(first[place], contexts.shape)
            do |= {name: self.data[name][rows] for name in group}
        return Grid(self.run(contexts, do), weights)

    # --- information that one group sends another -------------------------------------------------

    def observational(self, source: Sequence[str], target: Sequence[str]) -> float:
        """``I(B;C)``."""
        left = outcomes([self.data[name] for name in source])
        right = outcomes([self.data[name] for name in target])
        both = outcomes([left, right])
        found = [entropy(np.bincount(codes).astype(float)) for codes in (left, right, both)]
        return float(found[0] + found[1] - found[2])

    def interventional(self, source: Sequence[str], target: Sequence[str]) -> float:
        """``sum_b P(b) KL( P(C|do(b)) || sum_b P(b) P(C|do(b)) )``."""
        after, weights = self._channel(source, target)
        mixture = weights @ after
        return float(weights @ _divergence(after, mixture))

    def literal(self, source: Sequence[str], target: Sequence[str]) -> float:
        """``sum_b P(b) KL( P(C|do(b)) || P(C) )``, infinite where ``P(C)`` lacks an outcome."""
        after, weights = self._channel(source, target)
        observed = np.zeros(after.shape[1])
        grid = self.grid([source])
        names = [np.concatenate([self.data[t][:, None], grid.values[t]], axis=1) for t in target]
        np.add.at(observed, outcomes(names)[:, 0], 1 / self.rows)
        return float(weights @ _divergence(after, observed))

    def _channel(
        self, source: Sequence[str], target: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """``P(C|do(b))`` as ``[b, outcome]``, and ``P(b)``; outcomes of the data come in too."""
        grid = self.grid([source])
        names = [np.concatenate([self.data[t][:, None], grid.values[t]], axis=1) for t in target]
        codes = outcomes(names)
        after = masses(codes.T, np.ones(self.rows))[1:]  # the first column is the data
        return after / self.rows, grid.weights / self.rows

    def conditional(self, source: Sequence[str], target: Sequence[str]) -> float:
        """``E_x H( C(x, B') )``."""
        return float(entropy(self.grid([source]).within_context(target)).mean())

    def strength(self, source: Sequence[str], target: Sequence[str]) -> float:
        """``KL(P || P_cut)`` of a direct edge into a deterministic unit (Janzing et al. 2013)."""
        grid = self.grid([source])
        names = [np.concatenate([self.data[t][:, None], grid.values[t]], axis=1) for t in target]
        codes = outcomes(names)
        agree = (codes[:, 1:] == codes[:, :1]) @ grid.weights / self.rows
        return float(-np.log2(agree).mean())

    # --- modules ----------------------------------------------------------------------------------

    def received(self, split: Split, module: str, *, joint: bool = False) -> float:
        """``in(m) = E_x H( R_m(x, X'_1 .. X'_{k-1}) )``, one independent donor per other module."""
        others = [list(members) for name, members in split.items() if name != module]
        others = [[unit for members in others for unit in members]] if joint else others
        return float(entropy(self.grid(others).within_context(split[module])).mean())

    def exchange(self, split: Split) -> float:
        """``sum_m in(m)``."""
        return sum(self.received(split, module) for module in split)

    def joint_exchange(self, split: Split) -> float:
        """Exchange with one donor row for all other modules: hides what equal senders send."""
        total = 0.0
        for members in split.values():
            total += self.received({"m": members, "rest": self._rest(members)}, "m")
        return total

    def sent(self, split: Split, module: str) -> float:
        """What one module sends all others together, which respond as one."""
        rest = [unit for name, members in split.items() if name != module for unit in members]
        return float(entropy(self.grid([split[module]]).within_context(rest)).mean())

    def between(self, split: Split, sender: str, receiver: str, *, direct: bool) -> float:
        """What one module sends another while the others are held, or respond."""
        held = [
            u for name, members in split.items() if name not in {sender, receiver} for u in members
        ]
        grid = self.grid([split[sender]], held=held if direct else ())
        return float(entropy(grid.within_context(split[receiver])).mean())

    def averaged(
        self, split: Split, module: str, *, joint: bool = False, literal: bool = False
    ) -> float:
        """``sum_b P(b) KL( P(R_m|do(b)) || Q )``, ``b`` the donors' values of all other modules."""
        others = [list(members) for name, members in split.items() if name != module]
        groups = [[unit for members in others for unit in members]] if joint else others
        grid = self.grid(groups)
        members = split[module]
        names = [np.concatenate([self.data[u][:, None], grid.values[u]], axis=1) for u in members]
        codes = outcomes(names)
        after = masses(codes.T, np.ones(self.rows)) / self.rows  # the first row is the data
        share = grid.weights / grid.weights.sum()
        reference = after[0] if literal else share @ after[1:]
        return float(share @ _divergence(after[1:], reference))

    def arrows(
        self, senders: Sequence[str], receivers: Sequence[str], parents: Mapping[str, Sequence[str]]
    ) -> float:
        """Strength of the arrows from some units to others, each fed by itself."""
        total = 0.0
        for unit in receivers:
            cut = [[parent] for parent in parents[unit] if parent in senders]
            if not cut:
                continue
            held = [other for other in self.units if other != unit and [other] not in cut]
            grid = self.grid(cut, held=held)
            both = np.concatenate([self.data[unit][:, None], grid.values[unit]], axis=1)
            codes = outcomes([both])
            agree = (codes[:, 1:] == codes[:, :1]) @ grid.weights / grid.weights.sum()
            total += float(-np.log2(agree).mean())
        return total

    def _rest(self, members: Sequence[str]) -> list[str]:
        return [unit for unit in self.units if unit not in members]

    def internal(self, members: Sequence[str]) -> float:
        """``int(m) = sum_i E_x H( V_i(x; V_{m - i} := V_{m - i}(x'), rest at x) )``."""
        total = 0.0
        for unit in members:
            others = [other for other in members if other != unit]
            if others:
                grid = self.grid([others], held=self._rest(members))
                total += float(entropy(grid.within_context([unit])).mean())
        return total

    def cost(self, split: Split) -> float:
        """``c = max_m X / (X + 2 int(m))`` with ``X = in(m) + in(rest)``; 1 where int is 0."""
        worst = 0.0
        for members in split.values():
            crossing = self.exchange({"m": members, "rest": self._rest(members)})
            inside = self.internal(members)
            worst = max(worst, crossing / (crossing + 2 * inside) if inside > 0 else 1.0)
        return worst

    # --- the search over splits in two ------------------------------------------------------------

    def bipartitions(self) -> Iterator[dict[str, list[str]]]:
        """Every split of the units in two, once."""
        names = list(self.units)
        for size in range(1, len(names)):
            for inside in combinations(names[:-1], size):
                yield {"a": list(inside), "b": self._rest(inside)}

    def size_class(self, split: Split) -> frozenset[tuple[int, ...]]:
        """How many units of each layer the modules have, whichever module comes first."""
        layers = sorted(set(self.layers.values()))
        return frozenset(
            tuple(sum(self.layers[unit] == layer for unit in members) for layer in layers)
            for members in split.values()
        )

    def scores(self) -> list[tuple[dict[str, list[str]], float]]:
        """``S`` of every split in two: its cost over the mean cost in its size class."""
        found = [(split, self.cost(split)) for split in self.bipartitions()]
        classes: dict[frozenset[tuple[int, ...]], list[float]] = {}
        for split, cost in found:
            classes.setdefault(self.size_class(split), []).append(cost)
        scored: list[tuple[dict[str, list[str]], float]] = []
        for split, cost in found:
            mean = float(np.mean(classes[self.size_class(split)]))
            # cost is 0 exactly where nothing crosses and every module has something inside
            scored.append((split, 0.0 if cost == 0 else cost / mean if mean > 0 else 1.0))
        return scored


def _divergence(shares: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """``KL(p || q)`` of each row ``p``; ``inf`` where ``q`` lacks an outcome of ``p``."""
    with np.errstate(divide="ignore"):
        logs = np.log2(shares, where=shares > 0, out=np.zeros_like(shares)) - np.log2(reference)
    return np.where(shares > 0, shares * np.where(shares > 0, logs, 0.0), 0.0).sum(-1)
