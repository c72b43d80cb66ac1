"""Block model: the partition under which the flows of the graph are most likely.

A flow is the square of a Gaussian weight with variance ``a(receiver) · b(sender) · share``, where
the share is 1 inside a module and one smaller number between modules. So units that send or receive
much of everything are no evidence, and a flow that is missing is as good as one that is there.
Reads the graph only, so it costs no evaluation.

Source: Karrer and Newman, Physical Review E 83 (2011), for block models with a scale for each unit;
Besag, J. R. Statist. Soc. B 48 (1986), for taking the best label of each unit in turn.
"""

from __future__ import annotations

from math import log
from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.search.clusters import without_empty
from causalmod.search.flow import Block, FlowGraph

_LEAST_SHARE = 1e-3  # of the variance between modules in that inside them
_SWEEPS, _SCALINGS = 20, 6


class Fitted(NamedTuple):
    """Labels ``[unit]``, their log-likelihood, and the share of flow between modules."""

    labels: Tensor
    likelihood: float
    share: float


class _Side(NamedTuple):
    """Flows of each unit as a receiver, or as a sender.

    Attributes:
        flow: ``[unit, module]`` flow from (or to) each module, in the scales of the others.
        number: ``[unit, module]`` units that it may come from.
    """

    flow: Tensor
    number: Tensor

    def scales(self, share: float) -> Tensor:
        """Most likely scale of each unit, if it stood in each module: ``[unit, module]``."""
        every, many = self.flow.sum(1, keepdim=True), self.number.sum(1, keepdim=True)
        return (self.flow + (every - self.flow).clamp_min(0) / share) / many.clamp_min(1)

    def likelihood(self, share: float, least: float) -> Tensor:
        """Log-likelihood of a unit's flows, at its best scale: ``[unit, module]``."""
        many = self.number.sum(1, keepdim=True)
        logs = self.scales(share).clamp_min(least).log() * many
        return -0.5 * (logs + (many - self.number) * log(share))


class BlockModel:
    """The flows of a graph, and how likely they are under a partition.

    Args:
        flow: the flow graph.
        layer: ``[unit]`` depth; units of one depth are relabelled together.
    """

    def __init__(self, flow: FlowGraph, layer: Tensor) -> None:
        self._blocks, self._layer = flow.blocks, layer
        self._units = flow.count
        total = sum(float(block.flow.sum()) for block in flow.blocks)
        pairs = sum(block.flow.numel() for block in flow.blocks)
        self._least = 1e-9 * total / max(pairs, 1) + 1e-30

    def refine(self, labels: Tensor, k: int) -> Fitted:
        """Give each unit its most likely module, in turn, until nothing changes."""
        labels = without_empty(labels, k)
        best: Fitted | None = None
        ones = torch.ones(self._units)
        into, out, share = ones, ones, 0.1
        for _ in range(_SWEEPS):
            into, out, share, likelihood = self._scaled(labels, k, into, out, share)
            if best is None or likelihood > best.likelihood:
                best = Fitted(labels, likelihood, share)
            before = labels
            for number in self._layer.unique():
                here = self._layer == number
                hot = torch.nn.functional.one_hot(labels, k).float()
                received = self._received(hot, out).likelihood(share, self._least)
                sent = self._sent(hot, into).likelihood(share, self._least)
                labels = torch.where(here, (received + sent).argmax(1), labels)
            labels = without_empty(labels, k)
            if torch.equal(labels, before):
                break
        assert best is not None
        likelihood = best.likelihood
        for _ in range(2):  # to the scales' own optimum, so that likelihoods can be compared
            into, out, share, likelihood = self._scaled(best.labels, k, into, out, share)
        return Fitted(best.labels, likelihood, share)

    def fit(self, labels: Tensor, k: int) -> Fitted:
        """Return the likelihood of a partition, at its best scales."""
        ones = torch.ones(self._units)
        into, out, share = ones, ones, 0.1
        likelihood = 0.0
        for _ in range(3):
            into, out, share, likelihood = self._scaled(labels, k, into, out, share)
        return Fitted(labels, likelihood, share)

    def _scaled(
        self, labels: Tensor, k: int, into: Tensor, out: Tensor, share: float
    ) -> tuple[Tensor, Tensor, float, float]:
        """Fit scales of receivers and senders, and the share, to labels; and their likelihood."""
        hot = torch.nn.functional.one_hot(labels, k).float()
        own = labels[:, None]
        likelihood = 0.0
        for _ in range(_SCALINGS):
            received = self._received(hot, out)
            into = received.scales(share).gather(1, own)[:, 0].clamp_min(self._least)
            sent = self._sent(hot, into)
            out = sent.scales(share).gather(1, own)[:, 0].clamp_min(self._least)
            received = self._received(hot, out)
            flow, count = (part.gather(1, own)[:, 0] for part in received)
            every, many = received.flow.sum(1), received.number.sum(1)
            outside = float((many - count).sum())
            between = float(((every - flow).clamp_min(0) / into).sum())
            share = min(max(between / max(outside, 1.0), _LEAST_SHARE), 1.0)
            expected = float((flow / into).sum()) + between / share
            logs = into.log() * many + out.log() * sent.number.sum(1)
            likelihood = -0.5 * (float(logs.double().sum()) + outside * log(share) + expected)
        return into, out, share, likelihood

    def _received(self, hot: Tensor, out: Tensor) -> _Side:
        """What each unit receives from each module, in the senders' scales."""
        flow, count = torch.zeros_like(hot), torch.zeros_like(hot)
        for block in self._blocks:
            some = hot[block.senders]
            scaled = some / out[block.senders, None]
            flow.index_add_(0, block.receivers, block.flow.T @ scaled)
            count[block.receivers] += some.sum(0)
        return _Side(flow, count)

    def _sent(self, hot: Tensor, into: Tensor) -> _Side:
        """What each unit sends to each module, in the receivers' scales."""
        flow, count = torch.zeros_like(hot), torch.zeros_like(hot)
        for block in self._blocks:
            some = hot[block.receivers]
            scaled = some / into[block.receivers, None]
            flow.index_add_(0, block.senders, block.flow @ scaled)
            count[block.senders] += some.sum(0)
        return _Side(flow, count)


def balanced(flow: FlowGraph, rounds: int = 6, power: float = 0.5) -> FlowGraph:
    """Scale flows so that all units send and receive alike on average; then take a power.

    Magnitudes in place of powers (the default) keep few strong flows from outshouting many.

    Source: Sinkhorn and Knopp, Pacific Journal of Mathematics 21 (1967).
    """
    found: list[Block] = []
    for block in flow.blocks:
        scaled = block.flow
        for _ in range(rounds):
            scaled = scaled / scaled.mean(0, keepdim=True).clamp_min(1e-12)
            if rounds > 1:
                scaled = scaled / scaled.mean(1, keepdim=True).clamp_min(1e-12)
        found.append(Block(block.senders, block.receivers, scaled.pow(power)))
    return FlowGraph(flow.count, tuple(found), flow.rows)
