"""Interventions as plain data: what to set, and to what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from causalmod.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from causalmod.variables import Site


@dataclass(frozen=True)
class Resample:
    """Ask for the value that a variable takes on another, random row. Made by :func:`resample`."""

    seed: int
    joint: bool = True


def resample(seed: int, joint: bool = True) -> Resample:
    """Set variables to the values that they take on other rows: ``do(V := V(x'))``.

    Each row gets a donor row by a random permutation, so every variable keeps its marginal
    distribution exactly, while its dependence on the input is broken.

    Args:
        seed: seed of the permutation.
        joint: all variables of one key use one donor row (their joint distribution is kept); False
            draws a permutation for each variable (only marginals are kept).

    Example:
        >>> resample(0)
        Resample(seed=0, joint=True)
    """
    return Resample(seed, joint)


Value = Union[float, int, bool, "Tensor", Resample, Callable[["Tensor"], "Tensor"]]
Interventions = Mapping[str, Value]


@dataclass(frozen=True)
class Assignment:
    """One resolved intervention: some variables of one site, and what they become.

    Attributes:
        site: name of the site.
        index: positions of the variables in the site.
        value: ``[rows or 1, variable, coordinate]``, or a function of the natural value of that
            shape.
    """

    site: str
    index: Tensor
    value: Tensor | Callable[[Tensor], Tensor]

    def apply(self, blocks: Tensor, rows: Tensor | None) -> Tensor:
        """Return ``[rows, variable, coordinate]`` with this intervention made."""
        natural = blocks[:, self.index]
        if callable(self.value):
            new = self.value(natural)
        elif self.value.shape[0] == 1 or rows is None:
            new = self.value
        else:
            new = self.value[rows]
        changed = blocks.clone()
        changed[:, self.index] = new.to(blocks.dtype)
        return changed


def read_value(
    selector: str, site: Site, index: Tensor, value: Any, rows: int
) -> Tensor | Callable[[Tensor], Tensor]:
    """Turn the value of a ``do`` into blocks ``[rows or 1, variable, coordinate]`` (or a function).

    Raises:
        InputError: NaN, infinity, or a shape that is not one of those that :meth:`do` takes.
    """
    import torch

    if callable(value):
        return value
    tensor = torch.as_tensor(value)
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        raise InputError(f"do({selector!r}): the value holds NaN or infinity")
    shape = (len(index), site.width)
    if tensor.ndim == 0:
        return tensor.expand(1, *shape)
    if tensor.shape[0] in (rows, 1):
        lead = tensor.shape[0]
        if tensor.ndim == 1:
            return tensor.reshape(lead, 1, 1).expand(lead, *shape)
        if tensor.shape[1:] == site.shape and len(index) == site.count:
            return site.split(tensor)
        if tensor.numel() == lead * shape[0] * shape[1]:
            return tensor.reshape(lead, *shape)
        if tensor.numel() == lead * shape[0]:
            return tensor.reshape(lead, shape[0], 1).expand(lead, *shape)
    elif tensor.ndim == 1 and tensor.shape[0] == shape[0]:
        return tensor.reshape(1, shape[0], 1).expand(1, *shape)
    raise InputError(
        f"do({selector!r}): the value has shape {tuple(tensor.shape)}; expected a number, "
        f"[{rows}] (one per row), [{rows}, {shape[0]}] or [1, {shape[0]}] (one per variable)"
        + (f", with a last dimension of {shape[1]}" if shape[1] > 1 else "")
    )
