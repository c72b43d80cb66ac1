"""Plans as plain data: what a replay does, and what single receivers see otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from causalmod.compiler.binding import Run
from causalmod.errors import InputError

Patch = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Route:
    """Operations that are run again for one receiver alone.

    Attributes:
        receiver: the node that sees changed values.
        senders: the nodes whose values are changed for it.
        steps: the nodes from the first reader of a sender to the receiver, in order.
    """

    receiver: str
    senders: frozenset[str]
    steps: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """What one receiver sees in place of the natural values of some senders.

    Attributes:
        route: the operations that are run for it alone.
        senders: sender → what becomes of its value.
        merge: function of the receiver's natural value and its private one.
    """

    route: Route
    senders: Mapping[str, Patch]
    merge: Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Step:
    """One operation of a plan, and the values that are needed no longer after it."""

    name: str
    run: Run
    free: tuple[str, ...]

    def result(self, values: dict[str, Any], changed: bool) -> Any:
        """Run the operation.

        Args:
            values: node name → its value.
            changed: is something intervened on in this run?

        Raises:
            InputError: an intervention has made a value that the operation does not take, such as
                the number of a token that there is not.
        """
        try:
            return self.run(values)
        except (IndexError, RuntimeError) as error:
            if not changed or "alloc" in str(error):  # memory is another matter
                raise
            raise InputError(
                f"the network cannot run with what the intervention sets: {error} (at "
                f"{self.name!r}); set values that the network can meet, such as those in the data"
            ) from error


@dataclass(frozen=True)
class Plan:
    """What a run does.

    Attributes:
        steps: the operations, in order.
        sizes: nodes that are the number of rows.
        counted: nodes that depend on the number of rows alone.
        homes: wanted node → the step, or owned value, whose memory it ends up in.
    """

    steps: list[Step]
    sizes: tuple[str, ...]
    counted: tuple[str, ...]
    homes: dict[str, str]


def patched(value: Any, patch: Patch | None) -> Any:
    """Apply a patch, keeping dtype and memory layout, on which the bits of a kernel may depend."""
    if patch is None:
        return value
    new = patch(value)
    if new.stride() == value.stride() and new.dtype == value.dtype:
        return new
    return torch.empty_like(value).copy_(new)
