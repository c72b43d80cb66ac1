"""StructuralCausalModel: a trained network as variables that can be observed and intervened on."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod import compiler, provenance
from causalmod.errors import InputError, SelectorError, nearest
from causalmod.interventions import Assignment, EdgeAssignment, Interventions, chain
from causalmod.partition import Partition
from causalmod.scm.assign import assign
from causalmod.scm.facts import causal_graph
from causalmod.scm.mechanisms import Mechanisms
from causalmod.scm.modules import Modules, read_modules
from causalmod.scm.observations import Observations
from causalmod.scm.sites import Sites
from causalmod.scm.units import Units, find_units
from causalmod.variables import Site, Variable, expand, parse

if TYPE_CHECKING:
    import networkx as nx


class StructuralCausalModel(Mechanisms):
    """A network, its data, and the interventions made so far. Made by :func:`compile`.

    One exogenous variable ``U`` is uniform over the rows of the data; inputs are ``X = data[U]``;
    each variable is a coordinate (or block) of a site; mechanisms are the parts of the network
    between sites, replayed exactly. Everything is deterministic given ``U``, so observed
    activations have extra independences, and conditional probabilities given rare values are often
    undefined.

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

    note: str = ""
    """Where the rows come from, if there is something to say."""

    sampled: bool = False
    """Are the rows draws from a known law, rather than all that there is?"""

    independent: frozenset[str] = frozenset()
    """Input sites that are known to be independent of all other inputs."""

    _modules: Modules = {}  # noqa: RUF012  (never changed: with_partition gives a copy its own)

    # --- names --------------------------------------------------------------------------------

    @cached_property
    def available(self) -> Sites:
        """Every tensor of the network that ``compile(..., sites=...)`` can make a site of."""
        found = compiler.Catalogue(self._program).available
        return Sites({site.name: site for site in found.values()})

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """Names of all variables, site by site."""
        return tuple(name for site in self.sites.values() for name in site.variables)

    def __getitem__(self, selector: str) -> Site | Variable | tuple[Variable, ...]:
        """Return the site or variables that a selector names."""
        site, indices = self._parse(selector)
        if indices is None:
            return self.sites[self._site_name(site, selector)]
        found = self.resolve(selector)
        return found[0] if len(found) == 1 else found

    def resolve(self, selectors: str | Variable | Iterable[str | Variable]) -> tuple[Variable, ...]:
        """Return the variables that one or several selectors name, without repeats.

        Raises:
            SelectorError: an unknown site or variable; the nearest name is suggested.
        """
        found: dict[Variable, None] = {}
        one = isinstance(selectors, (str, Variable))
        for each in [selectors] if one else selectors:
            selector = each.name if isinstance(each, Variable) else each
            if isinstance(selector, str) and selector.strip() in self._modules:
                found.update(dict.fromkeys(self._modules[selector.strip()]))
                continue
            site, _ = self._parse(selector)
            name = self._site_name(site, selector)
            counts = {name: self.sites[name].count}
            found.update(dict.fromkeys(expand(name + selector.strip()[len(site) :], counts)))
        return tuple(found)

    def _parse(self, selector: str) -> tuple[str, tuple[int | slice, ...] | None]:
        if isinstance(selector, str) and selector in {*self.sites, *self._aliases}:
            return selector, None  # a module's name may itself end in brackets
        return parse(selector)

    @cached_property
    def _aliases(self) -> dict[str, str]:
        """Further names of sites → the name in use."""
        return {alias: site.name for site in self.sites.values() for alias in site.aliases}

    def _site_name(self, name: str, selector: str) -> str:
        if name in self.sites:
            return name
        if name in self._aliases:
            return self._aliases[name]
        if f"{name}.heads" in self.sites and selector.strip() != name:
            return f"{name}.heads"  # an index into an attention counts heads
        hidden = {name for site in self.available.values() for name in (site.name, *site.aliases)}
        if name in hidden:
            raise SelectorError(
                f"{selector!r}: {name!r} is a tensor of the network but not one of the chosen "
                f"sites; compile with sites=[..., {name!r}]"
            )
        known = [*self.sites, *self._aliases, *self._modules]
        raise SelectorError(f"unknown site {name!r} in {selector!r}: {nearest(name, known)}")

    @property
    def modules(self) -> Modules:
        """Module name → its variables; what :meth:`with_partition` made resolvable."""
        return self._modules

    def with_partition(self, partition: Partition | Mapping[str, Any]) -> StructuralCausalModel:
        """Return the same model in which names of modules are selectors.

        Args:
            partition: a partition; or a mapping from module name to members, in which a module
                may again be a partition or a mapping: ``left.a`` is module ``a`` of ``left``, and
                ``left`` all of its modules together. Not every variable needs a module.

        Raises:
            PartitionError: a module is empty, named like a site, or overlaps with another.
            SelectorError: an unknown name among the members.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.Linear(2, 3).eval(), torch.eye(2))
            >>> parts = {"left": {"a": "output[0]", "b": "output[1]"}, "right": "output[2]"}
            >>> [str(variable) for variable in scm.with_partition(parts).resolve("left")]
            ['output[0]', 'output[1]']
        """
        named = copy.copy(self)
        named._modules = {}
        taken = [*self.sites, *self._aliases]
        named._modules = read_modules(partition, named.resolve, taken)
        return named

    def receiver(self, selector: str) -> tuple[str, list[int]]:
        """Return the site or output that a receiver stands in, and its positions.

        Raises:
            SelectorError: an unknown name.
        """
        names = {alias: s.name for s in self._readouts.values() for alias in (s.name, *s.aliases)}
        name, indices = (selector, None) if selector in names else parse(selector)
        if name not in names:
            found = self.resolve(selector)
            return found[0].site, [variable.index for variable in found]
        site = self._readouts[names[name]]
        whole = site.name if indices is None else site.name + selector.strip()[len(name) :]
        return site.name, [v.index for v in expand(whole, {site.name: site.count})]

    def receivers(self, selector: str) -> list[str]:
        """Names of the sites and outputs that some variables reach along an edge.

        An edge leads through tensors that are no sites, and along the residual stream, but through
        no other site; interventions on edges are made with ``do({(sender, receiver): value})``.

        Example:
            >>> import torch, causalmod as cm
            >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
            >>> cm.compile(net.eval(), torch.eye(2)).receivers("0[1]")
            ['output']
        """
        return self.edge_routes.receivers(self.resolve(selector)[0].site)

    # --- the causal verbs ---------------------------------------------------------------------

    def observe(self) -> Observations:
        """Return the activations of every site on the data, as the interventions leave them.

        Returns:
            dict: site name → tensor ``[rows, *site]`` in the network's dtype, yours to change; the
            outputs are always among them. With nothing intervened, outputs are bit-identical to
            the network's own.
        """
        self.record(self._nodes.values())
        values = {
            name: self.site(name).rows_first(self._recorded[node]).clone()
            for name, node in self._nodes.items()
        }
        return self._observations(values)

    def do(self, interventions: Interventions) -> StructuralCausalModel:
        """Return a mutilated model in which variables are set, whatever their mechanisms say.

        Args:
            interventions: selector → value. A number; a tensor ``[rows]`` (one value per row, which
                this reading gets when it has as many variables), ``[variables]``, or ``[rows,
                variables]``, or of the shape of the site with the rows first; 1 in place of the
                row count gives all rows the same; :func:`causalmod.resample`; or a function from
                the natural values, in the site's own shape (``[rows, variables]`` when only some
                variables are set), to the new ones. A pair ``(sender, receiver)`` of selectors is
                an edge: only that receiver sees the sender's new value, whatever else reads it;
                see :meth:`receivers`.

        Later calls see what earlier ones did, so ``scm.do(a).do(b)`` makes both.

        Raises:
            SelectorError: an unknown name, or an edge that there is not (those that there are are
                listed).
            InputError: a variable set twice, or a value of the wrong shape or not finite.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.Linear(2, 1).eval(), torch.eye(2))
            >>> scm.do({"output": lambda y: y - y, "input[0]": 5.0}).observe()["output"].tolist()
            [[0.0], [0.0]]
        """
        made, on_edges = assign(self, interventions, torch.arange(self.rows))
        changed = self._with(
            assignments=(*self._assignments, *made), on_edges=(*self._on_edges, *on_edges)
        )
        changed._keep_what_stays(self)
        return changed

    def counterfactual(
        self, interventions: Interventions, rows: int | Sequence[int] | Tensor
    ) -> Observations:
        """Return what would have been on given rows, had the interventions been made.

        Abduction fixes ``U`` to each row, action sets the variables, prediction replays the
        network. With other rows left out, a matrix product may round otherwise in the last bit.

        Args:
            interventions: as for :meth:`do`; a value per row means per row of ``rows``.
            rows: numbers of the data rows.

        Returns:
            dict: site name → tensor ``[len(rows), *site]``.

        Raises:
            SelectorError: an unknown name.
            InputError: ``rows`` is empty, or not made of row numbers; or as for :meth:`do`.
        """
        index = self._row_numbers(rows)
        changes: dict[str, list[Assignment]] = {}
        made, on_edges = assign(self, interventions, index)
        for each in made:
            changes.setdefault(each.site, []).append(each)
        patches = {site: chain(made, None) for site, made in changes.items()}
        values = self.replay(index, patches, clamp=False, on_edges=on_edges)
        return self._observations({n: self.site(n).paste(v).clone() for n, v in values.items()})

    def _observations(self, values: Mapping[str, Tensor]) -> Observations:
        further = {alias: s.name for s in self._readouts.values() for alias in s.aliases}
        return Observations(values, {**self._aliases, **further})

    def _row_numbers(self, rows: int | Sequence[int] | Tensor) -> Tensor:
        index = torch.as_tensor([rows] if isinstance(rows, int) else rows)
        kinds = (torch.bool, torch.float32, torch.float64)
        if (
            index.ndim != 1
            or index.numel() == 0
            or index.dtype in kinds
            or int(index.min()) < 0
            or int(index.max()) >= self.rows
        ):
            raise InputError(
                f"rows must be whole numbers from 0 to {self.rows - 1}, such as [0, 7]; "
                f"given {rows!r}"
            )
        return index.long()

    # --- what follows -----------------------------------------------------------------------------

    @cached_property
    def graph(self) -> nx.DiGraph:
        """The causal graph: variables, the exogenous ``U``, and structural edges.

        An edge says that a change *may* pass directly (through no other variable): weights that are
        exactly zero carry nothing, anything else may. Nodes carry ``site`` and ``index``. Arrows
        into variables that :meth:`do` has set are gone, unless to a function of the natural value.
        """
        hard = [made for made in self._assignments if not made.is_soft]
        set_ = {self.sites[m.site].variables[i] for m in hard for i in m.index.tolist()}
        driven = [v for name in self.inputs for v in self.sites[name].variables if v not in set_]
        return causal_graph(self.sites, driven, self.edges)

    @cached_property
    def units(self) -> Units:
        """The live units that a partition splits, and the inert ones with the reason."""
        return find_units(self)

    # --- other models of the same shape ---------------------------------------------------------

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Graph node → parameter or buffer, as the model uses them."""
        return {name: self._program.constants[name] for name in self._program.trace.parameters}

    def with_parameters(self, changed: Mapping[str, Tensor]) -> StructuralCausalModel:
        """Return the same network with some parameters replaced (by graph node)."""
        return self._with(program=self._program.with_constants(changed))

    def with_rows(self, rows: Tensor) -> StructuralCausalModel:
        """Return the same model on some of the data rows.

        Raises:
            InputError: an intervention has been made.
        """
        if self._assignments or self._on_edges:
            raise InputError("with_rows() works on the unmutilated model: call it before do()")
        data = {name: value[rows] for name, value in self._data.items()}
        return self._with(data=data)

    def _with(
        self,
        *,
        program: compiler.Program | None = None,
        data: Mapping[str, Tensor] | None = None,
        assignments: tuple[Assignment, ...] | None = None,
        on_edges: tuple[EdgeAssignment, ...] | None = None,
    ) -> StructuralCausalModel:
        new = StructuralCausalModel(
            self._program if program is None else program,
            self._data if data is None else data,
            self.sites,
            self._nodes,
            self._readouts,
            assignments=self._assignments if assignments is None else assignments,
            on_edges=self._on_edges if on_edges is None else on_edges,
        )
        for name in ("edge_routes", "available"):  # these depend on the graph alone
            if name in self.__dict__:
                new.__dict__[name] = self.__dict__[name]
        new._modules, new.note = self._modules, self.note
        new.sampled, new.independent = self.sampled, self.independent
        return new

    def provenance(self, seed: int | None, seconds: float) -> provenance.Provenance:
        """Describe where a result computed on this model comes from."""
        return provenance.Provenance(seed, *self._digests, seconds, provenance.versions())

    @cached_property
    def _digests(self) -> tuple[str, str]:
        model = provenance.digest(self._program.held(), str(self._program.trace.graph))
        return model, provenance.digest(self._data.items())

    def __repr__(self) -> str:
        count = len(self._assignments) + len(self._on_edges)
        made = f", {count} interventions" if count else ""
        sizes = ", ".join(f"{name}: {site.count}" for name, site in self.sites.items())
        note = f"; {self.note}" if self.note else ""
        return f"StructuralCausalModel({self.rows} rows; {sizes}{made}{note})"
