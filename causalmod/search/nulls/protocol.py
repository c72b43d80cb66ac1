"""What a weighted operation tells of itself, and the table of those there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Protocol

import torch
from torch import Tensor, fx

from causalmod._registry import Registry
from causalmod.search.nulls.places import Places, Side, last

_FLAT = 1e-6  # relative spread under which a sender counts as constant
_FEW = 10  # samples on which a sender has to vary
_TAIL = 25.0  # of a peak over the standard deviation, squared: usual for few samples


@dataclass(frozen=True)
class Moments:
    """What senders are on the data: number of samples, ``[sender]`` mean, variance and range.

    Example:
        >>> halves = [Moments.of(torch.tensor(part)) for part in ([[0.0]], [[2.0]])]
        >>> halves[0].joined(halves[1]).variance.tolist()
        [1.0]
    """

    count: int
    mean: Tensor
    variance: Tensor
    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, values: Tensor) -> Moments:
        """Describe ``[sample, sender]``."""
        values = values.double().cpu()
        variance, mean = torch.var_mean(values, 0, correction=0)
        return cls(len(values), mean, variance, values.amin(0), values.amax(0))

    def joined(self, other: Moments) -> Moments:
        """Describe both sets of samples together."""
        share = self.count / (self.count + other.count)
        mean = share * self.mean + (1 - share) * other.mean
        apart = share * (1 - share) * (self.mean - other.mean).square()
        variance = share * self.variance + (1 - share) * other.variance + apart
        low, high = torch.minimum(self.low, other.low), torch.maximum(self.high, other.high)
        return Moments(self.count + other.count, mean, variance, low, high)

    @property
    def known(self) -> Tensor:
        """Bool ``[sender]``: does it vary, and on more than a few samples?

        What fires on one row in a thousand has a standard deviation that says how rare it is, not
        how large; weights divided by it would make that row swamp everything.
        """
        size = torch.maximum(self.low.abs(), self.high.abs())
        varies = self.variance.sqrt() > _FLAT * size
        peak = torch.maximum(self.high - self.mean, self.mean - self.low).square()
        most = max(_TAIL, self.count / _FEW)  # peak² / variance = count / m if m samples are alike
        return varies & (peak <= most * self.variance)


@dataclass(frozen=True)
class Use:
    """One use of a matrix of weights.

    Attributes:
        weight: graph node of the weights.
        unfold: from the weights to ``[group, receiver, sender, inner]``; receivers of a group read
            the senders of that group only (one group, but for grouped convolutions).
        fold: undoes ``unfold``.
        moments: what the senders, ``[group × sender]``, are on the data.
        senders: which units the senders belong to, ``[group × sender]``.
        receivers: which units the receivers belong to, ``[group × receiver]``.
    """

    weight: str
    unfold: Callable[[Tensor], Tensor]
    fold: Callable[[Tensor], Tensor]
    moments: Moments
    senders: Side
    receivers: Side

    def joined(self, other: Use) -> Use:
        """Return this use and another of the same weights as one; this one says who is who."""
        if (self.senders.turn or self.receivers.turn or other.senders.turn) is not None:
            return self  # coordinates of one site are not those of another
        return Use(
            self.weight,
            self.unfold,
            self.fold,
            self.moments.joined(other.moments),
            self.senders.joined(other.senders),
            self.receivers.joined(other.receivers),
        )


def in_bases(use: Use, values: Tensor) -> Use:
    """Return a use whose senders and receivers are coordinates, where they are in a basis.

    The matrix is then the effective one, ``M = E_r W D_s^T`` of what reads the receivers and what
    the senders write, and ``W = D_r^T M E_s`` gives the weights back.

    Args:
        use: with ``[1, receiver, sender, inner]`` entries of the network's own.
        values: ``[sample, sender]`` what the senders are on the data.
    """
    sent, received = use.senders.turn, use.receivers.turn
    if sent is None and received is None:
        return use
    into = _none(len(use.receivers.unit)) if received is None else received
    given = _none(values.shape[1]) if sent is None else sent
    unfold, fold = use.unfold, use.fold
    both = "cr,grsi,ds->gcdi"

    def turned(weights: Tensor) -> Tensor:
        return torch.einsum(both, into[0], unfold(weights).double(), given[1])

    def back(matrix: Tensor) -> Tensor:
        return fold(torch.einsum("cr,gcdi,ds->grsi", into[1], matrix.double(), given[0]))

    moments = use.moments
    if sent is not None:
        moments = Moments.of(values.double().cpu() @ sent[0].T)
    return replace(use, unfold=turned, fold=back, moments=moments)


def _none(count: int) -> tuple[Tensor, Tensor]:
    one = torch.eye(count, dtype=torch.float64)
    return one, one


class WeightedOperation(Protocol):
    """Finds the matrices in one node of a graph."""

    def __call__(self, node: fx.Node, places: Places) -> Iterator[Use]:
        """Yield the matrices of weights by which units send to units.

        Args:
            node: the operation.
            places: the values of tensors, and the units that their entries belong to.
        """
        ...


OPERATIONS: Registry[WeightedOperation] = Registry(
    "weighted operation", "causalmod.search.nulls.ops", {"__call__": ("node", "places")}
)


def matrix_use(
    places: Places,
    node: fx.Node,
    weight: fx.Node,
    read: fx.Node,
    letters: tuple[str, str, str],
) -> Iterator[Use]:
    """Yield the use of constant weights in a product, if it is one with what depends on the data.

    Args:
        places: of the network.
        node: the product.
        weight: its weights.
        read: what is multiplied with them.
        letters: the dimensions of weights, of what is read and of the result, as for
            ``torch.einsum``. Those in all three are groups; those that the result lacks are of the
            senders; those that what is read lacks are of the receivers.
    """
    held = places.program.constants.get(weight.name)
    values = places.values(read.name)
    if not isinstance(held, Tensor) or not held.is_floating_point() or values is None:
        return
    own, given, made = letters
    parts = [
        [letter for letter in own if letter in given and letter in made],
        [letter for letter in own if letter not in given],
        [letter for letter in own if letter not in made],
    ]
    if not parts[2] or not set(own) <= set(given) | set(made) or len(set(own)) < len(own):
        return
    order = [own.index(letter) for part in parts for letter in part]
    back = [order.index(place) for place in range(len(order))]
    sizes = [prod(held.shape[own.index(letter)] for letter in part) for part in parts]
    lengths = [held.shape[place] for place in order]
    read_at = [given.index(letter) - len(given) for letter in (*parts[0], *parts[2])]
    made_at = [made.index(letter) - len(made) for letter in (*parts[0], *parts[1])]
    samples = last(values, read_at)
    use = Use(
        weight.name,
        lambda matrix: matrix.permute(order).reshape(*sizes, 1),
        lambda matrix: matrix.reshape(lengths).permute(back),
        Moments.of(samples),
        places.senders(read.name, *read_at),
        places.receivers(node.name, *made_at),
    )
    yield in_bases(use, samples) if sizes[0] == 1 else use
