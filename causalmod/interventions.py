"""Interventions as plain data: what to set, and to what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, Union, cast

from causalmod._memory import is_out_of_memory
from causalmod.errors import InputError
from causalmod.variables import Site, Variable

if TYPE_CHECKING:
    from torch import Tensor


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
        joint: all variables of one key use one donor row, as do all keys with the same seed, so
            their joint distribution is kept; False draws a permutation for each variable, so only
            marginals are kept.

    Raises:
        InputError: the seed is no whole number of at most 64 bits.

    Example:
        >>> resample(0)
        Resample(seed=0, joint=True)
    """
    return Resample(read_seed(seed), joint)


def read_seed(seed: object) -> int:
    """Return a seed that torch takes.

    Raises:
        InputError: it is no whole number, or does not fit into 64 bits.

    Example:
        >>> read_seed(3)
        3
    """
    number = int(seed) if isinstance(seed, Integral) and not isinstance(seed, bool) else None
    if number is None or not -(2**63) <= number < 2**64:
        raise InputError(f"seed is a whole number, such as 0; given {seed!r}")
    return number


@dataclass(frozen=True)
class Mean:
    """Ask for the mean of a variable over the rows of the data. Made by :func:`mean`."""


def mean() -> Mean:
    """Set variables to their mean over the data: what is known as mean ablation.

    Example:
        >>> mean()
        Mean()
    """
    return Mean()


Value = Union[float, int, bool, "Tensor", Resample, Mean, Callable[["Tensor"], "Tensor"]]
Selector = str | Variable
Interventions = (
    Mapping[str, Value]
    | Mapping[Variable, Value]
    | Mapping[tuple[str, str], Value]
    | Mapping[Any, Value]
)
Change = Callable[["Tensor"], "Tensor"]


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
    value: Tensor | Change

    @property
    def is_soft(self) -> bool:
        """Does the new value depend on the natural one, and so on what comes before it?"""
        return callable(self.value)

    def apply(self, blocks: Tensor, rows: Tensor | None) -> Tensor:
        """Return ``[rows, variable, coordinate]`` with this intervention made.

        Args:
            blocks: natural values.
            rows: which data row each run is on; None when runs and rows of the value correspond.
        """
        if callable(self.value):
            new = self.value(blocks[:, self.index])
        elif self.value.shape[0] == 1 or rows is None:
            new = self.value
        else:
            new = self.value[rows]
        changed = blocks.clone()
        changed[:, self.index] = new
        return changed


@dataclass(frozen=True)
class Held(Assignment):
    """Variables outside a submodel: they keep the values of their own rows, and so follow ``U``."""


@dataclass(frozen=True)
class EdgeAssignment:
    """One resolved intervention on edges: what some receivers see of some senders.

    Attributes:
        sent: the senders, and the value that is seen in place of theirs.
        receiver: name of the site (or output) of the receivers.
        index: positions of the receivers in it.
    """

    sent: Assignment
    receiver: str
    index: Tensor


def chain(assignments: Sequence[Assignment], rows: Tensor | None) -> Change:
    """Return one change that makes several assignments to a site, in order.

    Args:
        assignments: the assignments.
        rows: which data row each run is on; None when runs and rows of the values correspond.
    """

    def change(blocks: Tensor) -> Tensor:
        for made in assignments:
            blocks = made.apply(blocks, rows)
        return blocks

    return change


def read_value(
    selector: str, site: Site, index: Tensor, value: Any, like: Tensor, rows: int
) -> Tensor | Change:
    """Turn the value of a ``do`` into blocks ``[rows or 1, variable, coordinate]`` (or a function).

    Args:
        selector: what the user wrote, for messages.
        site: the site.
        index: positions of the chosen variables in it.
        value: what the user gave.
        like: a tensor of the site, for its dtype and device.
        rows: number of rows that a value for each row must have.

    Raises:
        InputError: not a number, tensor or function; NaN or infinity; a dtype that the site cannot
            hold; or a shape that is not one of those that ``do`` takes.
    """
    if value is resample or value is mean:
        raise InputError(
            f"do({selector!r}): cm.{value.__name__} is to be called, as in "
            f"cm.{value.__name__}({'seed=0' if value is resample else ''})"
        )
    if callable(value):
        return _soft(selector, site, index, value)
    blocks = _blocks(selector, site, index, _tensor(selector, value), rows)
    return _cast(selector, blocks, like)


def _tensor(selector: str, value: Any) -> Tensor:
    import torch

    try:
        found = torch.as_tensor(value).detach()
        if found.is_floating_point() and not hasattr(value, "dtype"):
            # Python's numbers have double precision, whatever torch's default is
            return torch.as_tensor(value, dtype=torch.float64)
        return found
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"do({selector!r}): expected a number, a tensor, cm.resample(seed), cm.mean() or a "
            f"function; given {type(value).__name__}"
        ) from error


