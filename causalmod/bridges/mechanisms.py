"""The mechanism of one variable as a function of its direct causes alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from causalmod.bridges.tape import record
from causalmod.errors import InputError
from causalmod.scm import StructuralCausalModel

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

ROW = "U"


class Mechanism:
    """``child = f(parents)``: the operations of the network between them. It can be pickled.

    Args:
        scm: the model.
        name: the variable.

    Attributes:
        parents: the names of its direct causes, sorted; ``U`` for what is read off the data.
        model: the model that it comes from; None once it has been pickled.
    """

    def __init__(self, scm: StructuralCausalModel, name: str) -> None:
        self.model: StructuralCausalModel | None = scm
        self.name = name
        self.parents = tuple(sorted(scm.graph.predecessors(name)))
        (variable,) = scm.resolve(name)
        self._place = variable.index
        self._site = scm.sites[variable.site]
        self._constant: float | None = None
        if self.parents == (ROW,):
            self._column = scm.blocks(variable.site)[:, variable.index, 0]
            return
        if not self.parents:
            column = scm.blocks(variable.site)[:, variable.index, 0]
            if not bool((column == column[0]).all()):
                raise InputError(
                    f"{name!r} is set to another value on each row, which its causes do not say; "
                    "bridge the model without interventions"
                )
            self._constant = float(column[0])
            return
        node_of = {scm.site_at(node): node for node in scm.program.nodes}
        end = node_of[variable.site]
        starts = scm.program.needs(
            [end], lambda node: node != end and scm.site_at(node) is not None
        )
        self._tape = record(scm.program, starts, end)
        self._starts = {}  # node → site, its values on the first row, and which of them are parents
        for node in starts:
            site = scm.sites[str(scm.site_at(node))]
            names = {member: place for place, member in enumerate(site.variables)}
            found = [(names[p], column) for column, p in enumerate(self.parents) if p in names]
            places, columns = [place for place, _ in found], [column for _, column in found]
            self._starts[node] = (site, scm.blocks(site.name)[:1].clone(), places, columns)

    def __call__(self, values: Array) -> Array:
        """Return the child for each row of parents ``[row, parent]``, as float64 ``[row]``."""
        import numpy as np

        if self._constant is not None:
            return np.full(len(values), self._constant)
        given = torch.tensor(np.array(values, dtype=float))
        if self.parents == (ROW,):
            rows = given[:, 0].round().long().clamp(0, len(self._column) - 1)
            return self._column[rows].double().cpu().numpy()
        known = {}
        for node, (site, first, places, columns) in self._starts.items():
            blocks = first.repeat(len(given), 1, 1)
            blocks[:, places, 0] = given[:, columns].to(blocks.device, blocks.dtype)
            known[node] = site.join(blocks).contiguous()
        found = self._site.split(self._tape(known, len(given)))
        return found[:, self._place, 0].double().cpu().numpy()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "model": None}
