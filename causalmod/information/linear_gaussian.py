"""Causal strength of every arrow of a linear-Gaussian model, in closed form, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod.errors import InputError, nearest

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

_DEPENDENT = 1e-12  # share of a variance that is rounding


def exact_arrow_strengths(weights: Tensor, noise: Tensor) -> Tensor:
    """Return the strength of every arrow of ``x = weightsᵀ x + e``, in bits.

    Cutting an arrow feeds its reader an independent copy of the sender, so the strength is
    ``½ log2(1 + w² Var(sender) / Var(noise of the reader))``, whatever the other arrows do.

    Args:
        weights: ``[sender, reader]``; 0 where there is no arrow. Acyclic, in any order.
        noise: ``[variable]``, the variances of the noise, above 0.

    Returns:
        Tensor: float64 bits ``[sender, reader]``.

    Raises:
        InputError: shapes that do not fit, a variance that is not positive, or arrows in a circle.

    Source: Janzing, Balduzzi, Grosse-Wentrup and Schölkopf, *Quantifying causal influences*, Annals
    of Statistics 41 (2013), section 4 (in nats there).

    Example:
        >>> weights = torch.tensor([[0.0, 3.0], [0.0, 0.0]])
        >>> exact_arrow_strengths(weights, torch.tensor([1.0, 3.0]))
        tensor([[0., 1.],
                [0., 0.]], dtype=torch.float64)
    """
    weights, noise = weights.double(), noise.double()
    count = len(noise)
    if weights.shape != (count, count) or noise.ndim != 1:
        raise InputError(
            f"weights are [variable, variable] and noise [variable]; given {list(weights.shape)} "
            f"and {list(noise.shape)}"
        )
    is_finite = bool(torch.isfinite(weights).all()) and bool(torch.isfinite(noise).all())
    if not is_finite or not bool((noise > 0).all()):
        raise InputError("noise variances are positive, and weights finite; given others")
    reach = (weights != 0).double()
    for _ in range(count.bit_length()):  # paths of 1, 2, 4, ... arrows, and more than there are
        reach = (reach @ reach).clamp_max(1)
    if bool(reach.any()):
        raise InputError("the arrows run in a circle; a causal model has an order")
    paths = torch.linalg.inv(torch.eye(count, dtype=torch.float64) - weights)
    variances = noise @ paths.square()
    return 0.5 * torch.log2(1 + weights.square() * variances[:, None] / noise)


def arrow_strengths(data: pd.DataFrame, graph: nx.DiGraph) -> dict[tuple[Any, Any], float]:
    """Fit a linear-Gaussian model by least squares; return the strength of every arrow, in bits.

    Cutting the arrow from ``X`` to ``Y`` feeds ``Y`` an independent copy of ``X``. With weight
    ``α`` and noise of variance ``σ²`` the strength is ``½ log2(1 + α² Var X / σ²)``.

    Args:
        data: one column per node of the graph, one row per sample; other columns are left alone.
        graph: the causal graph, acyclic.

    Returns:
        dict: arrow ``(sender, reader)`` → bits.

    Raises:
        InputError: a cycle, a missing column, NaN, columns that do not determine the weights (too
            few rows, a constant, or columns that are sums of others), or no noise at all.

    Source: Janzing, Balduzzi, Grosse-Wentrup and Schölkopf, *Quantifying causal influences*, Annals
    of Statistics 41 (2013), section 4 (in nats there).

    Example:
        >>> import networkx as nx, numpy as np, pandas as pd, causalmod as cm
        >>> x, e = np.random.default_rng(0).normal(size=(2, 10_000))
        >>> data = pd.DataFrame({"x": x, "y": 3 ** 0.5 * x + e})
        >>> round(cm.arrow_strengths(data, nx.DiGraph([("x", "y")]))["x", "y"], 1)
        1.0
    """
    _check_graph(graph)
    nodes = list(graph.nodes)
    place = {node: index for index, node in enumerate(nodes)}
    readers = [node for node in nodes if graph.in_degree(node)]
    senders = [[place[parent] for parent in graph.predecessors(node)] for node in readers]
    weight, noise = _least_squares(_columns(data, nodes), senders, readers, place)
    bits = (0.5 * torch.log2(1 + weight.square() / noise[:, None])).tolist()
    found = {
        (nodes[sender], reader): bit
        for reader, each, row in zip(readers, senders, bits, strict=True)
        for sender, bit in zip(each, row, strict=False)  # rows are as long as the longest
    }
    return {(sender, reader): found[sender, reader] for sender, reader in graph.edges}


def _least_squares(
    values: Tensor, senders: list[list[int]], readers: list[Any], place: dict[Any, int]
) -> tuple[Tensor, Tensor]:
    """Return weights ``[reader, sender]`` and noise ``[reader]`` of columns with unit variance."""
    rows, most = len(values), max((len(each) for each in senders), default=0)
    counts = torch.tensor([len(each) for each in senders])
    for reader, count in zip(readers, counts.tolist(), strict=True):
        if rows <= count + 1:
            raise InputError(
                f"{reader!r} has {count} parents, which takes {count + 2} rows; the data "
                f"have {rows}"
            )
    centred = values - values.mean(0)
    scale = centred.square().mean(0).sqrt()
    scale[(values == values[:1]).all(0)] = 0  # whatever the mean was rounded to
    unit = centred * torch.where(scale > 0, 1 / scale, 0)
    correlation = unit.T @ unit / rows
    at = (
        torch.tensor([each + [0] * (most - len(each)) for each in senders]).reshape(-1, most).long()
    )
    there = torch.arange(most) < counts[:, None]
    here = torch.tensor([place[reader] for reader in readers]).long()
    inner = correlation[at[:, :, None], at[:, None, :]] * (there[:, :, None] & there[:, None, :])
    inner += torch.diag_embed((~there).double())  # what is not there weighs nothing
    outer = correlation[at, here[:, None]] * there
    free = torch.linalg.eigvalsh(inner).amin(1) if most else torch.ones(0)
    for index in (free < _DEPENDENT).nonzero()[:1].flatten().tolist():
        raise InputError(
            f"the weights of the parents of {readers[index]!r} are not determined: a column is "
            "constant, or a sum of others; take it out of the graph"
        )
    weight = torch.linalg.solve(inner, outer[..., None])[..., 0]
    residual = correlation[here, here] - (weight * outer).sum(1)
    for index in (residual < _DEPENDENT).nonzero()[:1].flatten().tolist():
        if not scale[here[index]]:
            raise InputError(
                f"{readers[index]!r} is constant in the data; take it out of the graph"
            )
        raise InputError(
            f"{readers[index]!r} has no noise: its parents determine it, and the strength is "
            "infinite; measure what deterministic networks send with cm.information"
        )
    return weight, residual * rows / (rows - counts - 1)


def _check_graph(graph: nx.DiGraph) -> None:
    import networkx as nx

    if not isinstance(graph, nx.DiGraph) or isinstance(graph, nx.MultiDiGraph):
        raise InputError(f"the graph is a networkx.DiGraph; given {type(graph).__name__}")
    if not nx.is_directed_acyclic_graph(graph):
        cycle = " -> ".join(str(sender) for sender, _ in nx.find_cycle(graph))
        raise InputError(f"the arrows run in a circle: {cycle}; a causal model has an order")


def _columns(data: pd.DataFrame, nodes: Sequence[Any]) -> Tensor:
    import pandas as pd

    if not isinstance(data, pd.DataFrame):
        raise InputError(f"the data are a pandas.DataFrame; given {type(data).__name__}")
    for node in nodes:
        if node not in data:
            known = [str(column) for column in data]
            raise InputError(f"the data have no column {node!r}; {nearest(str(node), known)}")
    try:
        values = torch.from_numpy(data[list(nodes)].to_numpy(dtype=float, copy=True))
    except (TypeError, ValueError):
        raise InputError("the data hold what are not numbers; encode or drop it") from None
    if not bool(torch.isfinite(values).all()):
        raise InputError("the data hold NaN or infinity; drop those rows")
    return values