def _cast(selector: str, value: Tensor, like: Tensor) -> Tensor:
    """Copy a value in the dtype of its site."""
    import torch

    held = value.to(like.device, like.dtype, copy=True)
    if held.is_floating_point() and not torch.isfinite(held).all():
        raise InputError(
            f"do({selector!r}): the value holds NaN or infinity (the site is {like.dtype})"
        )
    if not held.is_floating_point() and not torch.equal(
        held.to(value.dtype), value.to(held.device)
    ):
        raise InputError(
            f"do({selector!r}): the site is {like.dtype} and cannot hold the {value.dtype} value; "
            "round it first"
        )
    return held


def _blocks(selector: str, site: Site, index: Tensor, value: Tensor, rows: int) -> Tensor:
    """Read the shape of a value: one number, one per row, one per variable, or all of them."""
    shape = (len(index), site.width)
    if value.ndim == 0:
        return value.expand(1, *shape)
    if site.in_blocks:
        part = site.part_shape(index)
        whole = value[None] if tuple(value.shape) == part and value.shape[0] != rows else value
        if whole.shape[0] in (rows, 1) and tuple(whole.shape[1:]) == part:
            return site.cut_part(whole, index)
    if value.shape[0] in (rows, 1):
        lead, inner = value.shape[0], tuple(value.shape[1:])
        if not inner and (lead == rows or shape[0] == 1):
            return value.reshape(lead, 1, 1).expand(lead, *shape)
        if inner == site.shape and _is_whole(site, index):
            return site.cut(value)
        if inner == _part_shape(site, len(index)):
            return value.movedim(site.axes[0] + 1, 1).reshape(lead, *shape)
        alone = {site.inside, shape[1:]} if shape[0] == 1 else set()
        if inner in {shape, (shape[0], 1), (shape[0], *site.inside), *alone}:
            return value.reshape(lead, shape[0], -1).expand(lead, *shape)
        if inner == shape[:1]:
            return value.reshape(lead, shape[0], 1).expand(lead, *shape)
    if value.ndim == 1 and len(value) in (1, shape[0]):
        return value.reshape(1, -1, 1).expand(1, *shape)
    part = site.shape if _is_whole(site, index) else _part_shape(site, len(index))
    part = site.part_shape(index) if site.in_blocks else part
    takes = [f"[{rows}] (one per row)", f"[{shape[0]}] (one per variable)"]
    takes.append(f"[{rows}, {shape[0]}] (both)")
    if part and site.axes and part != shape[:1]:
        takes.append(f"[{rows}, {_text(part)}]")
    raise InputError(
        f"do({selector!r}): the value has shape {list(value.shape)}; expected a number, "
        f"{', '.join(takes[:-1])} or {takes[-1]}; 1 in place of the row count gives all rows the "
        "same"
    )


def _soft(selector: str, site: Site, index: Tensor, function: Callable[[Tensor], object]) -> Change:
    """Wrap a function of natural values so that it sees them in the shape that ``do`` takes."""
    import torch

    everything = _is_whole(site, index)

    def change(natural: Tensor) -> Tensor:
        if everything:
            shown = site.paste(natural)
        elif site.in_blocks:
            shown = site.paste_part(natural, index)
        else:
            shown = natural[..., 0] if site.width == 1 else natural
        try:
            new = function(shown)
        except Exception as error:
            if is_out_of_memory(error):  # for whoever can go on with fewer rows
                raise
            raise InputError(
                f"do({selector!r}): the function cannot be called on the natural value, a tensor "
                f"of shape {list(shown.shape)}: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(new, torch.Tensor) or new.shape != shown.shape:
            given = list(new.shape) if isinstance(new, torch.Tensor) else type(new).__name__
            raise InputError(
                f"do({selector!r}): the function must return a tensor of the shape that it is "
                f"given, {list(shown.shape)}; it returned {given}"
            )
        held = _cast(selector, new.detach(), natural)
        if site.in_blocks and not everything:
            return site.cut_part(held, index)
        return site.cut(held) if everything else held.reshape(natural.shape)

    return cast("Change", change)


def _is_whole(site: Site, index: Tensor) -> bool:
    return index.tolist() == list(range(site.count))


def _part_shape(site: Site, count: int) -> tuple[int, ...] | None:
    """Shape of one row of ``count`` variables of a site, where they lie along one of its axes."""
    if len(site.axes) != 1 or site.folded != site.shape or site.in_blocks:
        return None
    return tuple(count if axis == site.axes[0] else size for axis, size in enumerate(site.shape))


def _text(sizes: tuple[int, ...]) -> str:
    return ", ".join(map(str, sizes))
