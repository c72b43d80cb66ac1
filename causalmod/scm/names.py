"""Names: what a selector means in a model."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Self

from causalmod import compiler
from causalmod.errors import SelectorError, nearest
from causalmod.scm.mechanisms import Mechanisms
from causalmod.scm.modules import HasModules, Modules, read_modules
from causalmod.scm.sites import Sites
from causalmod.scm.views import arrives
from causalmod.variables import Site, Variable, choose, parse


class NamedMechanisms(Mechanisms):
    """Mechanisms whose sites, variables and modules are asked for by name."""

    _modules: Modules = {}  # noqa: RUF012  (never changed: with_partition gives a copy its own)
    _members: frozenset[Variable] = frozenset()

    @property
    def members(self) -> frozenset[Variable]:
        """The variables inside a submodel; empty for a whole model."""
        return self._members

    @cached_property
    def available(self) -> Sites:
        """Every tensor of the network that ``compile(..., sites=...)`` can make a site of.

        Example:
            >>> import torch, causalmod as cm
            >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
            >>> cm.compile(net.eval(), torch.eye(2)).available
            site    shape  variables  grain  op      further names
            input   [2]            2  unit   input
            0       [3]            3  unit   linear
            output  [3]            3  unit   relu    1
        """
        found = compiler.Catalogue(self._program).available
        return Sites({site.name: site for site in found.values()})

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """Names of all variables, site by site.

        Example:
            >>> import torch, causalmod as cm
            >>> cm.compile(torch.nn.Linear(2, 1).eval(), torch.eye(2)).variables
            ('input[0]', 'input[1]', 'output[0]')
        """
        return tuple(name for site in self.sites.values() for name in site.variables)

    def __getitem__(self, selector: str) -> Site | Variable | tuple[Variable, ...]:
        """Return the site or variables that a selector names.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.Linear(2, 1).eval(), torch.eye(2))
            >>> scm["input"].count, scm["input[1]"]
            (2, Variable(site='input', index=1))
        """
        site, indices = self._parse(selector)
        if indices is None:
            return self.sites[self._site_name(site, selector)]
        found = self.resolve(selector)
        return found[0] if len(found) == 1 else found

    def resolve(self, selectors: str | Variable | Iterable[str | Variable]) -> tuple[Variable, ...]:
        """Return the variables that one or several selectors name, without repeats.

        In a submodel the name of a site stands for its members there, if it has any.

        Raises:
            SelectorError: an unknown site or variable; the nearest name is suggested.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.Linear(3, 1).eval(), torch.eye(3))
            >>> [str(variable) for variable in scm.resolve(["input[0:2]", "output"])]
            ['input[0]', 'input[1]', 'output[0]']
        """
        found: dict[Variable, None] = {}
        if isinstance(selectors, (str, Variable)) or not isinstance(selectors, Iterable):
            selectors = [selectors]
        for each in selectors:
            selector = each.name if isinstance(each, Variable) else each
            if isinstance(selector, str) and selector.strip() in self._modules:
                found.update(dict.fromkeys(self._modules[selector.strip()]))
                continue
            site, places = self._parse(selector)
            if places is not None and site in self._modules:
                raise SelectorError(
                    f"{selector!r}: {site!r} is a module, and its variables have no numbers of "
                    f"their own; name them, as in {self._modules[site][0].name!r}"
                )
            name = self._site_name(site, selector)
            named = choose(name, places, self.sites[name].count, selector)
            if places is None and self._members:
                named = [v for v in named if v in self._members] or named
            found.update(dict.fromkeys(named))
        return tuple(found)

    def _parse(self, selector: str) -> tuple[str, tuple[int | slice, ...] | None]:
        if isinstance(selector, str) and (selector in self.sites or selector in self._aliases):
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
        where = "" if selector.strip() == name else f" in {selector!r}"
        if "[" in name and not name.endswith("]"):
            raise SelectorError(f"unknown site {name!r}{where}: the bracket is not closed")
        raise SelectorError(f"unknown site {name!r}{where}: {nearest(name, known)}")

    @property
    def modules(self) -> Modules:
        """Module name → its variables; what :meth:`with_partition` made resolvable.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.Linear(2, 1).eval(), torch.eye(2))
            >>> list(scm.modules), list(scm.with_partition({"left": "output"}).modules)
            ([], ['left'])
        """
        return self._modules

    def with_partition(self, partition: HasModules | Mapping[str, Any]) -> Self:
        """Return the same model in which names of modules are selectors.

        Args:
            partition: a partition or a hierarchy; or a mapping from module name to members, in
                which a module may again be a partition or a mapping: ``left.a`` is module ``a`` of
                ``left``, and ``left`` all of its modules together. Not every variable needs a
                module.

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

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.Linear(2, 4).eval(), torch.eye(2))
            >>> scm.receiver("output[1:3]")
            ('output', [1, 2])
        """
        names = {alias: s.name for s in self._readouts.values() for alias in (s.name, *s.aliases)}
        name, indices = (selector, None) if selector in names else parse(selector)
        if name not in names:
            found = self.resolve(selector)
            return found[0].site, [variable.index for variable in found]
        site = self._readouts[names[name]]
        return site.name, [v.index for v in choose(site.name, indices, site.count, selector)]

    def receivers(self, selectors: str | Variable | Iterable[str | Variable]) -> list[str]:
        """Names of the sites and outputs that some variables reach along an edge.

        An edge leads through tensors that are no sites, and along the residual stream, but through
        no other site; interventions on edges are made with ``do({(sender, receiver): value})``.

        Example:
            >>> import torch, causalmod as cm
            >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
            >>> cm.compile(net.eval(), torch.eye(2)).receivers("0[1]")
            ['output']
        """
        by_site: dict[str, list[Variable]] = {}
        for variable in self.resolve(selectors):
            by_site.setdefault(variable.site, []).append(variable)
        found: set[str] = set()
        for site, senders in by_site.items():
            reached = arrives(self, senders, self.edge_routes.receivers(site))
            found |= {name for name, at in reached.items() if bool(at.any())}
        return [name for name in self._nodes if name in found]
