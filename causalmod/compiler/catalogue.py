"""Catalogue: every tensor of a network that may hold variables, by name."""

from __future__ import annotations

from functools import cached_property

from causalmod.compiler.grains import Cutter, Grains, chosen_grains
from causalmod.compiler.lineage import Lineage
from causalmod.compiler.program import Program
from causalmod.compiler.roles import Roles
from causalmod.compiler.sites import Choice, chosen_sites, default_sites, named_nodes, usable_nodes
from causalmod.variables import Site


class Catalogue:
    """The named tensors of a network, and the choice of those that become variables.

    Attributes:
        roles: the attentions and blocks of the network.
        names: node → labels, the preferred one first.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._lineage = Lineage(program)
        self.roles = Roles(program)
        self.names = named_nodes(program, self.roles)
        self._cutter = Cutter(program, self._lineage, self.roles, self.names)

    @cached_property
    def available(self) -> dict[str, Site]:
        """Node → site at its default grain, for every tensor that may be one."""
        nodes = usable_nodes(self._program, self.roles, self.names)
        return {node: self._cutter.site(node) for node in nodes}

    def choose(self, sites: Choice | None, variables: Grains) -> dict[str, Site]:
        """Return node → site for the user's choice; the inputs are always among them.

        Raises:
            SelectorError: a name that fits no tensor.
            InputError: a grain that there is not, or that a site does not have.
        """
        if sites is None:
            nodes = default_sites(self._program, self._lineage, self.roles)
        else:
            nodes = chosen_sites(self._program, self.available, sites)
        grains = chosen_grains(variables, ((node, self.names[node]) for node in nodes))
        default = variables if isinstance(variables, str) else "unit"
        return {
            node: self._cutter.site(node, grains.get(node, default), node in grains)
            for node in nodes
        }

    def readouts(self, nodes: list[str]) -> dict[str, Site]:
        """Describe outputs that are no sites."""
        return {node: self._cutter.site(node) for node in nodes}
