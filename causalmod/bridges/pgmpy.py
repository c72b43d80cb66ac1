"""To and from pgmpy's Bayesian networks."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod.bridges.extra import load
from causalmod.bridges.functions import from_functions
from causalmod.bridges.graphs import ROW, scalars, to_frame
from causalmod.bridges.mechanisms import Mechanism
from causalmod.errors import InputError
from causalmod.scm import StructuralCausalModel

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

CELLS = 2**22
MOST_BINS = 10_000
_SAME = 1e-6


def to_pgmpy(scm: StructuralCausalModel, bins: int | None = None, *, cells: int = CELLS) -> Any:
    """Return the model as a ``pgmpy.models.DiscreteBayesianNetwork``.

    Its nodes are the variables, and ``U``, the row of the data. Without ``bins`` every variable
    takes each value that it can take when its parents take theirs in any combination, on the data
    or not; then parents determine their child, and every do-query is exact. States are named by
    values.

    With ``bins`` values are cut into that many bins with equally many rows (fewer where values tie;
    variables with fewer values keep them), states are numbers of bins, and tables are what the rows
    show, or, for combinations of bins that no row shows, what the network gives at their means.
    Queries are then exact if the bins of the parents determine the bin of every child, and
    otherwise as far off as they do not: ``model.graph["undetermined"]`` has for each variable the
    share of rows whose bin is not the commonest one for the bins of their parents.

    Ask by ``VariableElimination(model.do(["x"])).query(["y"], evidence={"x": 1.0})``. Leave alone
    ``CausalInference.query(do=..., evidence=...)``: in pgmpy 1.1.2 it returns wrong numbers.

    Args:
        scm: the model.
        bins: number of bins; None for values as they are.
        cells: largest table.

    Raises:
        InputError: a table would be too large, a variable holds several numbers, or pgmpy is not
            installed.

    Source: Pearl, *Causality* (2009), section 1.2.2, for tables as deterministic mechanisms.

    Example:
        >>> import causalmod as cm
        >>> from causalmod.bridges.extra import load
        >>> case = cm.zoo.xor()
        >>> network = to_pgmpy(cm.compile(case.model, case.inputs))
        >>> elimination = load("pgmpy.inference").VariableElimination(network.do(["a[0]"]))
        >>> found = elimination.query(
        ...     ["output[0]"], evidence={"a[0]": 1.0, "b[0]": 0.0}, show_progress=False
        ... )
        >>> found.values.tolist()
        [0.0, 1.0]
    """
    import networkx as nx

    whole = isinstance(bins, int) and not isinstance(bins, bool)
    if bins is not None and not (whole and 2 <= bins <= MOST_BINS):
        raise InputError(f"bins is a whole number from 2 to {MOST_BINS}, or None; given {bins!r}")
    scalars(scm)
    models, factors = load("pgmpy.models"), load("pgmpy.factors.discrete")
    frame = to_frame(scm)
    network = models.DiscreteBayesianNetwork()
    network.add_nodes_from(scm.graph.nodes)
    network.add_edges_from(scm.graph.edges)
    levels: dict[str, Array] = {}  # what each state stands for
    undetermined: dict[str, float] = {}
    codes: dict[str, Array] = {}
    for node in nx.lexicographical_topological_sort(scm.graph, key=list(scm.graph).index):
        values = frame[node].to_numpy(dtype=float)
        if node == ROW:
            levels[node], codes[node] = values, values.astype(int)
            table = _uniform(len(values))
            parents: list[str] = []
        else:
            mechanism = Mechanism(scm, node)
            parents = list(mechanism.parents)
            made = _Table(mechanism, levels, codes, values, bins, cells)
            levels[node], codes[node], table = made.levels, made.codes, made.table
            undetermined[node] = made.undetermined
        names = {n: _states(levels[n], n, bins) for n in (node, *parents)}
        sizes = [len(levels[parent]) for parent in parents]
        network.add_cpds(
            factors.TabularCPD(
                node, len(levels[node]), table, parents or None, sizes or None, state_names=names
            )
        )
    network.graph["undetermined"] = undetermined
    network.graph["levels"] = {name: found.tolist() for name, found in levels.items()}
    return network


def _states(levels: Array, name: str, bins: int | None) -> list[Any]:
    if name == ROW or bins is not None:
        return list(range(len(levels)))
    return levels.tolist()


def _uniform(rows: int) -> Array:
    import numpy as np

    return np.full((rows, 1), 1 / rows)


def _check_size(node: str, sizes: list[int], states: int, cells: int) -> None:
    needed = states * prod(sizes)
    if needed > cells:
        raise InputError(
            f"the table of {node!r} given its {len(sizes)} parents "
            f"({' × '.join(map(str, sizes))} combinations) has at least {needed:.3g} cells, more "
            f"than {cells:.3g}; use bins (fewer of them), fewer rows or fewer sites, or ask the "
            "network itself, which needs no tables: cm.query"
        )


class _Table:
    """The table of one variable given its parents."""

    def __init__(
        self,
        mechanism: Mechanism,
        levels: dict[str, Array],
        codes: dict[str, Array],
        values: Array,
        bins: int | None,
        cells: int,
    ) -> None:
        import numpy as np

        sizes = [len(levels[parent]) for parent in mechanism.parents]
        count = prod(sizes)
        _check_size(mechanism.name, sizes, 2, cells)
        places = np.indices(sizes).reshape(len(sizes), count)
        given = np.zeros((count, len(sizes)))
        for column, parent in enumerate(mechanism.parents):
            given[:, column] = levels[parent][places[column]]
        response = mechanism(given)  # at each combination of states
        distinct = _distinct(np.concatenate([response, values]))
        edges = None
        if bins is not None and len(_distinct(values)) > bins:
            edges = np.unique(np.quantile(values, np.arange(1, bins) / bins))
        self.levels = distinct if edges is None else np.zeros(len(edges) + 1)
        _check_size(mechanism.name, sizes, len(self.levels), cells)
        state = _nearest(distinct, response) if edges is None else _bin(edges, response)
        self.codes = _nearest(distinct, values) if edges is None else _bin(edges, values)
        if edges is not None:
            seen = np.bincount(self.codes, minlength=len(self.levels))
            total = np.bincount(self.codes, weights=values, minlength=len(self.levels))
            middle = np.concatenate([edges[:1], (edges[1:] + edges[:-1]) / 2, edges[-1:]])
            self.levels = np.where(seen > 0, total / np.maximum(seen, 1), middle)
        self.table = np.zeros((len(self.levels), count))
        self.table[state, np.arange(count)] = 1.0
        cell = np.zeros(len(values), dtype=int)
        for parent, size in zip(mechanism.parents, sizes, strict=True):
            cell = cell * size + codes[parent]
        shown = np.zeros_like(self.table)
        np.add.at(shown, (self.codes, cell), 1.0)
        rows = shown.sum(0)
        self.undetermined = float((rows - shown.max(0)).sum() / len(values))
        if bins is not None:
            self.table = np.where(rows > 0, shown / np.maximum(rows, 1), self.table)


def _distinct(values: Array) -> Array:
    """Return the distinct values, those closer than 1e-6 of the largest as one."""
    import numpy as np

    ordered = np.unique(values)
    gap = _SAME * max(float(np.abs(ordered).max()), 1e-300)
    keep = [ordered[0], *(b for a, b in pairwise(ordered) if b - a > gap)]
    return np.array(keep)


def _nearest(levels: Array, values: Array) -> Array:
    import numpy as np

    after = np.searchsorted(levels, values).clip(1, max(len(levels) - 1, 1))
    if len(levels) == 1:
        return np.zeros(len(values), dtype=int)
    closer = np.abs(values - levels[after - 1]) <= np.abs(values - levels[after])
    return np.where(closer, after - 1, after)


def _bin(edges: Array, values: Array) -> Array:
    import numpy as np

    return np.searchsorted(edges, values, side="right")


# --- and back -----------------------------------------------------------------------------------


def from_pgmpy(
    network: Any, *, rows: int = 10_000, seed: int = 0, most_rows: int = 100_000
) -> StructuralCausalModel:
    """Return a pgmpy Bayesian network as a structural causal model.

    Every node ``y`` becomes a variable whose values are the numbers of its states, in their order,
    and gets a noise variable ``noise_y`` that picks the state: the inverse of the cumulative
    distribution given the parents (the monotone model; interventional queries do not depend on this
    choice, counterfactual ones do). Probabilities that are fractions are enumerated exactly, see
    :func:`causalmod.from_functions`.

    Args:
        network: a ``DiscreteBayesianNetwork`` with all of its tables.
        rows: number of draws, where the noise cannot be enumerated.
        seed: seed of the draws.
        most_rows: number of combinations above which the noise is drawn.

    Raises:
        InputError: it has no or not all tables, or names that are no words.

    Source: Pearl, *Causality* (2009), section 1.4.1; Oberst and Sontag, *Counterfactual off-policy
    evaluation*, ICML (2019), for why counterfactuals depend on the choice.

    Example:
        >>> import causalmod as cm
        >>> from causalmod.bridges.extra import load
        >>> table = load("pgmpy.factors.discrete").TabularCPD
        >>> network = load("pgmpy.models").DiscreteBayesianNetwork([("x", "y")])
        >>> network.add_cpds(
        ...     table("x", 2, [[0.5], [0.5]]), table("y", 2, [[0.9, 0.25], [0.1, 0.75]], ["x"], [2])
        ... )
        >>> scm = from_pgmpy(network)
        >>> cm.query(scm, "P(y = 1 | do(x = 1))").mean()
        0.75
    """
    import numpy as np

    if not hasattr(network, "get_cpds") or not network.nodes:
        raise InputError(
            f"from_pgmpy takes a DiscreteBayesianNetwork; given {type(network).__name__}"
        )
    variables: dict[str, Any] = {}
    for node in network.nodes:
        table = network.get_cpds(node)
        if table is None:
            raise InputError(f"node {node!r} has no table; add_cpds() first")
        if not isinstance(node, str) or not node.isidentifier():
            raise InputError(f"rename node {node!r} to a word of letters, digits and _")
        parents = list(table.variables[1:])
        below = np.moveaxis(np.cumsum(table.values, axis=0), 0, -1)[..., :-1]
        steps = np.unique(np.concatenate([[0.0, 1.0], np.round(below.ravel(), 12)]))
        law = {place + 0.0: float(b - a) for place, (a, b) in enumerate(pairwise(steps)) if b > a}
        # The noise is the number of a step; a state is passed once the step starts at or after it.
        passed = torch.as_tensor(steps[:-1][:, None] >= np.round(below, 12).reshape(1, -1))
        picks = passed.reshape(len(steps) - 1, *below.shape).double().sum(-1)
        variables[f"noise_{node}"] = law
        variables[node] = (_picker(picks), [f"noise_{node}", *parents])
    return from_functions(variables, rows=rows, seed=seed, most_rows=most_rows)


def _picker(picks: Tensor) -> Callable[..., Tensor]:
    """Return a function that looks a state up by noise and parents, rounded to their states."""

    def function(*values: Tensor) -> Tensor:
        places = tuple(
            value.round().long().clamp(0, size - 1)
            for value, size in zip(values, picks.shape, strict=True)
        )
        return picks[places]

    return function
