"""Do the chosen variables carry the computation, or does it go past them?"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod import compiler
from causalmod._display import html_table
from causalmod.errors import CausalmodWarning

if TYPE_CHECKING:
    from causalmod.scm.mechanisms import Mechanisms
    from causalmod.scm.model import StructuralCausalModel

ENOUGH = 0.9
_CONTEXTS, _DONORS = 32, 16
_TRIED = 48  # tensors past the variables that are tried, in a large network
_GAIN = 0.01
_SHOWN = 3


@dataclass(frozen=True)
class Carried:
    """How much of what the network puts out goes through its variables.

    Attributes:
        share: share of the readouts' variance that moves when all variables (but inputs and
            outputs) take their values of another row while the input is held: ``E_x Var(Y | x)``
            over ``Var(Y)``, the mean over the network's outputs. 1: what the network puts out
            depends on the input through the variables alone.
        bypasses: tensors of the network past the variables → the share if they were variables too,
            the largest first.
        rows: number of context rows.

    Example:
        >>> Carried(0.62, {"blocks.0": 0.97})
        Carried(0.62; with blocks.0: 0.97)
    """

    share: float
    bypasses: dict[str, float] = field(default_factory=dict)
    rows: int = 0

    @property
    def enough(self) -> bool:
        """Is the share at least .9, or is there nothing else that could be chosen?"""
        return self.share >= ENOUGH or not self.bypasses

    def __repr__(self) -> str:
        past = ", ".join(f"{name}: {share:.2f}" for name, share in self.bypasses.items())
        return f"Carried({self.share:.2f}{f'; with {past}' if past else ''})"

    def _repr_html_(self) -> str:
        rows = [("share carried", f"{self.share:.2f}")]
        rows += [(f"with {name}", f"{share:.2f}") for name, share in self.bypasses.items()]
        return html_table("Carried", rows)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write.

        Example:
            >>> Carried(1.0, rows=32).to_dict()
            {'share': 1.0, 'bypasses': {}, 'rows': 32}
        """
        return {"share": self.share, "bypasses": dict(self.bypasses), "rows": self.rows}


def find_carried(scm: Mechanisms, seed: int = 0) -> Carried:
    """Resample all variables with the input held, and see how much the readouts move.

    Where that is less than .9 of their variance, each tensor of the network that lies on a way past
    the variables is tried in addition.
    """
    generator = torch.Generator().manual_seed(seed)
    contexts = torch.randperm(scm.rows, generator=generator)[:_CONTEXTS]
    donors = torch.randperm(scm.rows, generator=generator)[:_DONORS]
    # all contexts have the same donors: where the donor alone decides, no context differs
    donors = donors.expand(len(contexts), -1)
    ends = {scm.node_of(name) for name in scm.outputs}
    start = {scm.node_of(name) for name in scm.inputs}
    chosen = {scm.node_of(name): name for name in scm.sites}
    chosen = {node: name for node, name in chosen.items() if node not in ends | start}
    sample = (contexts, donors)
    share = _share(scm, set(chosen), sample)
    if share >= ENOUGH:
        return Carried(share, {}, len(contexts))
    past = _past(scm, start, ends, set(chosen))
    tried = list(past.items())[-_TRIED:]
    found = {name: _share(scm, {*chosen, node}, sample) for name, node in tried}
    better = {name: with_it for name, with_it in found.items() if with_it > share + _GAIN}
    ordered = dict(sorted(better.items(), key=lambda item: -item[1]))
    return Carried(share, ordered, len(contexts))


def warn_if_bypassed(scm: StructuralCausalModel, stacklevel: int = 3) -> None:
    """Warn where much of the computation goes past the chosen variables.

    A model that was made of functions has no others: its inputs are exogenous variables.
    """
    if scm.note or scm.carried.enough:
        return
    found = scm.carried
    names = list(found.bypasses)
    shown = ", ".join(f"{name!r}" for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    warnings.warn(
        f"the chosen variables carry {found.share:.0%} of what moves the network's outputs; the "
        f"rest goes past them through {shown}{more}, so it belongs to no module: compile with "
        "sites= that name these too (scm.carried has the figures)",
        CausalmodWarning,
        stacklevel=stacklevel,
    )


def _past(scm: Mechanisms, start: set[str], ends: set[str], chosen: set[str]) -> dict[str, str]:
    """Tensors on a way from an input to an output that meets no variable: name → node."""
    program = scm.program
    closed = chosen | start | ends
    below, above = set(start), set(ends)
    for name, node in program.nodes.items():
        if name not in closed and any(each.name in below for each in node.all_input_nodes):
            below.add(name)
    for name, node in reversed(program.nodes.items()):
        if name not in closed and any(user.name in above for user in node.users):
            above.add(name)
    found = (below & above) - start - ends
    every = compiler.Catalogue(program).available
    return {site.name: node for node, site in every.items() if node in found}


def _share(scm: Mechanisms, held: set[str], sample: tuple[Tensor, Tensor]) -> float:
    """Share of the readouts' variance that moves with the tensors at some nodes.

    A readout that is a variable is set as well for those that follow from it.
    """
    program = scm.program
    goals = [scm.node_of(name) for name in scm.outputs]
    sites = {scm.node_of(name) for name in scm.sites}
    groups: dict[frozenset[str], list[str]] = {}
    for goal in goals:
        before = {n for n in goals if n in sites and goal in program.descendants(n)}
        groups.setdefault(frozenset(held | before), []).append(goal)
    found = [share for some, those in groups.items() for share in _shares(scm, some, those, sample)]
    return sum(found) / len(found) if found else 1.0


def _shares(
    scm: Mechanisms, held: frozenset[str], goals: list[str], sample: tuple[Tensor, Tensor]
) -> list[float]:
    """:func:`_share` of each readout that varies."""
    contexts, donors = sample
    rows, entries = contexts[:, None].expand(donors.shape).reshape(-1), donors.reshape(-1)
    program = scm.program
    moved = {each for node in held for each in program.descendants(node)} - held
    ends = program.needs(
        goals, lambda node: node in held or (node not in moved and node in program.rows_at)
    )
    known = {node: scm.taken(node, entries if node in held else rows) for node in ends}
    patches = {node: p for node, p in scm.patches_of(rows).items() if node not in known}
    views = [view for view in scm.views_of(rows) if view.route.receiver not in known]
    values = program.run(known, goals, patches, views, rows=len(rows))
    shares: list[float] = []
    for node in goals:
        blocks = scm.site_of(node).split(values[node]).double().flatten(1)
        blocks = blocks.unflatten(0, donors.shape)
        means = blocks.mean(1)
        within = blocks.var(1).mean(0)
        apart = blocks - means[:, None] - blocks.mean(0) + blocks.mean((0, 1))
        spare = (donors.shape[0] - 1) * (donors.shape[1] - 1)
        noise = apart.square().sum((0, 1)) / spare / donors.shape[1]  # of a mean over donors
        between = (means.var(0) - noise).clamp_min(0)
        total = float((within + between).sum())
        if total > 0:
            shares.append(float(within.sum()) / total)
    return shares
