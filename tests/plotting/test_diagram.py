"""The picture of an identification says who plays which part, and fits its page."""

from __future__ import annotations

import itertools

import networkx as nx
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import causalmod as cm
from causalmod.plotting.style import PAGE

TAR = nx.DiGraph([("U", "smoker"), ("U", "cancer"), ("smoker", "tar"), ("tar", "cancer")])


def words(figure: Figure) -> set[str]:
    figure.canvas.draw()
    return {t.get_text() for t in figure.findobj(Text) if isinstance(t, Text) and t.get_text()}


def test_parts_are_named() -> None:
    found = cm.identify(TAR, "P(cancer | do(smoker))", ["smoker", "tar", "cancer"])
    figure = found.plot()
    said = words(figure)
    assert {"smoker", "tar", "cancer", "set", "asked about", "mediator"} <= said
    assert "share a hidden cause" in said
    assert found.formula in said
    assert figure.get_figwidth() == PAGE
    scm = cm.zoo.xor().compile()
    assert "adjusted for" in words(cm.identify(scm, "P(output[0] | do(a[0]))").plot())
    assert "known" in words(cm.identify(scm, "P(output[0] | do(a[0]), b[0])").plot())


def test_the_hedge_is_ringed() -> None:
    figure = cm.identify(TAR, "P(cancer | do(smoker))", ["smoker", "cancer"]).plot()
    assert "hedge" in words(figure)
    assert "P(cancer | do(smoker)): not identifiable" in words(figure)
    rings = [line for line in figure.axes[0].get_lines() if line.get_markersize() == 22]
    assert len(rings) == 1  # the treatment


@pytest.mark.parametrize("count", [2, 41])
def test_names_are_plain_text_and_large_graphs_say_so(count: int) -> None:
    names = [f"$x_{{{place}}}$<b>" for place in range(count)]
    graph = nx.DiGraph(list(itertools.pairwise(names)))
    found = cm.identify(graph, f"P(`{names[-1]}` | do(`{names[0]}`))")
    said = words(found.plot())
    assert any("too many to draw" in text for text in said) == (count > 40)
    assert (names[0] in said) == (count == 2)


def test_a_family_says_what_its_lines_are() -> None:
    scm = cm.zoo.xor().compile()
    said = words(cm.query(scm, "P(output[0] = 1 | do(a[0]), b[0])").plot())
    assert {"b[0]", "0", "1"} <= said
