"""Lineage: which tensors are elementwise functions of one other tensor alone.

``fc`` → ``relu(fc)`` → ``2 * relu(fc)`` is a lineage, and so is ``fc`` → ``fc * sigmoid(fc)``. Each
node of a lineage has one nearest node above it through which everything that it depends on passes
(its immediate dominator, in the language of flow graphs); together they form a forest.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import fx

from causalmod.compiler.ops import ELEMENTWISE, SHAPE_ONLY, moving, op_name
from causalmod.compiler.program import Program


class Lineage:
    """The forest of elementwise functions in a network.

    Attributes:
        above: node name → the nearest node of which it is an elementwise function; absent for a
            node that mixes units, or that depends on several independent nodes.
        used: names of the nodes that an output is computed from.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self.used = _reaching(program.trace.graph.output_node())
        self.above: dict[str, str] = {}
        for name, node in program.nodes.items():
            found = self._nearest(node)
            if found is not None:
                self.above[name] = found

    def ancestors(self, name: str) -> Iterator[str]:
        """Yield the nodes above one, nearest first."""
        while name in self.above:
            name = self.above[name]
            yield name

    def below(self, root: str) -> list[str]:
        """Return a node and all elementwise functions of it, in order."""
        found = {root}
        for name, over in self.above.items():  # in the order of the network
            if over in found:
                found.add(name)
        return self._program.in_order(found)

    def carries_all(self, start: str, name: str, region: set[str]) -> bool:
        """Does all that ``start`` sends out of a region of the lineage pass through ``name``?"""
        stack, seen = [start], {name, start}
        while stack and start != name:
            for user in self._program.nodes[stack.pop()].users:
                if user.name not in region:
                    if user.op == "output" or self._is_exit(user):
                        return False
                elif user.name not in seen:
                    seen.add(user.name)
                    stack.append(user.name)
        return True

    def last_gate(self, root: str, among: set[str]) -> str | None:
        """Return the last of some nodes through which all that ``root`` sends must pass."""
        below = self.below(root)
        gates = (n for n in reversed(below) if n in among)
        return next((name for name in gates if self.carries_all(root, name, set(below))), None)

    def _is_exit(self, user: fx.Node) -> bool:
        return user.name in self.used and op_name(user) not in SHAPE_ONLY

    def _nearest(self, node: fx.Node) -> str | None:
        sources = self._sources(node)
        shapes = {self._shape(source) for source in sources} | {self._shape(node.name)}
        if not sources or len(shapes) != 1 or None in shapes:
            return None
        chains = [[source, *self.ancestors(source)] for source in sources]
        shared = set(chains[0]).intersection(*chains[1:])
        return next((name for name in chains[0] if name in shared), None)

    def _sources(self, node: fx.Node) -> list[str]:
        """Names of what an elementwise operation reads; empty for any other."""
        if node.op != "call_function" or node.name in self._program.constants:
            return []
        if op_name(node) not in ELEMENTWISE:
            return []
        return [each.name for each in moving(node, self._program.constants)]

    def _shape(self, name: str) -> tuple[int, ...] | None:
        return self._program.row_shape(name) if name in self._program.rows_at else None


def _reaching(output: fx.Node) -> set[str]:
    """Names of the nodes that something in the network's output is computed from."""
    found: set[str] = set()
    stack = [output]
    while stack:
        for each in stack.pop().all_input_nodes:
            if each.name not in found:
                found.add(each.name)
                stack.append(each)
    return found
