"""Graphs of a model: over variables, over sites, and what is active on the data."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from causalmod import compiler
from causalmod.errors import InputError
from causalmod.interventions import Held, read_seed
from causalmod.scm.activity import Activity, measure
from causalmod.scm.carried import Carried, find_carried
from causalmod.scm.facts import EXOGENOUS, causal_graph
from causalmod.scm.names import NamedMechanisms

if TYPE_CHECKING:
    import networkx as nx

_MOST_PAIRS = 20_000_000  # pairs of variables on neighbouring sites, in one graph


class GraphedMechanisms(NamedMechanisms):
    """Mechanisms with their causal graphs, and how much of the network these hold."""

    _activity: Activity | None = None

    @cached_property
    def graph(self) -> nx.DiGraph:
        """The causal graph: variables, the exogenous ``U``, and structural edges.

        An edge says that a change *may* pass directly (through no other variable): weights that are
        exactly zero carry nothing, anything else may. Nodes carry ``site`` and ``index``; edges
        carry ``structural`` and, after :meth:`activity`, ``active`` and ``strength``. Arrows into
        variables that :meth:`do` has set are gone, unless to a function of the natural value.

        Raises:
            InputError: the model is too large; see :attr:`site_graph` and :meth:`variable_graph`.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.Linear(1, 2).eval(), torch.ones(4, 1))
            >>> sorted(scm.graph.edges)
            [('U', 'input[0]'), ('input[0]', 'output[0]'), ('input[0]', 'output[1]')]
        """
        self._check_size(self.site_pairs)
        return self._draw(self.sites, self.edges)

    def variable_graph(self, sites: str | Iterable[str]) -> nx.DiGraph:
        """Return the causal graph over the variables of some sites only.

        An edge says that a change may pass from one to the other through no variable of these
        sites; the others are left to respond.

        Args:
            sites: names of sites.

        Raises:
            SelectorError: an unknown site.
            InputError: there are no sites, or they have too many variables.

        Example:
            >>> import torch, causalmod as cm
            >>> parts = torch.nn.Linear(1, 9), torch.nn.Tanh(), torch.nn.Linear(9, 1)
            >>> scm = cm.compile(torch.nn.Sequential(*parts).eval(), torch.ones(4, 1))
            >>> sorted(scm.variable_graph(["input", "output"]).edges)
            [('U', 'input[0]'), ('input[0]', 'output[0]')]
        """
        chosen = set(self._asked(sites))
        if not chosen:
            raise InputError("variable_graph() needs at least one site")
        names = [name for name in self.sites if name in chosen]
        held = {name: self.sites[name] for name in names}
        nodes = {name: self.node_of(name) for name in names}
        self._check_size(compiler.site_edges(self._program, nodes))
        edges = {}
        for source in names:
            found, _ = compiler.direct_edges(self._program, held, nodes, source, {})
            edges.update({(source, target): matrix for target, matrix in found.items()})
        self._cut(edges)
        return self._draw(held, edges)

    @cached_property
    def site_graph(self) -> nx.DiGraph:
        """The causal graph over sites: for networks too large for one over variables.

        Nodes are the sites, the outputs that are none, and ``U``; they carry ``shape``,
        ``variables``, ``grain`` and ``op``. An edge says that a change may pass through no other
        site. Sites of which all variables are set by :meth:`do` have no arrows into them.

        Example:
            >>> import torch, causalmod as cm
            >>> net = torch.nn.Sequential(torch.nn.Linear(1, 9), torch.nn.Tanh())
            >>> scm = cm.compile(net.eval(), torch.ones(4, 1))
            >>> list(scm.site_graph.edges)
            [('U', 'input'), ('input', '0'), ('0', 'output')]
        """
        import networkx as nx

        graph: nx.DiGraph = nx.DiGraph()
        graph.add_node(EXOGENOUS, exogenous=True)
        for name in self._nodes:
            site = self.site(name)
            graph.add_node(
                name, exogenous=False, shape=site.shape, variables=site.count, grain=site.grain,
                op=site.op,
            )  # fmt: skip
        closed = self._closed
        held = {made.site: None for made in self._assignments if isinstance(made, Held)}
        graph.add_edges_from(
            (EXOGENOUS, name)
            for name in [*self.inputs, *held]
            if name not in closed or name in held
        )
        graph.add_edges_from((s, t) for s, t in sorted(self.site_pairs) if t not in closed)
        return graph

    @cached_property
    def site_pairs(self) -> frozenset[tuple[str, str]]:
        """Pairs of sites (or outputs) that a way through no other site joins.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.Linear(1, 9).eval(), torch.ones(4, 1))
            >>> scm.site_pairs
            frozenset({('input', 'output')})
        """
        return frozenset(compiler.site_edges(self._program, self._nodes))

    def activity(
        self, sites: str | Iterable[str] | None = None, *, rows: int = 64, seed: int = 0
    ) -> Activity:
        """Find out which structural edges are active on the data, and how strongly.

        Each variable in turn takes the value that it has on another row, all other sites are held,
        and what moves is noted. The edges of :attr:`graph` carry ``active`` and ``strength`` from
        then on. Finite interventions see less than what is possible: an edge that is not active
        here may be so on other data.

        Args:
            sites: the sites that are moved; all by default.
            rows: number of data rows to try (at most all), drawn at random.
            seed: seed of the rows and their donors.

        Raises:
            SelectorError: an unknown site.
            InputError: ``rows`` is no positive number, or ``seed`` no whole number.

        Example:
            >>> import torch, causalmod as cm
            >>> net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
            >>> with torch.no_grad():
            ...     _ = net[0].weight.copy_(torch.eye(2)), net[0].bias.copy_(torch.tensor([0, -9.]))
            >>> scm = cm.compile(net.eval(), torch.rand(8, 2, generator=torch.Generator()))
            >>> scm.activity().to_frame()[["source", "target"]].values.tolist()[-1]
            ['0[0]', 'output[0]']
            >>> scm.graph.edges["0[1]", "output[1]"]["active"]
            False
        """
        if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
            raise InputError(f"rows is a positive whole number; given {rows!r}")
        names = self._asked(list(self.sites) if sites is None else sites)
        generator = torch.Generator().manual_seed(read_seed(seed))
        picked = torch.randperm(self.rows, generator=generator)[:rows].sort().values
        found = measure(self, names, picked, seed)
        strength = {**(self._activity.strength if self._activity else {}), **found.strength}
        self._activity = Activity(strength, found.variables, found.rows, found.provenance)
        self.__dict__.pop("graph", None)  # it is drawn again, with what is known now
        return found

    def _asked(self, sites: str | Iterable[str]) -> list[str]:
        """Names of the sites that a user asks for, each once."""
        one = isinstance(sites, str) or not isinstance(sites, Iterable)
        names = [
            variable.site for each in ([sites] if one else sites) for variable in self.resolve(each)
        ]
        return list(dict.fromkeys(names))

    @cached_property
    def carried(self) -> Carried:
        """The share of what moves the outputs that goes through the variables, found once.

        Where it is below .9, the tensors past the variables through which the rest goes.

        Example:
            >>> import torch, causalmod as cm
            >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
            >>> data = torch.randn(32, 2, generator=torch.Generator().manual_seed(0))
            >>> cm.compile(net.eval(), data, sites=["output"]).carried.share
            0.0
        """
        return find_carried(self)

    def _draw(self, sites: dict, edges: dict) -> nx.DiGraph:
        inputs = [name for name in sites if name in self.inputs]
        driven = dict.fromkeys(v for name in inputs for v in sites[name].variables)
        for made in self._assignments:
            names = [self.sites[made.site].variables[index] for index in made.index.tolist()]
            if isinstance(made, Held) and made.site in sites:
                driven.update(dict.fromkeys(names))
            elif not made.is_soft:
                driven = {name: None for name in driven if name not in set(names)}
        strength = self._activity.strength if self._activity else {}
        return causal_graph(sites, driven, edges, strength)

    @property
    def _closed(self) -> set[str]:
        """Sites of which every variable is set."""
        held: dict[str, set[int]] = {}
        for made in self._assignments:
            if not made.is_soft:
                held.setdefault(made.site, set()).update(made.index.tolist())
        return {name for name, index in held.items() if len(index) == self.sites[name].count}

    def _check_size(self, pairs: Iterable[tuple[str, str]]) -> None:
        count = sum(self.site(s).count * self.site(t).count for s, t in pairs)
        if count > _MOST_PAIRS:
            raise InputError(
                f"a graph over these variables may have {count:,} edges, more than "
                f"{_MOST_PAIRS:,}; use scm.site_graph, or scm.variable_graph([...]) for the sites "
                "in question"
            )
