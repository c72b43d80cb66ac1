"""How a tensor is cut into variables: by unit, channel, head, position or element."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from causalmod.compiler.lineage import Lineage
from causalmod.compiler.ops import CHANNEL_FIRST, module_path, op_name
from causalmod.compiler.program import Program
from causalmod.compiler.roles import Roles
from causalmod.errors import InputError, SelectorError, nearest
from causalmod.variables import Site

Grain = Literal["unit", "channel", "head", "position", "element"]
Grains = Grain | Mapping[str, Grain]


class Cutter:
    """Describes tensors as sites.

    ``"unit"``, the default, is what people of the architecture call one unit: a coordinate of a
    vector, a channel of an image or of what a one-dimensional convolution reads or gives, a feature
    of any other sequence (over all positions), a head of an attention. ``"channel"`` is the same
    without the heads. ``"head"`` needs an attention. ``"position"`` is all that stands at one
    place. ``"element"`` is a single number.

    Args:
        program: the network.
        lineage: its elementwise functions.
        roles: its attentions.
        names: node → labels.
    """

    def __init__(
        self,
        program: Program,
        lineage: Lineage,
        roles: Roles,
        names: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._program = program
        self._lineage = lineage
        self._roles = roles
        self._names = names

    def site(self, node: str, grain: Grain = "unit", demanded: bool = False) -> Site:
        """Describe one tensor.

        Args:
            node: name of the node.
            grain: what one variable is.
            demanded: fail where the tensor cannot be cut so; otherwise its units are taken.

        Raises:
            InputError: the tensor cannot be cut so.
        """
        rows = self._program.rows[node]
        labels = self._names[node]
        folded, axes = rows.shape, self._axes(node, grain)
        if grain == "head" and node in self._roles.folded:
            folded, axis = self._roles.folded[node]
            axes = (axis,)
        if axes is None:
            if demanded:
                raise InputError(
                    f"variables={{{labels[0]!r}: {grain!r}}}: a row of {labels[0]!r} has shape "
                    f"{list(rows.shape)}, in which there is no {grain}; {self._instead(grain)}"
                )
            grain, axes = "unit", self._axes(node, "unit")
        if grain == "unit" and axes:
            grain = self._kind_of_unit(node)
        fx_node = self._program.nodes[node]
        op = "input" if fx_node.op == "placeholder" else op_name(fx_node)
        return Site(
            labels[0], labels[1:], rows.shape, axes or (), op, module_path(fx_node), folded,
            rows.dim, grain,
        )  # fmt: skip

    def _axes(self, node: str, grain: Grain) -> tuple[int, ...] | None:
        """Axes of the row shape along which variables lie; None where there is no such grain."""
        rank = len(self._program.row_shape(node))
        heads = self._roles.head_axis
        if grain == "element":
            return tuple(range(rank))
        if grain == "head":
            return (heads[node],) if heads.get(node) is not None else None  # type: ignore[return-value]
        if grain == "unit" and node in heads:
            return () if heads[node] is None else (heads[node],)  # type: ignore[return-value]
        if node in heads:
            channel = rank - 1
        else:
            first = rank != 2 or self._is_channel_first(node)
            channel = 0 if first else 1
        if grain == "position":
            parted = {channel, heads.get(node)}
            places = tuple(axis for axis in range(rank) if axis not in parted)
            return places or None
        return (channel,) if rank else ()

    def _kind_of_unit(self, node: str) -> Grain:
        if node in self._roles.head_axis:
            return "head"
        rank = len(self._program.row_shape(node))
        return "channel" if rank > 2 or (rank == 2 and self._is_channel_first(node)) else "unit"

    def _is_channel_first(self, node: str) -> bool:
        root = [node, *self._lineage.ancestors(node)][-1]
        kin = [self._program.nodes[name] for name in self._lineage.below(root)]
        return any(
            op_name(each) in CHANNEL_FIRST for each in [*kin, *(u for k in kin for u in k.users)]
        )

    def _instead(self, grain: Grain) -> str:
        if grain != "head":
            return "choose another grain for it"
        heads = [
            self._names[each.heads][0]
            for each in self._roles.attentions
            if each.heads in self._names
        ]
        if not heads:
            return "the network has no attention that is known as one"
        return f"the heads of this network are the variables of {', '.join(map(repr, heads[:4]))}"


def chosen_grains(grains: Grains, sites: Iterable[tuple[str, tuple[str, ...]]]) -> dict[str, Grain]:
    """Resolve the user's choice of grain to nodes.

    Args:
        grains: one grain for all sites (where it makes sense), or pattern → grain.
        sites: nodes and their labels.

    Returns:
        dict: node → grain that the user asked for by a pattern; a later pattern wins.

    Raises:
        InputError: no such grain.
        SelectorError: a pattern fits no site.
    """
    asked = grains if isinstance(grains, Mapping) else {"": grains}
    for pattern, grain in asked.items():
        if grain not in get_args(Grain):
            where = f" for {pattern!r}" if pattern else ""
            kinds = ", ".join(map(repr, get_args(Grain)))
            raise InputError(f"variables={grain!r}{where}: expected one of {kinds}")
    found: dict[str, Grain] = {}
    if not isinstance(grains, Mapping):
        return found
    known = list(sites)
    for pattern, grain in grains.items():
        if not isinstance(pattern, str):
            raise SelectorError(
                f"variables: each key is the name of a site, or a glob; given {pattern!r}"
            )
        fits = [n for n, names in known if _fits(pattern, names)]
        if not fits:
            labels = [label for _, names in known for label in names]
            raise SelectorError(
                f"variables: {pattern!r} fits none of the chosen sites: {nearest(pattern, labels)}"
            )
        found.update(dict.fromkeys(fits, grain))
    return found


def _fits(pattern: str, names: tuple[str, ...]) -> bool:
    return pattern in names or any(fnmatch.fnmatchcase(name, pattern) for name in names)
