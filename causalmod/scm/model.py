"""StructuralCausalModel: a trained network as variables that can be observed and intervened on."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod import compiler, provenance
from causalmod.errors import InputError, SelectorError, nearest
from causalmod.interventions import Assignment, Interventions, Resample, read_value
from causalmod.partition import Partition
from causalmod.scm.facts import causal_graph
from causalmod.scm.mechanisms import Mechanisms, chain
from causalmod.scm.modules import Modules, by_site, read_modules
from causalmod.scm.observations import Observations
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

    _modules: Modules = {}  # noqa: RUF012  (never changed: with_partition gives a copy its own)

    # --- names --------------------------------------------------------------------------------

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
        hidden = {n for names in compiler.named_nodes(self._program).values() for n in names}
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

    # --- the causal verbs ---------------------------------------------------------------------

    def observe(self) -> Observations:
        """Return the activations of every site on the data, as the interventions leave them.

        Returns:
            dict: site name → tensor ``[rows, *site]`` in the network's dtype, yours to change; the
            outputs are always among them. With nothing intervened, outputs are bit-identical to
            the network's own.
        """
        self.record(self._nodes.values())
        values = {name: self._recorded[node].clone() for name, node in self._nodes.items()}
        return self._observations(values)

    def do(self, interventions: Interventions) -> StructuralCausalModel:
        """Return a mutilated model in which variables are set, whatever their mechanisms say.

        Args:
            interventions: selector → value. A number; a tensor ``[rows]`` (one value per row, which
                this reading gets when it has as many variables), ``[variables]``, or ``[rows,
                variables]``, or of the shape of the site with the rows first; 1 in place of the
                row count gives all rows the same; :func:`causalmod.resample`; or a function from
                the natural values, in the site's own shape (``[rows, variables]`` when only some
                variables are set), to the new ones.

        Later calls see what earlier ones did, so ``scm.do(a).do(b)`` makes both.

        Raises:
            SelectorError: an unknown name.
            InputError: a variable set twice, or a value of the wrong shape or not finite.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.Linear(2, 1).eval(), torch.eye(2))
            >>> scm.do({"output": lambda y: y - y, "input[0]": 5.0}).observe()["output"].tolist()
            [[0.0], [0.0]]
        """
        new = self._assign(interventions, torch.arange(self.rows))
        changed = StructuralCausalModel(
            self._program, self._data, self.sites, self._nodes, self._readouts,
            (*self._assignments, *new),
        )  # fmt: skip
        changed._keep_what_stays(self)
        return self._marked(changed)

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
        for made in self._assign(interventions, index):
            changes.setdefault(made.site, []).append(made)
        patches = {site: chain(made, None) for site, made in changes.items()}
        values = self.replay(index, patches, clamp=False)
        return self._observations({n: self._site(n).join(v).clone() for n, v in values.items()})

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

    def _assign(self, interventions: Interventions, rows: Tensor) -> list[Assignment]:
        if not isinstance(interventions, Mapping) or not interventions:
            raise InputError(
                "do() takes a non-empty mapping from selector to value, such as {'fc1[3]': 0.0}; "
                f"given {interventions!r}"
            )
        made: list[Assignment] = []
        seen: dict[Variable, str] = {}
        for key, value in interventions.items():
            selector = key.name if isinstance(key, Variable) else key
            if not isinstance(selector, str):
                raise SelectorError(
                    f"do(): each key is one selector, such as 'fc1[0:4]'; given {key!r}"
                )
            variables = self.resolve(selector)
            for variable in variables:
                if variable in seen:
                    raise InputError(
                        f"{variable} is set twice: by {seen[variable]!r} and {selector!r}; give "
                        "each variable one value"
                    )
                seen[variable] = selector
            for name, part, part_value in by_site(selector, variables, value):
                site = self.sites[name]
                index = torch.tensor([variable.index for variable in part])
                if isinstance(value, Resample):
                    new: Any = self._resampled(site, part, value)[rows]
                else:
                    like = self.recorded(self._nodes[name])
                    new = read_value(selector, site, index, part_value, like, len(rows))
                made.append(Assignment(name, index, new))
        return made

    def _resampled(self, site: Site, variables: Sequence[Variable], value: Resample) -> Tensor:
        """Return ``[rows, variable, coordinate]`` of values that the variables take elsewhere."""
        columns = torch.tensor([variable.index for variable in variables])
        recorded = self.blocks(site.name)[:, columns]
        if value.joint:
            return recorded[_permutation(self.rows, value.seed)]
        # Keyed by name: one variable's donors do not depend on which others are set with it.
        each = [_permutation(self.rows, value.seed, variable.name) for variable in variables]
        return recorded[torch.stack(each, dim=1), torch.arange(len(variables))]

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

    def _marked(self, new: StructuralCausalModel) -> StructuralCausalModel:
        """Hand on what a model knows of itself beside its network and data."""
        new._modules, new.note, new.sampled = self._modules, self.note, self.sampled
        return new

    # --- other models of the same shape ---------------------------------------------------------

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Graph node → parameter or buffer, as the model uses them."""
        return {name: self._program.constants[name] for name in self._program.trace.parameters}

    def with_parameters(self, changed: Mapping[str, Tensor]) -> StructuralCausalModel:
        """Return the same network with some parameters replaced (by graph node)."""
        program = self._program.with_constants(changed)
        new = StructuralCausalModel(
            program, self._data, self.sites, self._nodes, self._readouts, self._assignments
        )
        return self._marked(new)

    def with_rows(self, rows: Tensor) -> StructuralCausalModel:
        """Return the same model on some of the data rows.

        Raises:
            InputError: an intervention has been made.
        """
        if self._assignments:
            raise InputError("with_rows() works on the unmutilated model: call it before do()")
        data = {name: value[rows] for name, value in self._data.items()}
        new = StructuralCausalModel(self._program, data, self.sites, self._nodes, self._readouts)
        return self._marked(new)

    def provenance(self, seed: int | None, seconds: float) -> provenance.Provenance:
        """Describe where a result computed on this model comes from."""
        return provenance.Provenance(seed, *self._digests, seconds, provenance.versions())

    @cached_property
    def _digests(self) -> tuple[str, str]:
        model = provenance.digest(self._program.held(), str(self._program.trace.graph))
        return model, provenance.digest(self._data.items())

    def __repr__(self) -> str:
        made = f", {len(self._assignments)} interventions" if self._assignments else ""
        sizes = ", ".join(f"{name}: {site.count}" for name, site in self.sites.items())
        note = f"; {self.note}" if self.note else ""
        return f"StructuralCausalModel({self.rows} rows; {sizes}{made}{note})"


def _permutation(count: int, seed: int, name: str = "") -> Tensor:
    """Return a random order of the rows, the same for the same seed and name."""
    if name:
        seed = int.from_bytes(hashlib.sha256(f"{seed}|{name}".encode()).digest()[:7], "big")
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))
