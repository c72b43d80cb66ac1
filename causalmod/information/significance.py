"""Significance of many figures at once."""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.errors import InputError, nearest

METHODS = ("bh", "by", "holm", "bonferroni", "none")


def adjusted(p: Tensor, method: str = "bh") -> Tensor:
    """P-values of a family of tests, adjusted for their number: compare them with a level.

    Args:
        p: p-values of any shape; NaN where there is no test (it stays NaN and is not counted).
        method: ``"bh"`` (Benjamini and Hochberg 1995) and ``"by"`` (Benjamini and Yekutieli 2001,
            for any dependence) hold the expected share of false discoveries; ``"holm"`` (Holm 1979)
            and ``"bonferroni"`` the chance of any false one; ``"none"`` neither.

    Returns:
        Tensor: float64, of the shape of ``p``; at most 1.

    Raises:
        InputError: an unknown method; p-values outside 0 to 1.

    Example:
        >>> adjusted(torch.tensor([0.01, 0.04, 0.03]), "holm")
        tensor([0.0300, 0.0600, 0.0600], dtype=torch.float64)
    """
    if method not in METHODS:
        raise InputError(f"unknown adjustment {method!r}: {nearest(str(method), METHODS)}")
    found = torch.as_tensor(p).detach().to(device="cpu", dtype=torch.float64).clone()
    tested = ~found.isnan()
    values = found[tested]
    if bool(((values < 0) | (values > 1)).any()):
        raise InputError(
            f"p-values lie between 0 and 1; given {float(values.min())} to {float(values.max())}"
        )
    if len(values) and method != "none":
        found[tested] = _adjust(values, method).clamp_max(1.0)
    return found


def _adjust(values: Tensor, method: str) -> Tensor:
    count = len(values)
    if method == "bonferroni":
        return values * count
    if method == "holm":
        ordered, places = values.sort()
        steps = (ordered * torch.arange(count, 0, -1)).cummax(0).values
        return torch.empty_like(steps).scatter_(0, places, steps)
    from scipy.stats import false_discovery_control  # takes a second to import

    return torch.from_numpy(false_discovery_control(values.numpy(), method=method))
