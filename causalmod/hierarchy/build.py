"""hierarchy: split a network, then each of its modules by itself, until chance does as well."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field

from causalmod.errors import InputError, Interrupted
from causalmod.exchange.progress import Progress, progress_of
from causalmod.hierarchy.result import ROOT, Hierarchy, Node
from causalmod.modularity import Modularity, modularity
from causalmod.modularity.modules_count import clears_chance
from causalmod.provenance import Stopwatch
from causalmod.scm import StructuralCausalModel
from causalmod.search import SearchBudget
from causalmod.search.weighting import DEFAULT

_SPREADS = 3.0  # standard deviations that a split has to be under the mean of null networks


def hierarchy(
    scm: StructuralCausalModel,
    *,
    k: int | None = None,
    depth: int | None = None,
    least_units: int = 6,
    method: str = "auto",
    weighting: str = DEFAULT,
    budget: SearchBudget | None = None,
    nulls: int = 19,
    estimator: str = "auto",
    resolution: float = 1.0,
    seed: int = 0,
    resume: str | os.PathLike[str] | None = None,
    progress: Progress | bool | None = None,
) -> Hierarchy:
    """Find modules, the modules inside them, and so on.

    Inside a module the members answer for themselves and all else keeps its value on each row
    (:meth:`StructuralCausalModel.submodel`), so only what its parts tell each other counts. A
    module is split where the score is below that of every null network, in which the module's own
    units are wired at random, and 3 standard deviations under their mean; or where nothing is
    exchanged at all.

    Args:
        scm: the model, or a submodel.
        k: number of modules of every split; None chooses it at each one.
        depth: most levels of splits; None for no limit.
        least_units: modules with fewer live units are not split.
        method: search algorithm, as for :func:`causalmod.modularity`.
        weighting: what the exchange is weighed against, likewise.
        budget: limits of each search.
        nulls: number of null networks for each split.
        estimator: as for :func:`causalmod.modularity`.
        resolution: noise scale in standard deviations of the reported figures.
        seed: seed of everything random. All levels search the same half of the rows.
        resume: a journal file, from which the same call goes on where it was interrupted.
        progress: True or False for a bar or none; or a function of (stage, steps done, steps in
            all). None shows a bar on a terminal.

    Returns:
        Hierarchy: a tree with score, interval and null networks at each node. Breadth first, so
        what an interruption leaves is the top.

    Raises:
        InputError: no live unit, or an argument out of range.
        Interrupted: Ctrl-C; ``.partial`` holds the tree so far.

    Example:
        >>> import causalmod as cm
        >>> tree = cm.hierarchy(cm.zoo.isolated().compile(), k=2, nulls=0, progress=False)
        >>> [leaf.name for leaf in tree.leaves]
        ['A', 'B']
        >>> print(tree.to_newick())
        (A:1,B:1)all;
    """
    for name, value, least in (("least_units", least_units, 2), ("depth", depth, 1)):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not (whole and value >= least):
            raise InputError(f"{name} is a whole number of at least {least}; given {value!r}")
    watch = Stopwatch()
    root = draft = _Draft(ROOT, scm.units.names)
    queue = deque([root])
    with progress_of(progress) as tell:
        try:
            while queue:
                draft = queue.popleft()
                if len(draft.members) < least_units and draft is not root:
                    draft.stop = f"fewer than {least_units} live units"
                    continue
                if depth is not None and draft.depth >= depth:
                    draft.stop = f"no more than {depth} levels were asked for"
                    continue
                inside = scm if draft is root else scm.submodel(draft.members)
                draft.result = modularity(
                    inside,
                    k,
                    method=method,
                    weighting=weighting,
                    budget=budget,
                    nulls=nulls,
                    estimator=estimator,
                    resolution=resolution,
                    curves=False,
                    seed=seed,
                    resume=resume,
                    progress=_prefixed(tell, draft.name),
                )
                draft.split()
                queue.extend(draft.children)
        except KeyboardInterrupt as stop:
            for waiting in (draft, *queue):
                waiting.stop = waiting.stop or "interrupted before it was looked at"
            partial = Hierarchy(
                root.frozen(), dict(scm.units.inert), scm.provenance(seed, watch.seconds)
            )
            raise Interrupted(partial) from stop
    return Hierarchy(root.frozen(), dict(scm.units.inert), scm.provenance(seed, watch.seconds))


def _prefixed(tell: Progress, name: str) -> Progress:
    return lambda stage, done, total: tell(f"{name}: {stage}", done, total)


@dataclass
class _Draft:
    """A module whose inside is being looked at."""

    name: str
    members: tuple[str, ...]
    depth: int = 0
    result: Modularity | None = None
    stop: str = ""
    children: list[_Draft] = field(default_factory=list)

    def split(self) -> None:
        """Take the split that was found, or say why not."""
        assert self.result is not None
        result = self.result
        if not clears_chance(result, _SPREADS):
            self.stop = "no split that null networks do not reach"
            return
        parts = list(result.exchange.partition.modules.values())
        for place, members in enumerate(parts):
            label = _label(place, self.depth)
            name = label if self.name == ROOT else f"{self.name}.{label}"
            self.children.append(_Draft(name, tuple(members), self.depth + 1))

    def frozen(self) -> Node:
        """Return the node, with all below it."""
        children = tuple(child.frozen() for child in self.children)
        return Node(self.name, self.members, self.result, children, self.stop)


def _label(place: int, depth: int) -> str:
    """Name modules ``A.a.1``: capitals, small letters and numbers in turn."""
    first = ("A", "a", "")[depth % 3]
    if not first:
        return str(place + 1)
    return chr(ord(first) + place) if place < 26 else f"{'Mm'[depth % 3]}{place + 1}"
