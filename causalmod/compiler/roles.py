"""Names for the tensors that people of an architecture speak of, though no module returns them.

Attention: ``PATH.q``, ``PATH.k``, ``PATH.v`` (as the product of queries and keys reads them),
``PATH.pattern`` (where it is written out) and ``PATH.heads``, what the heads give before the output
projection. Blocks around attention: ``PATH.resid_pre``, ``PATH.resid_mid`` and ``PATH.resid_post``,
the residual stream before, within and after; ``PATH.hidden``, the hidden units of a feed-forward
part. All of them are found by the operations, whatever the classes are called. Where a module has
such a name, ``PATH:q`` is the part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from torch import fx

from causalmod.compiler.attention import SAME, Attention, find_attentions, source
from causalmod.compiler.ops import SUMS, VIEWS, is_linear, module_path, moving, op_name
from causalmod.compiler.program import Program


@dataclass(frozen=True)
class Block:
    """A module around an attention, and the nodes of the residual stream in it."""

    path: str
    before: str
    middle: str | None
    after: str


class Roles:
    """The attentions and blocks of a network.

    Attributes:
        attentions: in the order of the network.
        blocks: likewise.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self.attentions = tuple(find_attentions(program))
        self.blocks = tuple(self._blocks())

    @cached_property
    def names(self) -> dict[str, str]:
        """Label → node."""
        found: dict[str, str] = {}

        def give(path: str, part: str, node: str | None) -> None:
            label = f"{path}.{part}" if path else part
            if label in self._program.trace.names:  # a module of that name: a projection, mostly
                label = f"{path or 'attention'}:{part}"
            call, name = 1, label
            while name in found:
                call += 1
                name = f"{label}@{call}"
            if node is not None and node in self._program.rows:
                found[name] = node

        for each in self.attentions:
            for part, node in self._parts(each):
                give(each.path, part, node)
        for block in self.blocks:
            give(block.path, "resid_pre", block.before)
            give(block.path, "resid_mid", block.middle)
            give(block.path, "resid_post", block.after)
        for path, node in self._feed_forward():
            give(path, "hidden", node)
        return found

    @cached_property
    def head_axis(self) -> dict[str, int | None]:
        """Node of an attention → the axis of its row shape along which the heads lie."""
        found: dict[str, int | None] = {}
        for each in self.attentions:
            for _, node in self._parts(each):
                if node is not None and node in self._program.rows:
                    rank = len(self._program.row_shape(node))
                    found[node] = rank - 3 if rank >= 3 else None
        return found

    @cached_property
    def folded(self) -> dict[str, tuple[tuple[int, ...], int]]:
        """Node whose last axis is the heads side by side → its shape with them apart, and the axis.

        These are the views of what the heads give, as the output projection reads them.
        """
        found: dict[str, tuple[tuple[int, ...], int]] = {}
        for each in self.attentions:
            axis = self.head_axis.get(each.heads)
            if axis is None:
                continue
            shape = self._program.row_shape(each.heads)
            heads, width = shape[axis], shape[-1]
            for node in self._views_of(each.heads):
                if node not in self._program.rows_at:
                    continue
                kept = self._program.row_shape(node)
                if kept and kept[-1] == heads * width and kept[-1] != width:
                    found[node] = ((*kept[:-1], heads, width), len(kept) - 1)
        return found

    @property
    def inside_attention(self) -> frozenset[str]:
        """Nonlinear steps that are part of an attention: the weights, on their way to the heads."""
        return frozenset(each.pattern for each in self.attentions if each.pattern is not None)

    def _parts(self, each: Attention) -> list[tuple[str, str | None]]:
        return [
            ("q", each.query),
            ("k", each.key),
            ("v", each.value),
            ("pattern", each.pattern),
            ("heads", each.heads),
        ]

    def _views_of(self, name: str) -> Iterator[str]:
        stack = [self._program.nodes[name]]
        while stack:
            node = stack.pop()
            for user in node.users:
                if user.op == "call_function" and op_name(user) in VIEWS | SAME:
                    yield user.name
                    stack.append(user)

    # --- blocks -----------------------------------------------------------------------------------

    def _blocks(self) -> Iterator[Block]:
        names = self._program.trace.names
        for path in dict.fromkeys(self._block_path(each.path) for each in self.attentions):
            after = names.get(path or "", names.get(f"{path}.0"))
            if path is None or after is None or after not in self._program.rows_at:
                continue
            before = self._before(path, after)
            if before is not None:
                yield Block(path, before, self._middle(before, after), after)

    def _block_path(self, path: str) -> str | None:
        """The innermost numbered module around an attention: one of a list of like modules."""
        parts = path.split(".")
        ends = [place for place, part in enumerate(parts) if part.isdecimal()]
        return ".".join(parts[: ends[-1] + 1]) if ends else None

    def _before(self, path: str, after: str) -> str | None:
        """What a block reads from outside, of the shape of what it gives."""
        shape = self._program.row_shape(after)
        for node in self._program.nodes.values():
            if not _stands_in(node, path):
                continue
            for each in moving(node, self._program.constants):
                if (
                    not _stands_in(each, path)
                    and each.name in self._program.rows_at
                    and self._program.row_shape(each.name) == shape
                    and each.meta["val"].is_floating_point()
                ):
                    return each.name
        return None

    def _middle(self, before: str, after: str) -> str | None:
        """The sum between the two sums of a block, when the stream runs through it unchanged."""
        sums = self._stream(before, after, set())
        return sums[1] if sums is not None and len(sums) == 2 else None

    def _stream(self, before: str, name: str, seen: set[str]) -> list[str] | None:
        """The sums on the way from ``before`` to a node, last first."""
        node = self._program.nodes[name]
        if name == before:
            return []
        if name in seen or node.op != "call_function" or op_name(node) not in SUMS | SAME:
            return None
        seen.add(name)
        for each in node.all_input_nodes:
            found = self._stream(before, each.name, seen)
            if found is not None:
                return [name, *found] if op_name(node) in SUMS else found
        return None

    def _feed_forward(self) -> Iterator[tuple[str, str]]:
        """The input of the last linear map of a part of a block that holds no attention."""
        constants = self._program.constants
        for block in self.blocks:
            depth = block.path.count(".") + 1
            last: dict[str, list[fx.Node]] = {}
            for node in self._program.nodes.values():
                if _stands_in(node, block.path) and is_linear(node, constants):
                    parts = module_path(node).split(".")
                    if len(parts) > depth + 1:
                        last.setdefault(".".join(parts[: depth + 1]), []).append(node)
            busy = {each.path for each in self.attentions}
            for path, maps in last.items():
                if len(maps) > 1 and not any(f"{b}.".startswith(f"{path}.") for b in busy):
                    yield path, source(moving(maps[-1], constants)[0])


def stream(program: Program) -> frozenset[str]:
    """Nodes of the residual stream: sums of tensors, and what blocks read and give."""
    found: set[str] = set()
    for name, node in program.nodes.items():
        if node.op != "call_function" or name in program.constants:
            continue
        if op_name(node) in SUMS and len(moving(node, program.constants)) > 1:
            found.add(name)
    for block in Roles(program).blocks:
        found |= {block.before, block.after} | ({block.middle} if block.middle else set())
    return frozenset(found)


def _stands_in(node: fx.Node, path: str) -> bool:
    return node.op == "call_function" and f"{module_path(node)}.".startswith(f"{path}.")
