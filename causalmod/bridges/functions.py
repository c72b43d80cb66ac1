"""from_functions: a textbook structural causal model, by the road that networks take."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from causalmod.bridges.exogenous import exogenous_rows
from causalmod.errors import InputError, nearest
from causalmod.scm import StructuralCausalModel, compile

MOST_ROWS = 100_000
_TAKEN = {"input", "output"}


def from_functions(
    variables: Mapping[str, Any],
    *,
    rows: int = 10_000,
    seed: int = 0,
    most_rows: int = MOST_ROWS,
) -> StructuralCausalModel:
    """Build a structural causal model from functions and distributions of exogenous variables.

    The functions become a network whose inputs are the exogenous variables, so queries, information
    and exchange work as on any network. The variables have the names that they are given here, and
    all endogenous ones are readouts.

    Args:
        variables: name → what it is. A function of other variables, its parents, which it names as
            parameters; or ``(function, [parents])``. It takes and returns float64 tensors ``[row]``
            and is made of tensor operations: ``torch.where(x > 0, a, b)``, not ``a if x > 0 else
            b``. For exogenous variables a mapping from value to probability, a list of equally
            likely values, a tensor of data (``[row]``; several are taken row by row together), or
            a distribution of ``scipy.stats``.
        rows: number of draws, where the exogenous variables cannot be enumerated.
        seed: seed of the draws.
        most_rows: number of combinations above which they are drawn. Each combination stands in as
            many rows as it is likely, since the rows of a model have equal probabilities.

    Returns:
        StructuralCausalModel: its ``note`` says whether the exogenous variables were enumerated
        exactly or drawn, and ``sampled`` tells the two apart. On a sampled one, figures of queries
        have intervals.

    Raises:
        InputError: no exogenous variable, an unknown parent, a cycle, a distribution that is none;
            a function that does not run on tensors, since it branches on values, say.
        CompileError: a function that torch.export cannot trace.

    Source: Pearl, *Causality* (2009), definition 7.1.1.

    Example:
        >>> from causalmod.queries import query
        >>> scm = from_functions({
        ...     "noise": {0: 0.9, 1: 0.1},
        ...     "cause": [0, 1],
        ...     "effect": lambda cause, noise: (cause + noise) % 2,
        ... })
        >>> scm.note
        'exogenous variables enumerated exactly, 20 equally likely rows'
        >>> query(scm, "P(effect = 1 | do(cause = 1))").mean()
        0.9
    """
    if not isinstance(variables, Mapping) or not variables:
        raise InputError(
            "from_functions takes a mapping from name to function or distribution; given "
            f"{variables!r}"
        )
    functions = {n: _read(n, v) for n, v in variables.items() if _is_function(v)}
    laws = {name: value for name, value in variables.items() if name not in functions}
    _check_names(variables)
    if not laws:
        raise InputError(
            "no exogenous variable: give at least one a distribution, such as {0: 0.5, 1: 0.5}; "
            "nothing else is random"
        )
    order = _in_order(functions, list(variables))
    if not functions:
        raise InputError("no endogenous variable: give at least one a function of the others")
    exogenous = exogenous_rows(laws, rows, seed, most_rows)
    model = _Functions(laws, {name: functions[name] for name in order}).eval()
    scm = compile(
        model,
        tuple(exogenous.values.values()),
        sites=[f"output.{n}" for n in order] if len(order) > 1 else ["output"],
    )
    scm = _renamed(scm, {f"output.{n}": n for n in functions} | {"output": order[0]}, laws)
    scm.note, scm.sampled = exogenous.note, exogenous.sampled
    scm.independent = frozenset(exogenous.independent)
    return scm


Function = tuple[Callable[..., Any], tuple[str, ...]]


def _is_function(value: Any) -> bool:
    pair = isinstance(value, tuple) and len(value) == 2 and callable(value[0])
    return pair or (callable(value) and not hasattr(value, "rvs"))


def _read(name: str, value: Any) -> Function:
    """Return a function and the names of its parents."""
    if isinstance(value, tuple):
        function, parents = value
        return function, (parents,) if isinstance(parents, str) else tuple(parents)
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        raise InputError(
            f"{name!r}: the parameters of {value!r} cannot be read; give (function, [parents])"
        ) from None
    if any(p.kind in {p.VAR_POSITIONAL, p.VAR_KEYWORD, p.KEYWORD_ONLY} for p in parameters):
        raise InputError(
            f"{name!r}: its parents are the parameters of the function, so name each; or give "
            "(function, [parents])"
        )
    return value, tuple(p.name for p in parameters if p.default is p.empty)


def _check_names(variables: Mapping[str, Any]) -> None:
    for name in variables:
        if not isinstance(name, str) or not name.isidentifier() or name in _TAKEN:
            raise InputError(
                f"a variable is named by a word of letters, digits and _, other than 'input' and "
                f"'output'; given {name!r}"
            )


def _in_order(functions: Mapping[str, Function], known: list[str]) -> list[str]:
    """Return the endogenous variables, parents first."""
    import networkx as nx

    graph: nx.DiGraph = nx.DiGraph()
    graph.add_nodes_from(functions)
    for name, (_, parents) in functions.items():
        for parent in parents:
            if parent not in known:
                raise InputError(f"{name!r} has an unknown parent {parent!r}: "
                                 f"{nearest(parent, known)}")  # fmt: skip
            graph.add_edge(parent, name)
    try:
        cycle = nx.find_cycle(graph)
    except nx.NetworkXNoCycle:
        return [name for name in nx.lexicographical_topological_sort(graph) if name in functions]
    around = " -> ".join([str(cycle[0][0]), *(str(end) for _, end, *_ in cycle)])
    raise InputError(f"the variables form a cycle: {around}; a causal model needs an order")


class _Functions(nn.Module):
    """The functions, one after the other.

    Each result passes a weight of 1, which keeps every bit of it, and makes it a tensor of its own:
    a variable that copies its parent is another variable, which can be set without the parent.
    """

    def __init__(self, exogenous: Iterable[str], functions: Mapping[str, Function]) -> None:
        super().__init__()
        self.exogenous = tuple(exogenous)
        self.functions = dict(functions)
        self.weights = nn.ParameterDict(
            {
                f"to_{name}": nn.Parameter(torch.ones(1, 1, dtype=torch.float64))
                for name in functions
            }
        )

    def forward(self, *exogenous: Tensor) -> dict[str, Tensor]:
        values = dict(zip(self.exogenous, exogenous, strict=True))
        like = exogenous[0]
        found: dict[str, Tensor] = {}
        for name, (function, parents) in self.functions.items():
            result = function(*(values[parent] for parent in parents))
            column = torch.as_tensor(result, dtype=torch.float64, device=like.device)
            if column.ndim > 1:
                raise InputError(
                    f"the function of {name!r} returned shape {list(column.shape)}; expected one "
                    "number for each row, [row], or one number"
                )
            column = column.expand_as(like)
            found[name] = column[:, None] @ self.weights[f"to_{name}"]
            values[name] = found[name][:, 0]
        return found


def _renamed(
    scm: StructuralCausalModel, outputs: Mapping[str, str], laws: Mapping[str, Any]
) -> StructuralCausalModel:
    """Return the model with sites named as the user named the variables."""
    names = {**outputs, **{f"input.{place}": name for place, name in enumerate(laws)}}
    if len(laws) == 1:
        names["input"] = next(iter(laws))
    nodes: dict[str, str] = {}
    sites = {}
    for node in scm.program.nodes:
        site = scm.site_at(node)
        if site is None:
            continue
        held = scm.sites[site]
        name = names.get(site, site)
        kept = tuple(alias for alias in (held.name, *held.aliases) if alias != name)
        nodes[name] = node
        sites[name] = replace(held, name=name, aliases=kept)
    data = {node: scm.recorded(node) for node in scm.program.trace.inputs.values()}
    return StructuralCausalModel(scm.program, data, sites, nodes, {})
