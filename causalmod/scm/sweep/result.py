"""What a sweep gives back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from torch import Tensor

from causalmod._display import html_table
from causalmod.errors import SelectorError, nearest
from causalmod.provenance import Provenance

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some interventions of a sweep, and what followed.

    Attributes:
        names: how each intervention is written.
        values: recorded site → ``[intervention, rows, *site]``.

    Example:
        >>> import torch, causalmod as cm
        >>> scm = cm.compile(torch.nn.ReLU().eval(), torch.eye(2))
        >>> next(scm.stream("input")).names
        ('input[0]', 'input[1]')
    """

    names: tuple[str, ...]
    values: Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Sweep:
    """Many interventions, made one at a time.

    Attributes:
        names: how each intervention is written, in order.
        values: recorded site → ``[intervention, rows, *site]``; or, when the sweep was reduced,
            what the reduction gave, by name, intervention by intervention.
        reduced: was a reduction applied?
        complete: False when the sweep was interrupted; then only what was done is here.
        provenance: seed, digests, versions and duration.

    Example:
        >>> import torch, causalmod as cm
        >>> scm = cm.compile(torch.nn.Linear(2, 1, bias=False).eval(), torch.eye(2))
        >>> found = scm.sweep("input", 0.0)
        >>> found
        Sweep(2 interventions; output: [2, 2, 1])
        >>> found["input[0]"]["output"].shape
        torch.Size([2, 1])
    """

    names: tuple[str, ...]
    values: Mapping[str, Tensor]
    reduced: bool
    complete: bool
    provenance: Provenance

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[str, dict[str, Tensor]]]:
        for place, name in enumerate(self.names):
            yield name, {key: value[place] for key, value in self.values.items()}

    def __getitem__(self, name: str) -> dict[str, Tensor]:
        """Return what followed one intervention, by the name that ``names`` gives it."""
        if name not in self.names:
            raise SelectorError(
                f"no intervention of this sweep is {name!r}: {nearest(name, self.names)}"
            )
        return {key: value[self.names.index(name)] for key, value in self.values.items()}

    def to_frame(self) -> pd.DataFrame:
        """Return one row per intervention, and a column per number.

        Raises:
            SelectorError: the sweep was not reduced to a few numbers each.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.ReLU().eval(), torch.eye(2))
            >>> moved = lambda after, before: (after["output"] - before["output"]).abs().sum((1, 2))
            >>> scm.sweep("input", 3.0, reduce=moved).to_frame()
                          value
            intervention
            input[0]        5.0
            input[1]        5.0
        """
        import pandas as pd

        columns: dict[str, Any] = {}
        for key, value in self.values.items():
            flat = value.reshape(len(self.names), -1)
            if flat.shape[1] > 64:
                raise SelectorError(
                    f"{key!r} holds {flat.shape[1]} numbers for each intervention, too many for "
                    "the columns of a table; give sweep() a function reduce="
                )
            places = list(product(*map(range, value.shape[1:])))
            for column, place in enumerate(places):
                label = key if len(places) == 1 else f"{key}[{', '.join(map(str, place))}]"
                columns[label] = flat[:, column].float().cpu().numpy()
        return pd.DataFrame(columns, index=pd.Index(self.names, name="intervention"))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.ReLU().eval(), torch.eye(2))
            >>> scm.sweep("input[0]", 3.0).to_dict()["values"]
            {'output': [[[3.0, 0.0], [3.0, 1.0]]]}
        """
        return {
            "names": list(self.names),
            "values": {key: value.tolist() for key, value in self.values.items()},
            "reduced": self.reduced,
            "complete": self.complete,
            "provenance": self.provenance.to_dict(),
        }

    def __repr__(self) -> str:
        shapes = ", ".join(f"{key}: {list(value.shape)}" for key, value in self.values.items())
        cut = "" if self.complete else ", interrupted"
        return f"Sweep({len(self.names)} interventions; {shapes}{cut})"

    def _repr_html_(self) -> str:
        rows = [("interventions", str(len(self.names)))]
        rows += [(key, str(list(value.shape))) for key, value in self.values.items()]
        return html_table("Sweep" if self.complete else "Sweep (interrupted)", rows)
