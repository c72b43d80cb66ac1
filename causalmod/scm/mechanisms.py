"""Mechanisms: a network on its data, recorded once, and replayed from any site to any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from causalmod import compiler, provenance
from causalmod.interventions import Assignment, EdgeAssignment, chain
from causalmod.scm import facts
from causalmod.scm.sites import Sites
from causalmod.scm.views import Edges, on_rows, views
from causalmod.variables import Site, Variable


class Mechanisms:
    """The machinery under a structural causal model: what was observed, and what follows from it.

    Args:
        program: the operations of the network.
        data: input node → data.
        sites: site name → site, in the order of the network.
        nodes: name of a site or readout → node.
        readouts: the network's outputs that are no sites, by name; they are observed all the same.
        assignments: the interventions made so far.
        on_edges: those on edges.

    Attributes:
        sites: site name → site, in the order of the network.
    """

    def __init__(
        self,
        program: compiler.Program,
        data: Mapping[str, Tensor],
        sites: Mapping[str, Site],
        nodes: Mapping[str, str],
        readouts: Mapping[str, Site],
        *,
        assignments: tuple[Assignment, ...] = (),
        on_edges: tuple[EdgeAssignment, ...] = (),
    ) -> None:
        self._program = program
        self._data = dict(data)
        self.sites = Sites(sites)
        self._nodes = dict(nodes)
        self._readouts = dict(readouts)
        self._assignments = assignments
        self._on_edges = on_edges
        self._recorded: dict[str, Tensor] = {}
        self._read: dict[str, Tensor] = {}  # of sites in a basis: their coordinates
        self._site_at = {self._nodes[name]: name for name in self.sites}

    # --- what was observed ----------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """Number of rows of data."""
        return next(iter(self._data.values())).shape[0]

    @property
    def device(self) -> torch.device:
        """Where the parameters and the data are, and everything is computed."""
        return next(iter(self._data.values())).device

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the input sites."""
        return tuple(name for name, site in self.sites.items() if site.op == "input")

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the readouts: the network's outputs, whether or not they are variables."""
        at = {node: name for name, node in self._nodes.items()}
        return tuple(dict.fromkeys(at[node] for node in self._program.trace.outputs.values()))

    @property
    def program(self) -> compiler.Program:
        """The replayable operations behind this model."""
        return self._program

    def record(self, nodes: Iterable[str]) -> None:
        """Compute and keep the values of graph nodes on all rows."""
        missing = [node for node in dict.fromkeys(nodes) if node not in self._recorded]
        if missing:
            known = {**self._data, **self._recorded}
            seen = [v for v in self.views_of(None) if v.route.receiver not in self._recorded]
            ends = self._program.needs(missing, known.__contains__, [view.route for view in seen])
            made = {n: p for n, p in self.patches_of(None).items() if n not in self._recorded}
            start = {node: known[node] for node in ends}
            self._recorded.update(self._program.run(start, missing, made, seen, rows=self.rows))

    def recorded(self, node: str) -> Tensor:
        """Return the value of a graph node on all rows."""
        self.record([node])
        return self._recorded[node]

    def blocks(self, name: str) -> Tensor:
        """Return a site's recorded activations as ``[rows, variable, coordinate]``.

        Example:
            >>> import torch, causalmod as cm
            >>> net = torch.nn.Conv2d(1, 3, 1).eval()  # three channels of 5 × 5 pixels
            >>> cm.compile(net, torch.ones(4, 1, 5, 5)).blocks("output").shape
            torch.Size([4, 3, 25])
        """
        site = self.site(name)
        if site.basis is None:
            return site.split(self.recorded(self._nodes[name]))
        recorded = self.recorded(self._nodes[name])
        if name not in self._read:
            read = site.split(recorded)
            if read.requires_grad:  # a basis that is being learned
                return read
            self._read[name] = read
        return self._read[name]

    def taken(self, node: str, rows: Tensor) -> Tensor:
        """Return recorded values of a graph node on given rows, repeats included."""
        place, recorded = self._program.rows[node], self.recorded(node)
        if place.parts == 1:
            return compiler.take_rows(recorded, rows, place.dim)
        apart = recorded.unflatten(place.dim, (-1, place.parts))
        return apart.index_select(place.dim, rows).flatten(place.dim, place.dim + 1)

    def site_of(self, node: str) -> Site:
        """Return the site, or output that is none, at a graph node."""
        return self.site(next(name for name, at in self._nodes.items() if at == node))

    def site_at(self, node: str) -> str | None:
        """Return the name of the site at a graph node, if it is one."""
        return self._site_at.get(node)

    def site(self, name: str) -> Site:
        """Return a site, or an output that is none, by its name."""
        return self.sites[name] if name in self.sites else self._readouts[name]

    def node_of(self, name: str) -> str:
        """Return the graph node of a site or output."""
        return self._nodes[name]

    def _keep_what_stays(self, before: Mechanisms) -> None:
        """Take over from an earlier model what the interventions since then do not change."""
        made = self._assignments[len(before._assignments) :]
        changed = {self._nodes[each.site] for each in made}
        changed |= {self._nodes[each.receiver] for each in self._on_edges[len(before._on_edges) :]}
        changed |= {n for node in changed for n in self._program.descendants(node)}
        self._recorded = {n: v for n, v in before._recorded.items() if n not in changed}
        self._read = {n: v for n, v in before._read.items() if self._nodes[n] not in changed}

    # --- where it comes from ---------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return what the model is made of: the arguments that make it again."""
        return {
            "program": self._program,
            "data": self._data,
            "sites": dict(self.sites),
            "nodes": self._nodes,
            "readouts": self._readouts,
            "assignments": self._assignments,
            "on_edges": self._on_edges,
        }

    def provenance(self, seed: int | None, seconds: float) -> provenance.Provenance:
        """Describe where a result computed on this model comes from."""
        return provenance.Provenance(seed, *self.digests, seconds, provenance.versions())

    @cached_property
    def digests(self) -> tuple[str, str]:
        """SHA-256 of the network (graph, parameters and bases) and of the data."""
        bases = [part for site in self.sites.values() for part in site.parts()]
        held = [*self._program.held(), *bases]
        model = provenance.digest(held, str(self._program.trace.graph))
        return model, provenance.digest(self._data.items())

    # --- replay ---------------------------------------------------------------------------------

    def replay(
        self,
        rows: Tensor,
        patches: Mapping[str, compiler.Patch],
        wanted: Iterable[str] | None = None,
        clamp: bool = True,
        free: Mapping[str, Tensor] | None = None,
        on_edges: Sequence[EdgeAssignment] = (),
        *,
        differentiable: bool = False,
    ) -> dict[str, Tensor]:
        """Run part of the network on data rows with changes at some sites.

        Only what the patches may change is computed again. A matrix product may round otherwise for
        another number of rows, so figures agree with the recorded ones to rounding, and bit for bit
        when ``rows`` are all rows in order.

        Args:
            rows: numbers of data rows, one per run; repeats are fine.
            patches: site → function of its natural blocks ``[run, variable, coordinate]``.
            wanted: sites to return; all, and the readouts, by default.
            clamp: hold units that are constant on the data at their constant.
            free: site → positions of variables that are not clamped all the same.
            on_edges: further interventions on edges; their values have one row per run.
            differentiable: let gradients flow from the results to what the patches put in.

        Returns:
            dict: site → blocks ``[run, variable, coordinate]``.
        """
        wanted = list(self._nodes if wanted is None else wanted)
        steps = {self._nodes[name]: [self._on_node(name, patch)] for name, patch in patches.items()}
        moved: set[str] = set()
        for node in [*steps, *(self._nodes[each.receiver] for each in on_edges)]:
            moved |= self._program.descendants(node)
        receivers = {self._nodes[each.receiver] for each in on_edges}
        moved |= receivers
        if clamp:
            for name, constant in self.constant.items():
                held = constant.clone()
                held[(free or {}).get(name, [])] = False
                if self._nodes[name] in moved and bool(held.any()):
                    steps.setdefault(self._nodes[name], []).insert(0, self._clamp(name, held))
        for node, patch in self.patches_of(rows).items():
            if node in moved:
                steps.setdefault(node, []).insert(0, patch)
        seen = [view for view in self.views_of(rows, on_edges) if view.route.receiver in moved]
        routes = [view.route for view in seen]
        targets = [self._nodes[name] for name in wanted]
        program = self._program
        ends = program.ends(frozenset(moved), tuple(targets), tuple(routes))
        self.record(ends)
        known = {n: compiler.take_rows(self._recorded[n], rows, program.rows_at[n]) for n in ends}
        changes = {node: _compose(made) for node, made in steps.items()}
        values = program.run(
            known, targets, changes, seen, rows=len(rows), differentiable=differentiable
        )
        return {name: self.site(name).split(values[self._nodes[name]]) for name in wanted}

    def rerun(self, rows: Tensor) -> dict[str, Tensor]:
        """Run the whole network on data rows: site or readout → blocks, one run per row."""
        data = {node: value[rows] for node, value in self._data.items()}
        targets = list(self._nodes.values())
        seen = self.views_of(rows)
        values = self._program.run(data, targets, self.patches_of(rows), seen, rows=len(rows))
        return {name: self.site(name).split(values[node]) for name, node in self._nodes.items()}

    @property
    def assignments(self) -> tuple[Assignment, ...]:
        """The interventions on variables made so far."""
        return self._assignments

    def patches_of(self, rows: Tensor | None) -> dict[str, compiler.Patch]:
        """Return node → what the interventions made so far make of its value.

        Args:
            rows: which data row each run is on; None for all rows in order.
        """
        by_site: dict[str, list[Assignment]] = {}
        for made in self._assignments:
            by_site.setdefault(made.site, []).append(made)
        return {
            self._nodes[name]: self._on_node(name, chain(made, rows))
            for name, made in by_site.items()
        }

    @cached_property
    def edge_routes(self) -> Edges:
        """The edges on which an intervention can be made."""
        return Edges(self._program, self._nodes, compiler.stream(self._program))

    def views_of(
        self, rows: Tensor | None, more: Sequence[EdgeAssignment] = ()
    ) -> list[compiler.View]:
        """Return what the receivers of interventions on edges see.

        Args:
            rows: which data row each run is on; None for all rows in order.
            more: further interventions, whose values have one row per run.
        """
        made = [on_rows(each, rows) for each in self._on_edges]
        if not made and not more:
            return []
        return views(self.edge_routes, [*made, *more], self.site, self._nodes.__getitem__)

    def _on_node(self, name: str, change: compiler.Patch) -> compiler.Patch:
        site = self.site(name)
        return lambda value: site.changed(value, change)

    def _clamp(self, name: str, held: Tensor) -> compiler.Patch:
        value = self.blocks(name)[:1]
        mask = held[None, :, None].to(value.device)
        return self._on_node(name, lambda blocks: torch.where(mask, value, blocks))

    # --- facts about the variables --------------------------------------------------------------

    @cached_property
    def constant(self) -> dict[str, Tensor]:
        """Site → bool ``[variable]``: does it take one value only (within 1e-6 relative)?"""
        return {name: facts.is_constant(*self._sized(name)) for name in self.sites}

    @cached_property
    def scales(self) -> dict[str, Tensor]:
        """Site → standard deviation ``[variable, coordinate]`` on the data, with a floor.

        The floor is 1e-3 of the median over the site's varying units: a unit that hardly moves
        must not be measured with a microscope.
        """
        return {name: facts.spread(*self._sized(name)) for name in self.sites}

    def _sized(self, name: str) -> tuple[Tensor, Tensor | None]:
        """Blocks of a site, and how large the terms are that they are sums of, in a basis."""
        return self.blocks(name), self.site(name).size_of_terms(self.recorded(self._nodes[name]))

    @cached_property
    def edges(self) -> dict[tuple[str, str], Tensor]:
        """(source site, target site) → bool ``[source variable, target variable]``, structural.

        A variable that an intervention has set listens to none.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.Linear(2, 3).eval(), torch.eye(2))
            >>> scm.do({"output[1]": 0.0}).edges["input", "output"].int().tolist()
            [[1, 0, 1], [1, 0, 1]]
        """
        return self._influence[0]

    @property
    def to_readouts(self) -> dict[str, Tensor]:
        """Site → bool ``[variable]``: may it reach an output that is no site, through no site?"""
        return self._influence[1]

    @cached_property
    def _influence(self) -> tuple[dict[tuple[str, str], Tensor], dict[str, Tensor]]:
        edges: dict[tuple[str, str], Tensor] = {}
        read: dict[str, Tensor] = {}
        ends = {name: self._nodes[name] for name in self._readouts}
        nodes = {name: self._nodes[name] for name in self.sites}
        for source in self.sites:
            found, read[source] = compiler.direct_edges(
                self._program, self.sites, nodes, source, ends
            )
            edges.update({(source, target): matrix for target, matrix in found.items()})
        self._cut(edges)
        return edges, read

    def _cut(self, edges: Mapping[tuple[str, str], Tensor]) -> None:
        """Take out the arrows that interventions have cut."""
        for made in self._assignments:
            for (_, target), matrix in edges.items():
                if target == made.site and not made.is_soft:
                    matrix[:, made.index] = False
        for each in self._on_edges:
            matrix = edges.get((each.sent.site, each.receiver))
            if matrix is not None and not each.sent.is_soft:
                matrix[each.sent.index[:, None], each.index] = False

    @cached_property
    def representative(self) -> dict[str, str]:
        """Site → the site that stands for it in partitions (its activation, as a rule).

        In a chain of tied sites, one in a basis stands for the others.
        """
        based = {name for name, site in self.sites.items() if site.basis is not None}
        nodes = {name: self._nodes[name] for name in self.sites}
        return compiler.representatives(self._program, nodes, based)

    def unit_of(self, variable: Variable) -> str | None:
        """Return the unit that a variable counts as; None where it is part of several.

        A variable before its activation is the same unit; but not where one of the two sites is
        read in a basis.
        """
        home = self.representative[variable.site]
        if home != variable.site and not self.sites[home].alike(self.sites[variable.site]):
            return None
        return Variable(home, variable.index).name


def _compose(patches: Sequence[compiler.Patch]) -> compiler.Patch:
    def change(value: Tensor) -> Tensor:
        for patch in patches:
            value = patch(value)
        return value

    return change
