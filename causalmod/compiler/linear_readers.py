"""How a change in some coordinates of a tensor moves the linear maps that read it.

A linear map of a tensor need not be computed again when few of its coordinates change: the change
times the weights of those coordinates is added to what the map gave before (a rank-one update for
one unit, a rank-64 update for an attention head of width 64).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, fx

from causalmod.compiler.ops import VIEWS, is_linear, moving, op_name
from causalmod.compiler.program import Program
from causalmod.variables import FittedBasis, Site

_MOVES = VIEWS | {"clone", "contiguous"}
_PROBE = 2  # rows with which views are tried out; one would be dropped by some


@dataclass(frozen=True)
class Update:
    """The update of one linear map for one set of coordinates of a site.

    Attributes:
        node: name of the linear map.
        order: ``[positions × features]`` which of the changed coordinates each entry is; None when
            they stand in that order.
        weight: ``[features, outputs]``.
    """

    node: str
    order: Tensor | None
    weight: Tensor

    def apply(self, before: Tensor, change: Tensor, out: Tensor | None = None) -> Tensor:
        """Return what the map gives after the change.

        Args:
            before: what it gave, in the network's own shape; rows first, perhaps merged.
            change: ``[rows, coordinate]`` change of the coordinates.
            out: memory for the result, contiguous; may be ``before`` itself.
        """
        features, outputs = self.weight.shape
        moved = change if self.order is None else change[:, self.order]
        moved = moved.reshape(-1, features)
        flat = before.reshape(-1, outputs)
        room = None if out is None else out.view(-1, outputs)
        if features > 1:
            done = torch.addmm(flat, moved, self.weight, out=room)
        else:
            done = torch.addcmul(flat, moved, self.weight, out=room)
        return done.view(before.shape)


class LinearReaders:
    """The linear maps that read a site, directly or through views.

    Args:
        program: the network.
        node: node of the site.
        site: the site.

    Attributes:
        complete: do these maps (and nothing else) read the site?
    """

    def __init__(self, program: Program, node: str, site: Site) -> None:
        self._program = program
        self._site = site if site.neurons is None else site.neurons
        self._basis = site.basis
        self._maps: dict[str, tuple[Tensor, Tensor]] = {}
        self._feature_of: dict[str, Tensor] = {}
        self._shift: dict[str, Tensor] = {}
        self.complete = True
        for reader, source in self._walk(program.nodes[node]):
            found = self._read(node, reader, source)
            if found is not None and self._basis is not None:
                found = self._in_basis(self._basis, reader.name, *found)
            if found is None:
                self.complete = False
            else:
                self._maps[reader.name] = found
                self._feature_of[reader.name] = found[0][0].argsort()

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the maps."""
        return tuple(self._maps)

    def of_vectors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the maps of a site that is a vector: node, and weights ``[unit, output]``."""
        for name, (places, weight) in self._maps.items():
            if len(places) == 1:
                yield name, weight[self._feature_of[name]]

    def by_feature(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the maps that read all features (or coordinates) at each position: node, weights.

        Weights are ``[feature, output]``.
        """
        for name, (places, weight) in self._maps.items():
            features = self._features(places)
            if features is not None:
                yield name, weight[features.argsort().to(weight.device)]

    def shift(self, node: str) -> Tensor | None:
        """Return what a map gives ``[output]`` where all coordinates are 0, its bias apart."""
        return self._shift.get(node)

    def _features(self, places: Tensor) -> Tensor | None:
        """Which feature each column of a map is; None unless positions and features lie apart."""
        axis = self._site.feature_axis
        if axis is None:
            return None
        inner = prod(self._site.shape[axis + 1 :])
        features = places // inner % self._site.shape[axis]
        rest = places - features * inner
        whole = places.shape[1] == self._site.shape[axis]
        if not whole or bool((features != features[0]).any() | (rest != rest[:, :1]).any()):
            return None
        return features[0]

    def _in_basis(
        self, basis: FittedBasis, name: str, places: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor] | None:
        """Positions of coordinates, and the weights by which a map reads these."""
        features, axis = self._features(places), self._site.feature_axis
        if features is None or axis is None:
            return None
        inner = prod(self._site.shape[axis + 1 :])
        size = self._site.shape[axis] * inner
        before, within = places[:, :1] // size, places[:, :1] % inner
        steps = torch.arange(basis.count) * inner
        moved = before * basis.count * inner + within + steps
        apart = weight[features.argsort().to(weight.device)].double()
        read = basis.directions.to(weight.device) @ apart
        if bool(basis.offset.any()):
            self._shift[name] = (basis.offset.to(weight.device).double() @ apart).to(weight)
        return moved, read.to(weight).contiguous()

    def updates(self, coordinates: Tensor) -> dict[str, Update] | None:
        """Return how each map moves with some coordinates of the site.

        Args:
            coordinates: ``[coordinate]`` positions in a flattened row.

        Returns:
            dict | None: node → update; None when the coordinates do not lie so that every position
            has the same features of them.
        """
        found: dict[str, Update] = {}
        for name, (places, weight) in self._maps.items():
            if len(places) == len(coordinates) == 1:  # one unit of a vector
                feature = int(self._feature_of[name][coordinates])
                found[name] = Update(name, None, weight[feature : feature + 1])
                continue
            lookup = torch.full((int(places.max()) + 1,), -1)
            lookup[coordinates] = torch.arange(len(coordinates))
            held = lookup[places]  # [position, feature] → which coordinate, or -1
            features = (held >= 0).any(0).nonzero().flatten()
            part = held[:, features]
            if int((part >= 0).sum()) != len(coordinates) or bool((part < 0).any()):
                return None
            order = part.flatten()
            found[name] = Update(
                name,
                None if torch.equal(order, torch.arange(len(order))) else order,
                weight[features.to(weight.device)],
            )
        return found

    def _walk(self, start: fx.Node) -> Iterator[tuple[fx.Node, fx.Node]]:
        """Yield each reader behind views, and the tensor that it reads."""
        stack = [start]
        while stack:
            node = stack.pop()
            for user in node.users:
                if user.op != "call_function":
                    continue
                if op_name(user) in _MOVES and len(moving(user, self._program.constants)) == 1:
                    stack.append(user)
                else:
                    yield user, node

    def _read(self, start: str, reader: fx.Node, source: fx.Node) -> tuple[Tensor, Tensor] | None:
        """Positions and features of the coordinates as a map reads them, and its weights."""
        constants = self._program.constants
        weight = _weight(reader, source, constants)
        rows = self._program.rows.get(source.name)
        result = self._program.rows.get(reader.name)
        if weight is None or rows is None or result is None or rows.dim or result.dim:
            return None
        count = prod(self._site.shape)
        numbers = torch.arange(count).repeat(_PROBE, 1)
        values = numbers.reshape(_PROBE, *self._site.shape)
        like = torch.empty(
            [
                self._program.size(s, _PROBE) or 0
                for s in self._program.nodes[start].meta["val"].shape
            ]
        )
        values = self._site.join(self._site.cut(values), like)
        try:
            seen = self._program.run({start: values}, [source.name], rows=_PROBE)[source.name]
        except (RuntimeError, TypeError, KeyError):  # a view that reads something else too
            return None
        places = seen.reshape(_PROBE, -1, weight.shape[0])[0]
        if sorted(places.flatten().tolist()) != list(range(count)):
            return None
        return places, weight


def _weight(reader: fx.Node, source: fx.Node, constants: dict[str, Any]) -> Tensor | None:
    """Weights ``[features, outputs]`` of a linear map, if it is one of this tensor alone."""
    if not is_linear(reader, constants) or reader.kwargs:
        return None
    read: Sequence[Any] = reader.args
    operation = op_name(reader)
    place = {"linear": 0, "addmm": 1, "mm": 0, "matmul": 0}[operation]
    holder = read[place + 1]
    if read[place] is not source or not isinstance(holder, fx.Node):
        return None
    weight = constants.get(holder.name)
    if not isinstance(weight, Tensor) or weight.ndim != 2:
        return None
    return (weight.T if operation == "linear" else weight).detach().contiguous()
