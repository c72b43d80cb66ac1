"""Causal strength of every arrow of a linear-Gaussian model, in closed form, all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod.errors import InputError

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd


def arrow_strengths(weights: Tensor, noise: Tensor) -> Tensor:
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
        >>> arrow_strengths(torch.tensor([[0.0, 3.0 ** 0.5], [0.0, 0.0]]), torch.ones(2))
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
    if not bool((noise > 0).all()) or not bool(torch.isfinite(weights).all()):
        raise InputError("noise variances are positive, and weights finite; given others")
    if bool(torch.linalg.matrix_power(weights.abs().clamp_max(1), count).any()):
        raise InputError("the arrows run in a circle; a causal model has an order")
    paths = torch.linalg.inv(torch.eye(count, dtype=torch.float64) - weights)
    variances = noise @ paths.square()
    return 0.5 * torch.log2(1 + weights.square() * variances[:, None] / noise)


def fitted_arrow_strengths(data: pd.DataFrame, graph: nx.DiGraph) -> dict[tuple[Any, Any], float]:
    """Fit a linear-Gaussian model to data by least squares, and return arrow → bits.

    Raises:
        InputError: a missing column, NaN, or too few rows for the parents of a variable.
    """
    nodes = list(graph.nodes)
    values = _columns(data, nodes)
    rows = len(values)
    place = {node: index for index, node in enumerate(nodes)}
    centred = values - values.mean(0)
    covariance = centred.T @ centred / rows
    strengths: dict[tuple[Any, Any], float] = {}
    variances = covariance.diagonal()
    for node in nodes:
        parents = [place[parent] for parent in graph.predecessors(node)]
        if not parents:
            continue
        if rows <= len(parents) + 1:
            raise InputError(f"{node!r} has {len(parents)} parents, and the data {rows} rows")
        here = place[node]
        inner, outer = covariance[parents][:, parents], covariance[parents, here]
        weight = torch.linalg.solve(inner, outer)
        residual = (variances[here] - weight @ outer) * rows / (rows - len(parents) - 1)
        bits = 0.5 * torch.log2(1 + weight.square() * variances[parents] / residual)
        strengths |= {
            (nodes[parent], node): float(bit) for parent, bit in zip(parents, bits, strict=True)
        }
    return strengths


def _columns(data: pd.DataFrame | Mapping[Any, Any], nodes: Sequence[Any]) -> Tensor:
    for node in nodes:
        if node not in data:
            raise InputError(f"the data have no column {node!r}")
    values = torch.stack(
        [torch.as_tensor(data[node].to_numpy(dtype=float, copy=True)) for node in nodes], dim=1
    )
    if not bool(torch.isfinite(values).all()):
        raise InputError("the data hold NaN or infinity; drop those rows")
    return values
