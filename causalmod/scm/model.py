"""StructuralCausalModel: a trained network as variables and mechanisms that can be intervened on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod import compiler, provenance
from causalmod.errors import InputError, SelectorError, nearest
from causalmod.interventions import Assignment, Interventions, Resample, read_value
from causalmod.scm.units import Units, find_units
from causalmod.variables import Site, Variable, expand, parse

if TYPE_CHECKING:
    import networkx as nx

EXOGENOUS = "U"
_SAME = 1e-6  # relative range under which a unit counts as constant
_SCALE_FLOOR = 1e-3  # of the site's median standard deviation


class Observations(dict[str, Tensor]):
    """Site name → activations ``[rows, *site]``; a site's further names work too."""

    def __init__(self, values: Mapping[str, Tensor], aliases: Mapping[str, str]) -> None:
        super().__init__(values)
        self._aliases = aliases

    def __missing__(self, name: str) -> Tensor:
        if name in self._aliases:
            return self[self._aliases[name]]
        raise SelectorError(f"unknown site {name!r}: {nearest(name, self)}")


class StructuralCausalModel:
    """A network, its data, and the interventions made so far. Made by :func:`compile`.

    One exogenous variable ``U`` is uniform over the rows of the data; inputs are ``X = data[U]``;
    each variable is a coordinate (or block) of a site; mechanisms are the parts of the network
    between sites, replayed exactly. Everything is deterministic given ``U``, so observed activations
    have extra independences, and conditional probabilities given rare values are often undefined.

    Source: Pearl, *Causality* (2009), definition 7.1.1.

    Example:
        >>> import torch
        >>> from causalmod import compile
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
        >>> scm = compile(net.eval(), torch.randn(8, 2, generator=torch.Generator().manual_seed(0)))
        >>> list(scm.sites)
        ['input', '0', '1', 'output']
        >>> scm.do({"1[0]": 0.0}).observe()["1"][:, 0].abs().sum().item()
        0.0
    """

    def __init__(
        self,
        program: compiler.Program,
        data: Mapping[str, Tensor],
        sites: Mapping[str, Site],
        nodes: Mapping[str, str],
        assignments: tuple[Assignment, ...] = (),
    ) -> None:
        self._program = program
        self._data = dict(data)
        self.sites = dict(sites)
        self._nodes = dict(nodes)
        self._assignments = assignments
        self._recorded: dict[str, Tensor] = {}
        self._aliases = {alias: s.name for s in self.sites.values() for alias in s.aliases}

    # --- names --------------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """Number of rows of data."""
        return next(iter(self._data.values())).shape[0]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the input sites."""
        return tuple(name for name, site in self.sites.items() if site.op == "input")

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the readouts: the network's outputs."""
        at = {node: name for name, node in self._nodes.items()}
        return tuple(at[node] for node in self._program.trace.outputs.values() if node in at)

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """Names of all variables, site by site."""
        return tuple(name for site in self.sites.values() for name in site.variables)

    def __getitem__(self, selector: str) -> Site | Variable | tuple[Variable, ...]:
        """Return the site or variables that a selector names."""
        site, indices = parse(selector)
        if indices is None:
            return self.sites[self._site_name(site, selector)]
        found = self.resolve(selector)
        return found[0] if len(found) == 1 else found

    def resolve(self, selectors: str | Iterable[str]) -> tuple[Variable, ...]:
        """Return the variables that one or several selectors name, without repeats.

        Raises:
            SelectorError: an unknown site or variable; the nearest name is suggested.
        """
        found: dict[Variable, None] = {}
        for selector in [selectors] if isinstance(selectors, str) else selectors:
            site, _ = parse(selector)
            name = self._site_name(site, selector)
            counts = {name: self.sites[name].count}
            found.update(dict.fromkeys(expand(name + selector.strip()[len(site) :], counts)))
        return tuple(found)

    def _site_name(self, name: str, selector: str) -> str:
        if name in self.sites:
            return name
        if name in self._aliases:
            return self._aliases[name]
        hidden = {n for names in compiler.named_nodes(self._program).values() for n in names}
        if name in hidden:
            raise SelectorError(
                f"{selector!r}: {name!r} is a tensor of the network but not one of the chosen "
                f"sites; compile with sites=[..., {name!r}]"
            )
        known = [*self.sites, *self._aliases]
        raise SelectorError(f"unknown site {name!r} in {selector!r}: {nearest(name, known)}")

    # --- the causal verbs ---------------------------------------------------------------------

    def observe(self) -> Observations:
        """Return the activations of every site on the data, as the interventions leave them.

        Returns:
            dict: site name → tensor ``[rows, *site]`` in the network's dtype; the outputs are always
            among them. With nothing intervened, outputs are bit-identical to the network's own.
        """
        self.record(self._nodes.values())
        values = {name: self._recorded[node] for name, node in self._nodes.items()}
        return Observations(values, self._aliases)

    def do(self, interventions: Interventions) -> StructuralCausalModel:
        """Return a mutilated model in which variables are set, whatever their mechanisms say.

        Args:
            interventions: selector → value. A number; a tensor whose first dimension is the row
                count (a value per row), or 1 (the same for all rows); a tensor with one value per
                variable; :func:`causalmod.resample`; or a function of the natural value
                ``[rows, variable, coordinate]``.

        Later calls see what earlier ones did, so ``scm.do(a).do(b)`` makes both.

        Raises:
            SelectorError: an unknown name.
            InputError: a variable set twice, or a value of the wrong shape or not finite.
        """
        new = self._assign(interventions, self.rows)
        made = (*self._assignments, *new)
        return StructuralCausalModel(self._program, self._data, self.sites, self._nodes, made)

    def counterfactual(self, interventions: Interventions, rows: Sequence[int]) -> Observations:
        """Return what would have been on given rows, had the interventions been made.

        Abduction fixes ``U`` to each row, action sets the variables, prediction replays the network.

        Args:
            interventions: as for :meth:`do`; a value per row means per row of ``rows``.
            rows: numbers of the data rows.

        Returns:
            dict: site name → tensor ``[len(rows), *site]``.
        """
        index = torch.as_tensor(list(rows), dtype=torch.long)
        if index.numel() == 0 or int(index.min()) < 0 or int(index.max()) >= self.rows:
            raise InputError(f"rows must be numbers from 0 to {self.rows - 1}; given {list(rows)}")
        patches: dict[str, list[Assignment]] = {}
        for made in self._assign(interventions, len(index)):
            patches.setdefault(made.site, []).append(made)
        values = self.replay(index, {s: _chain(a, None) for s, a in patches.items()}, clamp=False)
        joined = {name: self.sites[name].join(value) for name, value in values.items()}
        return Observations(joined, self._aliases)

    def _assign(self, interventions: Interventions, rows: int) -> list[Assignment]:
        if not isinstance(interventions, Mapping) or not interventions:
            raise InputError(
                "do() takes a non-empty mapping from selector to value, such as {'fc1[3]': 0.0}; "
                f"given {interventions!r}"
            )
        made: list[Assignment] = []
        seen: dict[Variable, str] = {}
        for selector, value in interventions.items():
            variables = self.resolve(selector)
            for variable in variables:
                if variable in seen:
                    raise InputError(
                        f"{variable} is set twice: by {seen[variable]!r} and {selector!r}"
                    )
                seen[variable] = selector
            site = self.sites[variables[0].site]
            index = torch.tensor([variable.index for variable in variables])
            new = (
                self._resampled(site, index, value, rows)
                if isinstance(value, Resample)
                else read_value(selector, site, index, value, rows)
            )
            made.append(Assignment(site.name, index, new))
        return made

    def _resampled(self, site: Site, index: Tensor, value: Resample, rows: int) -> Tensor:
        generator = torch.Generator().manual_seed(value.seed)
        recorded = self.blocks(site.name)[:, index]
        if value.joint or len(index) == 1:
            return recorded[torch.randperm(self.rows, generator=generator)[:rows]]
        orders = torch.stack([torch.randperm(self.rows, generator=generator) for _ in index], dim=1)
        return recorded.gather(0, orders[:rows, :, None].expand(-1, -1, site.width))

    # --- the machinery under the verbs ----------------------------------------------------------

    def record(self, nodes: Iterable[str]) -> None:
        """Compute and keep the values of graph nodes on all rows."""
        missing = [node for node in dict.fromkeys(nodes) if node not in self._recorded]
        if missing:
            with torch.no_grad():
                known = {**self._data, **self._recorded}
                start = {n: known[n] for n in self._program.needs(missing, known.__contains__)}
                made = {n: p for n, p in self._patches(None).items() if n not in self._recorded}
                self._recorded.update(self._program.run(start or known, missing, made))

    def _patches(self, rows: Tensor | None) -> dict[str, compiler.Patch]:
        by_site: dict[str, list[Assignment]] = {}
        for made in self._assignments:
            by_site.setdefault(made.site, []).append(made)
        return {
            self._nodes[name]: self._on_node(name, _chain(made, rows))
            for name, made in by_site.items()
        }

    def _on_node(self, name: str, change: compiler.Patch) -> compiler.Patch:
        site = self.sites[name]
        return lambda value: site.join(change(site.split(value)))

    def blocks(self, name: str) -> Tensor:
        """Return a site's recorded activations as ``[rows, variable, coordinate]``."""
        self.record([self._nodes[name]])
        return self.sites[name].split(self._recorded[self._nodes[name]])

    def recorded(self, node: str) -> Tensor:
        """Return the value of a graph node on all rows."""
        self.record([node])
        return self._recorded[node]

    def site_at(self, node: str) -> str | None:
        """Return the name of the site at a graph node, if it is one."""
        return next((name for name, at in self._nodes.items() if at == node), None)

    def replay(
        self,
        rows: Tensor,
        patches: Mapping[str, compiler.Patch],
        wanted: Iterable[str] | None = None,
        clamp: bool = True,
        free: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Run part of the network on data rows with changes at some sites.

        Args:
            rows: numbers of data rows, one per run; repeats are fine.
            patches: site → function of its natural blocks ``[run, variable, coordinate]``.
            wanted: sites to return; all by default.
            clamp: hold units that are constant on the data at their constant.
            free: site → positions of variables that are not clamped all the same.

        Returns:
            dict: site → blocks ``[run, variable, coordinate]``.
        """
        wanted = list(self.sites if wanted is None else wanted)
        steps = {self._nodes[name]: [self._on_node(name, patch)] for name, patch in patches.items()}
        moved: set[str] = set()
        for node in steps:
            moved |= self._program.descendants(node)
        if clamp:
            for name, constant in self.constant.items():
                held = constant.clone()
                held[(free or {}).get(name, [])] = False
                if self._nodes[name] in moved and bool(held.any()):
                    steps.setdefault(self._nodes[name], []).insert(0, self._clamp(name, held))
        for node, patch in self._patches(rows).items():
            if node in moved:
                steps.setdefault(node, []).insert(0, patch)
        targets = [self._nodes[name] for name in wanted]
        program = self._program
        ends = program.needs(targets, lambda n: n not in moved and program.by_row[n])
        self.record(ends)
        with torch.no_grad():
            known = {node: self._recorded[node][rows] for node in ends}
            values = program.run(known, targets, {n: _compose(s) for n, s in steps.items()})
        return {name: self.sites[name].split(values[self._nodes[name]]) for name in wanted}

    def _clamp(self, name: str, held: Tensor) -> compiler.Patch:
        value = self.blocks(name)[:1]
        mask = held[None, :, None]
        return self._on_node(name, lambda blocks: torch.where(mask, value, blocks))

    # --- facts about the variables --------------------------------------------------------------

    @cached_property
    def constant(self) -> dict[str, Tensor]:
        """Site → bool ``[variable]``: does it take one value only (within 1e-6 relative)?"""
        found: dict[str, Tensor] = {}
        for name in self.sites:
            blocks = self.blocks(name)
            low, high = blocks.amin(0), blocks.amax(0)
            if not blocks.is_floating_point():
                found[name] = (high == low).all(-1)
                continue
            size = torch.maximum(low.abs(), high.abs())
            found[name] = ((high - low) <= _SAME * size).all(-1)
        return found

    @cached_property
    def scales(self) -> dict[str, Tensor]:
        """Site → standard deviation ``[variable, coordinate]`` on the data, with a floor.

        The floor is 1e-3 of the median over the site's varying units: a unit that hardly moves
        must not be measured with a microscope.
        """
        found: dict[str, Tensor] = {}
        for name in self.sites:
            spread = self.blocks(name).double().std(0, unbiased=False)
            moving = spread[spread > 0]
            floor = _SCALE_FLOOR * float(moving.median()) if moving.numel() else 1.0
            found[name] = spread.clamp_min(floor)
        return found

    @cached_property
    def edges(self) -> dict[tuple[str, str], Tensor]:
        """(source site, target site) → bool ``[source variable, target variable]``, structural."""
        found: dict[tuple[str, str], Tensor] = {}
        for source in self.sites:
            reached = compiler.direct_edges(self._program, self.sites, self._nodes, source)
            found.update({(source, target): matrix for target, matrix in reached.items()})
        return found

    @cached_property
    def graph(self) -> nx.DiGraph:
        """The causal graph: variables, the exogenous ``U``, and structural edges.

        An edge says that a change *may* pass directly (through no other variable): weights that are
        exactly zero carry nothing, anything else may. Nodes carry ``site`` and ``index``.
        """
        import networkx as nx

        graph: nx.DiGraph = nx.DiGraph()
        graph.add_node(EXOGENOUS, exogenous=True)
        for site in self.sites.values():
            for index, name in enumerate(site.variables):
                graph.add_node(name, site=site.name, index=index, exogenous=False)
        for name in self.inputs:
            graph.add_edges_from(
                (EXOGENOUS, v, {"structural": True}) for v in self.sites[name].variables
            )
        for (source, target), matrix in self.edges.items():
            start, end = self.sites[source].variables, self.sites[target].variables
            pairs = matrix.nonzero().tolist()
            graph.add_edges_from((start[i], end[j], {"structural": True}) for i, j in pairs)
        return graph

    @cached_property
    def representative(self) -> dict[str, str]:
        """Site → the site that stands for it in partitions (its activation, as a rule)."""
        return compiler.representatives(self._program, self._nodes)

    @cached_property
    def units(self) -> Units:
        """The live units that a partition splits, and the inert ones with the reason."""
        return find_units(self)

    # --- other models of the same shape ---------------------------------------------------------

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Graph node → parameter or buffer, as the model uses them."""
        return {name: self._program.constants[name] for name in self._program.trace.parameters}

    @property
    def program(self) -> compiler.Program:
        """The replayable operations behind this model."""
        return self._program

    def with_parameters(self, changed: Mapping[str, Tensor]) -> StructuralCausalModel:
        """Return the same network with some parameters replaced (by graph node)."""
        program = self._program.with_constants(changed)
        return StructuralCausalModel(
            program, self._data, self.sites, self._nodes, self._assignments
        )

    def with_rows(self, rows: Tensor) -> StructuralCausalModel:
        """Return the same model on some of the data rows."""
        if self._assignments:
            raise InputError("with_rows() works on the unmutilated model: call it before do()")
        data = {name: value[rows] for name, value in self._data.items()}
        return StructuralCausalModel(self._program, data, self.sites, self._nodes)

    def provenance(self, seed: int | None, seconds: float) -> provenance.Provenance:
        """Describe where a result computed on this model comes from."""
        return provenance.Provenance(seed, *self._digests, seconds, provenance.versions())

    @cached_property
    def _digests(self) -> tuple[str, str]:
        named = {self._program.trace.parameters[node]: t for node, t in self.parameters.items()}
        return provenance.digest(sorted(named.items())), provenance.digest(self._data.items())

    def __repr__(self) -> str:
        made = f", {len(self._assignments)} interventions" if self._assignments else ""
        sizes = ", ".join(f"{name}: {site.count}" for name, site in self.sites.items())
        return f"StructuralCausalModel({self.rows} rows; {sizes}{made})"


def _chain(assignments: Sequence[Assignment], rows: Tensor | None) -> compiler.Patch:
    def change(blocks: Tensor) -> Tensor:
        for made in assignments:
            blocks = made.apply(blocks, rows)
        return blocks

    return change


def _compose(patches: Sequence[compiler.Patch]) -> compiler.Patch:
    def change(value: Tensor) -> Tensor:
        for patch in patches:
            value = patch(value)
        return value

    return change
