"""The flow graph: how strongly each unit moves each other one directly.

Where units follow from linear maps, elementwise, this has a closed form,
``E[slope^2] · weight^2 · Var(sender) / Var(receiver)``. Elsewhere each unit is resampled in turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from causalmod.exchange.coordinates import Coordinates
from causalmod.exchange.hybrid import CONTEXT, HybridRuns, Sample, draw_sample
from causalmod.exchange.stages import Map, Stage, find_stages
from causalmod.scm import StructuralCausalModel
from causalmod.scm.units import Units, find_units

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_NOTHING = 1e-12  # flow under which there is rounding only
_SLOPE_ROWS = 256
_STEP = 0.1  # of a standard deviation, over which slopes are taken
_MANY = 1000  # units from which fewer contexts do


@dataclass(frozen=True)
class Block:
    """Flow from some units to others: ``flow[sender, receiver]``, in variances of the receiver."""

    senders: Tensor
    receivers: Tensor
    flow: Tensor


@dataclass(frozen=True)
class FlowGraph:
    """Flow between all units, in blocks, since most pairs have none.

    Attributes:
        count: number of units.
        blocks: the blocks; where two overlap, their flows add up.
        rows: rows of the network that were run to find it.
        closed: does all of it have a closed form?
    """

    count: int
    blocks: tuple[Block, ...]
    rows: int = 0
    closed: bool = False

    def dense(self) -> Tensor:
        """``[sender, receiver]``, in double."""
        found = torch.zeros(self.count, self.count, dtype=torch.float64)
        for block in self.blocks:
            where = (block.senders[:, None], block.receivers[None])
            found.index_put_(where, block.flow.double(), accumulate=True)
        return found

    def between(self, values: Tensor) -> Tensor:
        """``(F + F^T) values`` for ``values[unit, ...]``: what flows to and from each unit."""
        found = torch.zeros(self.count, *values.shape[1:], dtype=values.dtype)
        for block in self.blocks:
            flow = block.flow.to(values.dtype)
            found.index_add_(0, block.senders, flow @ values[block.receivers])
            found.index_add_(0, block.receivers, flow.T @ values[block.senders])
        return found

    def symmetric(self, most: int | None = None) -> csr_matrix:
        """``F + F^T`` as a sparse matrix, of the ``most`` strongest flows into each unit only."""
        from scipy.sparse import coo_array, csr_matrix

        rows, columns, values = [], [], []
        for block in self.blocks:
            flow = block.flow.double()
            if most is not None and most < len(block.senders):
                least = flow.topk(most, dim=0).values[-1]
                flow = torch.where(flow >= least, flow, 0.0)
            sender, receiver = flow.nonzero(as_tuple=True)
            rows.append(block.senders[sender])
            columns.append(block.receivers[receiver])
            values.append(flow[sender, receiver])
        if not rows:
            return csr_matrix((self.count, self.count))
        where = (torch.cat(rows).numpy(), torch.cat(columns).numpy())
        one_way = coo_array((torch.cat(values).numpy(), where), shape=(self.count, self.count))
        return csr_matrix(one_way + one_way.T)


def flow_graph(
    scm: StructuralCausalModel,
    rows: Tensor,
    *,
    contexts: int = 64,
    seed: int = 0,
    memory: int = 2 * 10**9,
) -> Tensor:
    """Mean squared response of each unit, in its own variances, when one other is resampled.

    Everything but the sender is held at the context, so only direct effects count; a unit that does
    not respond, because a nonlinearity is saturated, receives nothing.

    Args:
        scm: the model.
        rows: row numbers to draw from.
        contexts: context rows; each gets one donor.
        seed: seed of the draws.
        memory: bytes that the work may hold.

    Returns:
        Tensor: ``[sender, receiver]``, zero on the diagonal.
    """
    every = torch.arange(len(scm.units))
    sample = draw_sample(rows, contexts, 1, 1, seed)
    return _resampled(scm, every, every, sample, memory).dense()


def find_flow(
    scm: StructuralCausalModel,
    rows: Tensor,
    *,
    contexts: int = 64,
    seed: int = 0,
    memory: int = 2 * 10**9,
    joint: bool = False,
) -> FlowGraph:
    """Find the flow graph, in closed form where there is one.

    Args:
        scm: the model.
        rows: row numbers to look at.
        contexts: context rows for units that have to be resampled.
        seed: seed of their draws.
        memory: bytes that the work may hold.
        joint: give a sender its share of what all senders of a map say together (by the symmetric
            root of their correlations) in place of what it says alone. What units that move as one
            cancel among themselves is nothing then.
    """
    units = scm.units
    stages = find_stages(scm, units)
    every = torch.arange(len(units))
    contexts = contexts if len(units) < _MANY else max(8, contexts // 4)
    sample = draw_sample(rows, contexts, 1, 1, seed)
    if stages is None:
        return _resampled(scm, every, every, sample, memory)
    blocks: list[Block] = []
    senders: set[int] = set()
    receivers: list[int] = []
    count = 0
    for place, stage in enumerate(stages):
        if stage.by_column:
            made = [
                _closed(scm, rows, units, place=place, stage=stage, each=each, joint=joint)
                for each in stage.maps
            ]
            blocks += [block for block in made if bool(block.flow.any())]
            count += 2 * min(len(rows), _SLOPE_ROWS)
        elif not stage.settled:
            senders |= {*stage.whole, *(each.source for each in stage.maps)}
            receivers.append(place)
    if receivers:
        from_units = torch.cat([units.at(site) for site in sorted(senders)])
        to_units = torch.cat([units.at(site) for site in receivers])
        found = _resampled(scm, from_units, to_units, sample, memory)
        blocks += found.blocks
        count += found.rows
    return FlowGraph(len(units), tuple(blocks), count, closed=not receivers)


def with_inputs(scm: StructuralCausalModel, rows: Tensor, flow: FlowGraph) -> FlowGraph | None:
    """Add what flows to units from single inputs, as further senders after all units.

    The objective does not look at inputs. But units that hear the same ones are alike, which tells
    where the first layer belongs when little else does.

    Args:
        scm: the model.
        rows: row numbers to look at.
        flow: flow between its units.

    Returns:
        None where no input is read through a linear map, elementwise.
    """
    units = find_units(scm, inputs=True)
    stages = find_stages(scm, units)
    if stages is None:
        return None
    known, place_of, count = scm.units.position, torch.empty(len(units), dtype=torch.long), 0
    for place, name in enumerate(units.names):
        place_of[place] = known.get(name, flow.count + count)
        count += name not in known
    blocks: list[Block] = []
    for place, stage in enumerate(stages):
        for each in stage.maps if stage.by_column else ():
            if units.sites[each.source] in scm.inputs:
                made = _closed(scm, rows, units, place=place, stage=stage, each=each)
                senders, receivers = place_of[made.senders], place_of[made.receivers]
                blocks.append(Block(senders, receivers, made.flow))
    if not any(bool(block.flow.any()) for block in blocks):
        return None
    return FlowGraph(flow.count + count, (*flow.blocks, *blocks), flow.rows)


def _closed(
    scm: StructuralCausalModel,
    rows: Tensor,
    units: Units,
    *,
    place: int,
    stage: Stage,
    each: Map,
    joint: bool = False,
) -> Block:
    senders, receivers = units.at(each.source), units.at(place)
    inputs, outputs = units.index[senders], units.index[receivers]
    weight = each.weight[inputs][:, outputs].float()
    values = scm.blocks(units.sites[each.source])[rows][:, inputs, 0].float()
    if joint:
        carried = _symmetric_root(values) @ weight
    else:
        carried = values.std(0, unbiased=False)[:, None] * weight
    scale = scm.scales[units.sites[place]][outputs, 0].float()
    slope = _slopes(scm, rows, stage, each)[outputs].float()
    flow = (carried / scale).square() * slope
    flow[flow < _NOTHING] = 0.0
    return Block(senders, receivers, flow)


def _symmetric_root(values: Tensor) -> Tensor:
    """Standard deviations times the root of correlations: what each unit alone would carry.

    Source: Löwdin, J. Chem. Phys. 18 (1950): of all uncorrelated variables with the same span,
    those by the symmetric root are nearest to the original ones.
    """
    spread = values.std(0, unbiased=False).clamp_min(1e-30)
    standard = ((values - values.mean(0)) / spread).double()
    power, axes = torch.linalg.eigh(standard.T @ standard / len(values))
    root = (axes * power.clamp_min(0).sqrt()) @ axes.T
    return root.float() * spread


def _slopes(scm: StructuralCausalModel, rows: Tensor, stage: Stage, each: Map) -> Tensor:
    """Mean squared slope of each unit of a site along one of its maps: ``[output]``."""
    if stage.node == each.node:
        return torch.ones(each.weight.shape[1])
    some = rows[:: max(1, len(rows) // _SLOPE_ROWS)][:_SLOPE_ROWS]
    before = {m.node: scm.taken(m.node, some) for m in stage.maps}
    moved = before[each.node]
    step = _STEP * moved.std(0, unbiased=False).clamp_min(1e-6 * moved.abs().amax().item() + 1e-30)
    ends = [
        scm.program.run({**before, each.node: moved + sign * step}, [stage.node], rows=len(some))
        for sign in (-0.5, 0.5)
    ]
    slope = (ends[1][stage.node] - ends[0][stage.node]) / step
    return slope.square().mean(0).flatten()


def _resampled(
    scm: StructuralCausalModel,
    senders: Tensor,
    receivers: Tensor,
    sample: Sample,
    memory: int,
) -> FlowGraph:
    """Resample each sender in turn, everything else held at the context."""
    runs = HybridRuns(scm, sample, memory=memory)
    count = len(scm.units)
    coordinates: Coordinates = runs.coordinates
    observed = coordinates.observed()
    held = observed.values[sample.contexts].double()
    step = max(1, min(runs.jobs_at_once, 2**22 // max(1, held.numel())))
    found: list[Tensor] = []
    for some in senders.split(step):
        states = torch.full((len(some), count), CONTEXT)
        states[torch.arange(len(some)), some] = 0
        responses = runs.run(states)
        flat = torch.cat([r[:, :, 0].flatten(2) for r in responses], dim=-1).double()
        moved = ((flat - held) / observed.scale).square().mean(1) / 2
        flow = torch.zeros(len(some), count, dtype=torch.float64)
        flow.index_add_(1, coordinates.unit_of, moved.cpu())
        flow[torch.arange(len(some)), some] = 0.0
        found.append(flow[:, receivers])
    flow = torch.cat(found)
    flow[flow < _NOTHING] = 0.0  # rounding
    site = scm.units.site
    blocks: list[Block] = []
    for source in site[senders].unique():
        for target in site[receivers].unique():
            some, reached = site[senders] == source, site[receivers] == target
            part = flow[some][:, reached].float()
            if bool(part.any()):
                blocks.append(Block(senders[some], receivers[reached], part))
    return FlowGraph(count, tuple(blocks), runs.rows_run)
