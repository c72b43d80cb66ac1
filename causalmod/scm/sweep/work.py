"""How much work and memory lies between an intervention and what is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from causalmod.compiler.ops import is_linear

if TYPE_CHECKING:
    from causalmod.scm.model import StructuralCausalModel

_CACHE = 2**21  # bytes of the largest tensor in a block


def block(widest: int, memory: int) -> int:
    """Return how many rows to run at a time, so that what is computed stays in the cache.

    Args:
        widest: bytes of one row of the largest tensor.
        memory: bytes that the work may take.
    """
    return max(1, min(_CACHE, memory // 8) // widest)


def widest(scm: StructuralCausalModel, nodes: Iterable[str]) -> int:
    """Return the bytes of one row of the largest of some nodes."""
    return max([1, *(scm.program.bytes_per_row(name) for name in nodes)])


def between(
    scm: StructuralCausalModel, starts: Iterable[str], record: Sequence[str]
) -> frozenset[str]:
    """Return the nodes that a change at ``starts`` may reach on its way to what is recorded."""
    program = scm.program
    moved: set[str] = set()
    for start in starts:
        moved |= program.descendants(start)
    behind: set[str] = set()
    stack = [scm.node_of(name) for name in record]
    while stack:
        name = stack.pop()
        if name in moved and name not in behind:
            behind.add(name)
            stack.extend(each.name for each in program.nodes[name].all_input_nodes)
    return frozenset(behind)


def products(scm: StructuralCausalModel, nodes: Iterable[str]) -> int:
    """Return the multiplications for each row in the linear maps among some nodes."""
    total = 0
    for name in nodes:
        node = scm.program.nodes[name]
        if is_linear(node, scm.program.constants):
            weights = [scm.program.constants.get(each.name) for each in node.all_input_nodes]
            matrices = [w for w in weights if isinstance(w, Tensor) and w.ndim == 2]
            value = node.meta["val"]
            positions = scm.program.bytes_per_row(name) // (value.element_size() * value.shape[-1])
            total += sum(w.numel() for w in matrices) * int(positions)
    return total
