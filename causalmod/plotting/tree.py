"""What the drawings of a tree of modules share: colours by family, and words for scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from causalmod.plotting.style import MUTED, PAPER, colour

if TYPE_CHECKING:
    from causalmod.hierarchy import Hierarchy, Node

_LIGHTER = 0.22  # each level mixes this much more paper into the colour of its family


def coloured(tree: Hierarchy) -> dict[str, str]:
    """Module → colour: one for each module of the first split, lighter further in."""
    from matplotlib.colors import to_hex, to_rgb

    found = {tree.root.name: MUTED}
    paper = to_rgb(PAPER)
    for family, first in enumerate(tree.root.children):
        for node in first.walk():
            share = min(_LIGHTER * node.name.count("."), 0.75)
            ink = to_rgb(colour(family))
            mixed = [(1 - share) * a + share * b for a, b in zip(ink, paper, strict=True)]
            found[node.name] = to_hex((mixed[0], mixed[1], mixed[2]))
    return found


def is_dark(shade: str) -> bool:
    """Does white text stand out better than black on a colour?"""
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(shade)
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.55


def score_text(node: Node) -> str:
    """Return the calibrated score of the best split inside a module, with its interval."""
    if node.score is None:
        return ""
    if node.low is None or node.high is None or node.low == node.high:
        return f"{node.score:.2f}"
    return f"{node.score:.2f} [{node.low:.2f}, {node.high:.2f}]"


def last(name: str) -> str:
    """Return the last part of a module's name."""
    return name.rpartition(".")[2]


def describe_hierarchy(tree: Hierarchy) -> str:
    """Return a tree in words, for those who do not see it."""
    parts = [
        f"{node.name} ({len(node.members)} units) splits into "
        f"{', '.join(last(child.name) for child in node.children)}"
        + (f", score {score_text(node)}" if node.score is not None else "")
        for node in tree.nodes.values()
        if node.children
    ]
    if not parts:
        return f"The {len(tree.root.members)} units are not split: {tree.root.stop}."
    return f"{'; '.join(parts)}."
