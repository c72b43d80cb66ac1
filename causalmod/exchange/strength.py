"""Causal strength of arrows: what is lost when they are cut and fed with independent values."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from causalmod.errors import EstimatorError, InputError
from causalmod.exchange.contexts import over_contexts
from causalmod.exchange.divergence import divergence
from causalmod.exchange.figures import exactly
from causalmod.exchange.groups import Group, Setting
from causalmod.exchange.laws import Donors, drawn, enumerated
from causalmod.exchange.task import Task, counted, distinct
from causalmod.information import Bounds, Estimator, Observed
from causalmod.scm import StructuralCausalModel
from causalmod.variables import Variable

_MOST = 4096  # combinations that are gone through where values are not all counted
_DRAWS = 1024
_HELD = 2**22  # responses at a time


def strength(task: Task, noise: Group | None) -> dict[str, Any]:
    """``sum_j E_pa KL( P(y_j | pa_j) || P_cut(y_j | pa_j) )`` over the targets, in bits.

    ``P_cut`` feeds each cut arrow an independent draw from the marginal of its source and leaves
    the other parents as they are.

    Args:
        task: the question; its source and target name the arrows.
        noise: inputs that are noise of the mechanisms: averaged over, not known.

    Raises:
        InputError: a source has no arrow into a target, or a target none from a source.
        EstimatorError: the estimator does not count outcomes.

    Source: Janzing, Balduzzi, Grosse-Wentrup and Schölkopf, Annals of Statistics 41(5):2324 (2013),
    definition 2 and section 3.3 on sets of arrows.
    """
    if not task.estimator.counts:
        raise EstimatorError(
            f"estimator={task.estimator.name!r} does not give the probability of each outcome, "
            "which kind='strength' compares; use estimator='exact', or 'binned' for a single target"
        )
    check_arrows(task.scm, task.source, task.target)
    hidden = set() if noise is None else set(noise.variables)
    sources = set(task.source.variables)
    rows, total, donors = torch.arange(task.rows), 0.0, 0
    if not task.estimator.exact and task.contexts < task.rows:
        order = torch.randperm(task.rows, generator=torch.Generator().manual_seed(task.seed))
        rows = order[: task.contexts]
    bits = torch.zeros(len(rows), dtype=torch.float64)
    for variable in task.target.variables:
        parents = _parents(task.scm, variable)
        cut = [parent for parent in parents if parent in sources]
        arrows = _Arrows(
            Group(task.scm, [variable.name], "target"),
            Group(task.scm, [v.name for v in cut], "source"),
            [parent for parent in parents if parent in hidden],
            [parent for parent in parents if parent not in sources | hidden],
        )
        if task.estimator.exact:
            values = [arrows.cut.observed().values]
            values += [Group(task.scm, [v.name], "known").observed().values for v in arrows.known]
            first, counts = distinct(torch.cat([value.double() for value in values], dim=1))
            each, donors = _compare(task, arrows, first)
            total += float(counts.cpu().double() @ each / counts.sum())
        else:
            each, donors = _compare(task, arrows, rows)
            bits += each
    if task.estimator.exact:
        whole = exactly(Bounds(torch.tensor(total, dtype=torch.float64)))
        return whole | {"contexts": task.rows, "donors": donors}
    return over_contexts(Bounds(bits), donors)


class _Arrows(NamedTuple):
    """A target variable, and its parents: cut, noise, and known."""

    target: Group
    cut: Group
    noise: list[Variable]
    known: list[Variable]


def _compare(task: Task, arrows: _Arrows, rows: Tensor) -> tuple[Tensor, int]:
    """Divergence ``[row]`` of the cut from the uncut arrows, and the number of values fed in."""
    estimator = _fitted(task, arrows.target)
    fed, all_of_them = _table(task, arrows.cut, "product", task.seed + 1)
    noise, noises = None, Donors({"": torch.zeros(1, 1, 1)})
    if arrows.noise:
        noise = Group(task.scm, [variable.name for variable in arrows.noise], "noise")
        noises, _ = _table(task, noise, "observed", task.seed + 2)
    grid = torch.cartesian_prod(torch.arange(len(fed)), torch.arange(len(noises)))
    every, quiet = grid[:, 0], grid[:, 1]
    cut_counts = fed.weights.cpu()[every].double() * noises.weights.cpu()[quiet].double()
    own_counts = noises.weights.cpu().double()
    # drawn values miss each context's own one, which may be fed in as well: one more draw
    extra = 0.0 if all_of_them else float(noises.weights.double().mean()) / len(noises)
    both = torch.cat([cut_counts, own_counts * extra])
    step = max(1, _HELD // (len(grid) + len(noises)))
    parts: list[Tensor] = []
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        held = [_at_context(task.scm, variable, some) for variable in arrows.known]
        cut = _run(task, arrows, some, held, (fed, every), (noise, noises, quiet))
        places = torch.arange(len(noises))
        own = _run(task, arrows, some, held, None, (noise, noises, places))
        outcomes = torch.cat([cut, own], dim=1)
        codes = counted(estimator, outcomes.flatten(0, 1)).reshape(outcomes.shape[:2]).cpu()
        left = codes[:, len(grid) :]
        parts.append(divergence(left, codes, own_counts, both))
    return torch.cat(parts), len(grid)


def _run(
    task: Task,
    arrows: _Arrows,
    rows: Tensor,
    held: list[Setting],
    fed: tuple[Donors, Tensor] | None,
    noise: tuple[Group | None, Donors, Tensor],
) -> Tensor:
    """The target ``[context, combination, coordinate]``, arrows fed or left as they are."""
    group, noises, quiet = noise
    each = len(quiet)
    contexts = rows[:, None].expand(-1, each).reshape(-1)
    settings = [s._replace(entries=s.entries.repeat_interleave(each)) for s in held]
    if fed is None:
        settings += arrows.cut.set_to(arrows.cut.values, contexts)
    else:
        settings += arrows.cut.set_to(fed[0].values, fed[1].repeat(len(rows)))
    if group is not None:
        settings += group.set_to(noises.values, quiet.repeat(len(rows)))
    got = arrows.target.under(settings, contexts, task.memory)
    return got.double().reshape(len(rows), each, -1)


def _at_context(scm: StructuralCausalModel, variable: Variable, rows: Tensor) -> Setting:
    index = torch.tensor([variable.index])
    return Setting(variable.site, index, scm.blocks(variable.site)[:, index], rows)


def _table(task: Task, group: Group, law: str, seed: int) -> tuple[Donors, bool]:
    """All values of a group, or as many draws as are affordable where that is too much."""
    most = task.memory // (8 * 64) if task.estimator.exact else _MOST
    try:
        found = enumerated(group.values, law, most)
    except EstimatorError:
        if task.estimator.exact:
            raise
        found = None
    if found is not None and len(found) <= most:
        return found, True
    size = task.draws or _DRAWS
    table = drawn(group.values, law, seed)
    picks = torch.randint(len(table), (size,), generator=torch.Generator().manual_seed(seed + 1))
    return Donors({site: value[picks] for site, value in table.values.items()}), False


def _fitted(task: Task, target: Group) -> Estimator:
    return task.fit(None, Observed(*target.observed()))


def _parents(scm: StructuralCausalModel, variable: Variable) -> list[Variable]:
    """The variables with an arrow into one, site by site."""
    found: list[Variable] = []
    for (source, reader), edges in scm.edges.items():
        if reader == variable.site:
            places = edges[:, variable.index].nonzero().flatten().tolist()
            found += [Variable(source, place) for place in places]
    return found


def check_arrows(scm: StructuralCausalModel, source: Group, target: Group) -> None:
    """Check that every source has an arrow into a target, and every target one from a source.

    Raises:
        InputError: one has none; the next variables on the way are named.
    """
    parents = {variable: set(_parents(scm, variable)) for variable in target.variables}
    for reader, direct in parents.items():
        if not direct & set(source.variables):
            _refuse(scm, source.variables, (reader,))
    every = set().union(*parents.values())
    for sender in source.variables:
        if sender not in every:
            _refuse(scm, (sender,), target.variables)


def has_arrow(scm: StructuralCausalModel, source: Group, target: Group) -> bool:
    """Does every source have an arrow into a target, and every target one from a source?"""
    try:
        check_arrows(scm, source, target)
    except InputError:
        return False
    return True


def _refuse(
    scm: StructuralCausalModel, sources: tuple[Variable, ...], targets: tuple[Variable, ...]
) -> None:
    import networkx as nx

    graph = scm.graph
    above = set().union(*(nx.ancestors(graph, target.name) for target in targets))
    following = [n for s in sources for n in graph.successors(s.name) if n in above]
    names = list(dict.fromkeys(following))
    start, end = (", ".join(str(v) for v in group[:3]) for group in (sources, targets))
    if names:
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        way = f"next on the path is {shown}: ask about the arrow into that"
    else:
        way = "and no path either"
    raise InputError(
        f"kind='strength' measures arrows, and {start} has no direct edge to {end}; {way}, or use "
        "kind='conditional', which measures along paths"
    )
