"""Variants of a model: the same network with other rows, other weights, or in other bases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from torch import Tensor

from causalmod import compiler
from causalmod.bases import Choice, chosen
from causalmod.errors import InputError
from causalmod.interventions import Assignment, EdgeAssignment, Held
from causalmod.scm.arguments import check_facts
from causalmod.scm.graphs import GraphedMechanisms
from causalmod.variables import Site


class VariedMechanisms(GraphedMechanisms):
    """Mechanisms, what is known of them, and variants of them."""

    note: str = ""
    """Where the rows come from, if there is something to say."""

    sampled: bool = False
    """Are the rows draws from a known law, rather than all that there is?"""

    independent: frozenset[str] = frozenset()
    """Input sites that are known to be independent of all other inputs."""

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Graph node → parameter or buffer, as the model uses them.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.Linear(2, 3).eval(), torch.eye(2))
            >>> {name: list(value.shape) for name, value in scm.parameters.items()}
            {'p_weight': [3, 2], 'p_bias': [3]}
        """
        return {name: self._program.constants[name] for name in self._program.trace.parameters}

    def with_parameters(self, changed: Mapping[str, Tensor]) -> Self:
        """Return the same network with some parameters replaced (by graph node).

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.Linear(2, 1, bias=False).eval(), torch.eye(2))
            >>> scm.with_parameters({"p_weight": torch.ones(1, 2)}).observe()["output"].tolist()
            [[1.0], [1.0]]
        """
        return self._with(program=self._program.with_constants(changed))

    def with_rows(self, rows: Tensor) -> Self:
        """Return the same model on some of the data rows.

        Raises:
            InputError: an intervention has been made.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.Linear(5, 1).eval(), torch.eye(5))
            >>> scm.with_rows(torch.tensor([0, 3, 4])).rows
            3
        """
        if self._on_edges or not all(isinstance(made, Held) for made in self._assignments):
            raise InputError("with_rows() works on the unmutilated model: call it before do()")
        data = {name: value[rows.to(self.device)] for name, value in self._data.items()}
        held = tuple(
            Held(m.site, m.index, m.value[rows.to(m.value.device)])
            for m in self._assignments
            if isinstance(m.value, Tensor)
        )
        return self._with(data=data, assignments=held)

    def with_basis(
        self,
        basis: Choice | None = None,
        *,
        blocks: Mapping[str, Sequence[int]] | None = None,
    ) -> Self:
        """Return the same model in which some sites are read in a basis.

        Variables of such a site are its coordinates, ``fc1[3]`` the fourth one; values that are
        observed and set are coordinates. Setting some moves the activation by ``(new - old) @
        directions``, so the others stay as they were. Everything that can be asked of a model can
        be asked of this one, and nothing is compiled again.

        In a chain of tied sites (a unit and its activation), the one in a basis stands for the
        chain in partitions.

        Args:
            basis: name or glob of sites → a kind of basis (``cm.bases.pca()``), its name, a matrix
                ``[coordinate, feature]`` whose rows read coordinates, a :class:`FittedBasis`, or
                None for the neurons. Sites that are not named keep theirs; what a glob takes is
                left out where it cannot have a basis. None takes off all bases.
            blocks: name or glob of sites → sizes of blocks: so many coordinates, one after the
                other, are one variable. ``[4, 4, 8]`` makes three variables of 16 coordinates.

        Raises:
            SelectorError: no site has such a name.
            InputError: a basis that does not fit the site or its data; a site of whole numbers; or
                an intervention, or a named module, of a site whose basis would change.

        Example:
            >>> import torch, causalmod as cm
            >>> net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
            >>> scm = cm.compile(net.eval(), torch.eye(2))
            >>> turned = scm.with_basis({"0": torch.tensor([[0.0, 1.0], [1.0, 0.0]])})
            >>> torch.equal(turned.observe()["0"], scm.observe()["0"].flip(1))
            True
        """
        sites = chosen(self._bare(), self.sites, {} if basis is None and blocks else basis, blocks)
        self._check_unused({name for name, site in sites.items() if site is not self.sites[name]})
        return self._with_sites(sites)

    def _bare(self) -> Self:
        """The same network on its data, without interventions and bases."""
        if not (self._assignments or self._on_edges or any(s.basis for s in self.sites.values())):
            return self
        sites = {name: site.in_basis(None) for name, site in self.sites.items()}
        return type(self)(self._program, self._data, sites, self._nodes, self._readouts)

    def _with_sites(self, sites: Mapping[str, Site]) -> Self:
        new = self._with(sites=sites)
        new._recorded = dict(self._recorded)  # the network is the same
        return new

    def _check_unused(self, changed: set[str]) -> None:
        """Refuse to change the variables of sites that something was said of already."""
        made = {each.site for each in self._assignments}
        made |= {each.sent.site for each in self._on_edges} | {e.receiver for e in self._on_edges}
        if made & changed:
            raise InputError(
                f"with_basis() changes the variables of {min(made & changed)!r}, which do() or "
                "submodel() has set: call it before them"
            )
        named = {variable.site for members in self._modules.values() for variable in members}
        if named & changed:
            raise InputError(
                f"with_basis() changes the variables of {min(named & changed)!r}, which modules of "
                "with_partition() hold: call it before with_partition()"
            )

    def _with(
        self,
        *,
        program: compiler.Program | None = None,
        data: Mapping[str, Tensor] | None = None,
        assignments: tuple[Assignment, ...] | None = None,
        on_edges: tuple[EdgeAssignment, ...] | None = None,
        sites: Mapping[str, Site] | None = None,
    ) -> Self:
        new = type(self)(
            self._program if program is None else program,
            self._data if data is None else data,
            self.sites if sites is None else sites,
            self._nodes,
            self._readouts,
            assignments=self._assignments if assignments is None else assignments,
            on_edges=self._on_edges if on_edges is None else on_edges,
        )
        for name in ("edge_routes", "available", "site_pairs"):  # these depend on the graph alone
            if name in self.__dict__:
                new.__dict__[name] = self.__dict__[name]
        new.recall(self.facts())
        return new

    def facts(self) -> dict[str, Any]:
        """Return what is known of the model beyond its mechanisms, for :meth:`recall`."""
        return {
            "members": tuple(sorted(self._members, key=lambda v: (v.site, v.index))),
            "modules": self._modules,
            "note": self.note,
            "sampled": self.sampled,
            "independent": self.independent,
        }

    def recall(self, facts: Mapping[str, Any]) -> None:
        """Set what is known of the model beyond its mechanisms.

        Raises:
            InputError: a fact of the wrong kind, or about what the model does not have.
        """
        check_facts(facts, self.sites, self.inputs)
        self._members, self._modules = frozenset(facts["members"]), facts["modules"]
        self.note, self.sampled = facts["note"], facts["sampled"]
        self.independent = facts["independent"]
