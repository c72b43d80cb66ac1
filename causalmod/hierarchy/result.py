"""Hierarchy: the tree of modules, and its forms for people and for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

from causalmod._display import FIGURES
from causalmod.errors import InputError, SelectorError, nearest
from causalmod.modularity import Modularity
from causalmod.partition import Partition
from causalmod.provenance import Provenance

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd
    from matplotlib.figure import Figure

ROOT = "all"
_KINDS = ("dendrogram", "sunburst", "nested")


@dataclass(frozen=True)
class Node:
    """A module, and what was found inside it.

    Attributes:
        name: ``"all"`` for the whole network, then ``"A"``, ``"A.b"``, ``"A.b.1"``.
        members: names of its live units.
        result: the search for modules inside it; None where there was none.
        children: the modules that it splits into; none where it is not split.
        stop: why it is not split.
    """

    name: str
    members: tuple[str, ...]
    result: Modularity | None = None
    children: tuple[Node, ...] = ()
    stop: str = ""

    @property
    def partition(self) -> Partition | None:
        """The split, in unit names; None where it is not split."""
        if not self.children:
            return None
        return Partition({child.name: child.members for child in self.children})

    @property
    def score(self) -> float | None:
        """Calibrated modularity of the best split inside, taken or not."""
        return None if self.result is None else self.result.score

    @property
    def low(self) -> float | None:
        """Lower end of the 95% interval of the score."""
        return None if self.result is None else self.result.low

    @property
    def high(self) -> float | None:
        """Upper end of the 95% interval of the score."""
        return None if self.result is None else self.result.high

    @property
    def p(self) -> float | None:
        """Share of null networks that split as well."""
        return None if self.result is None else self.result.p

    @property
    def null_scores(self) -> tuple[float, ...]:
        """``S`` of the best split of each null network."""
        return () if self.result is None else self.result.null_scores

    def walk(self) -> Iterator[Node]:
        """Yield this node and all below it, each before its children."""
        yield self
        for child in self.children:
            yield from child.walk()

    def __repr__(self) -> str:
        score = "" if self.score is None else f", score {self.score:.2f}"
        parts = f", {len(self.children)} modules inside" if self.children else ""
        return f"Node({self.name}: {len(self.members)} units{parts}{score})"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return {
            "name": self.name, "members": list(self.members), "stop": self.stop,
            "result": None if self.result is None else self.result.to_dict(),
            "children": [child.to_dict() for child in self.children],
        }  # fmt: skip


@dataclass(frozen=True)
class Hierarchy:
    """Modules inside modules.

    Attributes:
        root: the whole network.
        inert: inert unit → reason.
        provenance: seed, versions, digests, duration.
    """

    root: Node
    inert: dict[str, str]
    provenance: Provenance

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """Name → node, each before those inside it."""
        return {node.name: node for node in self.root.walk()}

    @property
    def leaves(self) -> tuple[Node, ...]:
        """The modules that are not split."""
        return tuple(node for node in self.nodes.values() if not node.children)

    @property
    def depth(self) -> int:
        """Levels of splits; 0 where the network is not split."""
        return max((_depth(node) for node in self.nodes.values()), default=0)

    def __getitem__(self, name: str) -> Node:
        if name not in self.nodes:
            raise SelectorError(f"no module {name!r}: {nearest(name, self.nodes)}")
        return self.nodes[name]

    @property
    def modules(self) -> dict[str, Any]:
        """Nested mappings from module name to members, as ``with_partition`` takes them."""
        if not self.root.children:
            return {"A": self.root.members}
        return {child.name: _nested(child) for child in self.root.children}

    def partition(self, depth: int | None = None) -> Partition:
        """Return one flat partition.

        Args:
            depth: level at which to cut the tree; None for the leaves.

        Raises:
            InputError: below 1.
        """
        if depth is not None and (not isinstance(depth, int) or depth < 1):
            raise InputError(f"depth is a level of the tree, 1 or more; given {depth!r}")
        chosen = [
            node
            for node in self.nodes.values()
            if (_depth(node) == depth or not node.children)
            and (depth is None or _depth(node) <= depth)
        ]
        if len(chosen) < 2:
            return Partition.whole(self.root.members)
        return Partition({node.name: node.members for node in chosen})

    def to_networkx(self) -> nx.DiGraph:
        """Return the tree: an arrow from each module to those inside it.

        Nodes carry ``units``, ``members``, ``score``, ``low``, ``high``, ``p`` and ``stop``.
        """
        import networkx as nx

        graph: nx.DiGraph = nx.DiGraph()
        for node in self.nodes.values():
            graph.add_node(
                node.name, units=len(node.members), members=list(node.members), score=node.score,
                low=node.low, high=node.high, p=node.p, stop=node.stop,
            )  # fmt: skip
            graph.add_edges_from((node.name, child.name) for child in node.children)
        return graph

    def to_frame(self) -> pd.DataFrame:
        """Return one row per module, each before those inside it.

        ``S`` and ``null`` are the score of the best split and its mean on null networks.
        """
        import pandas as pd

        parents = {c.name: node.name for node in self.nodes.values() for c in node.children}
        rows = [
            {
                "module": node.name, "parent": parents.get(node.name), "depth": _depth(node),
                "units": len(node.members), "modules": len(node.children), "score": node.score,
                "low": node.low, "high": node.high, "p": node.p,
                "S": None if node.result is None else 1 - node.result.raw,
                "null": _mean(node.null_scores), "stop": node.stop,
            }
            for node in self.nodes.values()
        ]  # fmt: skip
        return pd.DataFrame(rows).set_index("module")

    def to_newick(self) -> str:
        """Return the tree in the Newick format, which programs for trees read.

        The length of a branch is the calibrated modularity of the split that it comes from, from 0
        (chance) to 1 (no communication); 1 where it was not calibrated.

        Source: Felsenstein, "The Newick tree format" (1986),
        https://phylipweb.github.io/phylip/newicktree.html.
        """
        return f"{_newick(self.root)};"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return {
            "root": self.root.to_dict(),
            "newick": self.to_newick(),
            "inert": dict(self.inert),
            "provenance": self.provenance.to_dict(),
        }

    def plot(self, kind: str = "dendrogram") -> Figure:
        """Draw the tree.

        Args:
            kind: ``"dendrogram"``, with the score of each split; ``"sunburst"``, rings of modules
                as wide as their share of the units; or ``"nested"``, boxes inside boxes.

        Raises:
            InputError: another kind.
        """
        if kind not in _KINDS:
            raise InputError(f"kind is one of {', '.join(map(repr, _KINDS))}; given {kind!r}")
        return FIGURES.get(kind)(self)

    def __repr__(self) -> str:
        return (
            f"Hierarchy({len(self.root.members)} units, {len(self.leaves)} modules in "
            f"{self.depth} levels: {self.to_newick()})"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(na_rep='')}"


def _depth(node: Node) -> int:
    return 0 if node.name == ROOT else node.name.count(".") + 1


def _nested(node: Node) -> Any:
    if not node.children:
        return node.members
    return {child.name.rpartition(".")[2]: _nested(child) for child in node.children}


def _mean(values: tuple[float, ...]) -> float | None:
    return sum(values) / len(values) if values else None


def _newick(node: Node) -> str:
    if not node.children:
        return _quoted(node.name)
    length = 1.0 if node.score is None else max(node.score, 0.0)
    inside = ",".join(f"{_newick(child)}:{length:.6g}" for child in node.children)
    return f"({inside}){_quoted(node.name)}"


def _quoted(name: str) -> str:
    """Quote a label that holds what Newick reads as its own: blanks, brackets, ``' : ; , _``."""
    if name and not any(each.isspace() or each in "()[]':;,_" for each in name):
        return name
    doubled = name.replace("'", "''")
    return f"'{doubled}'"
