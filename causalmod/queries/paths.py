"""Path-specific effects: only the named paths carry a change."""

from __future__ import annotations

from torch import Tensor

from causalmod.errors import QueryError
from causalmod.queries.worlds import Columns, World, Worlds
from causalmod.scm import StructuralCausalModel
from causalmod.variables import Variable

Path = tuple[str, ...]


class AlongPaths:
    """The outcome when named paths carry the changed value of a treatment, all others the old one.

    A node takes, from each parent that precedes it on a named path, the value which that parent has
    along the beginnings of those paths; from all its other parents, the value before the change.
    The definition is by paths, not by edges: two paths that cross do not make a third.

    Source: Avin, Shpitser and Pearl, *Identifiability of path-specific effects*, IJCAI (2005);
    Pearl, *Causality* (2009), section 4.5.3.

    Args:
        worlds: the rows.
        before, after: what the treatments are.
        paths: from a treatment to the outcome.

    Raises:
        QueryError: no arrow leads from one step of a path to the next.
    """

    def __init__(self, worlds: Worlds, before: World, after: World, paths: tuple[Path, ...]):
        self._worlds = worlds
        self._before = before
        self._after = {treatment.variable: treatment for treatment in after}
        self._paths = paths
        self._held: dict[tuple[Path, ...], Columns] = {}
        for path in paths:
            _check_arrows(worlds.scm, path)

    def outcome(self) -> Columns:
        """Return what the outcome is along all paths."""
        return self._along(tuple(dict.fromkeys(self._paths)))

    def _along(self, paths: tuple[Path, ...]) -> Columns:
        """Return the last node of some paths, which all end in it."""
        if paths not in self._held:
            parents: dict[str, list[Path]] = {}
            for path in paths:
                parents.setdefault(path[-2], []).append(path[:-1])
            changes = [
                (self._worlds.scm.resolve(parent), self._value(parent, tuple(beginnings)))
                for parent, beginnings in parents.items()
            ]
            self._held[paths] = self._worlds.isolated(self._before, changes, paths[0][-1])
        return self._held[paths]

    def _value(self, node: str, paths: tuple[Path, ...]) -> Tensor:
        if (node,) in paths:
            return self._worlds.constant(self._after[node])
        return self._along(paths).values


def _check_arrows(scm: StructuralCausalModel, path: Path) -> None:
    """Check that an arrow leads from some variable of each step to one of the next."""
    steps = [scm.resolve(step) for step in path]
    if len({v for step in steps for v in step}) < sum(len(step) for step in steps):
        raise QueryError(f"the path {' -> '.join(path)!r} passes a variable twice")
    for (name, sender), (following, receiver) in zip(
        zip(path, steps, strict=True), zip(path[1:], steps[1:], strict=True), strict=False
    ):
        if any(_is_arrow(scm, s, r) for s in sender for r in receiver):
            continue
        reached = _readers(scm, sender)
        listed = ", ".join(reached[:5]) + (", ..." if len(reached) > 5 else "")
        raise QueryError(
            f"the path {' -> '.join(path)!r}: no arrow leads from {name} to {following}; "
            f"{f'arrows lead from {name} to {listed}' if reached else f'none leaves {name}'}"
        )


def _is_arrow(scm: StructuralCausalModel, sender: Variable, receiver: Variable) -> bool:
    matrix = scm.edges.get((sender.site, receiver.site))
    return matrix is not None and bool(matrix[sender.index, receiver.index])


def _readers(scm: StructuralCausalModel, senders: tuple[Variable, ...]) -> list[str]:
    """Return the variables that arrows lead to, on the way from a step."""
    found: list[str] = []
    for (source, target), matrix in scm.edges.items():
        places = [sender.index for sender in senders if sender.site == source]
        if places:
            hit = matrix[places].any(0).nonzero().flatten().tolist()
            found += [scm.sites[target].variables[place] for place in hit]
    return list(dict.fromkeys(found))
