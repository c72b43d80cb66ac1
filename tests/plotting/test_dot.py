"""A graph in DOT: every name quoted, whatever is in it."""

from __future__ import annotations

import re

import networkx as nx

from causalmod.partition import Partition
from causalmod.plotting import to_dot
from tests.plotting.results import HOSTILE

STRING = re.compile(r'"(?:[^"\\]|\\["\\])*"')


def test_names_stay_inside_their_quotes() -> None:
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_edges_from([(HOSTILE[i], HOSTILE[i + 1]) for i in range(len(HOSTILE) - 1)])
    graph.add_edge('end"]; evil [label="', "\\")
    lines = to_dot(graph).splitlines()
    assert len(lines) == 3 + len(graph.nodes) + len(graph.edges)
    for line in lines[2:-1]:
        assert re.fullmatch(r" {2}\S*( -> \S*)?;", STRING.sub("S", line)), line
    assert "\x1b" not in "".join(lines)


def test_nodes_have_the_colour_of_their_module() -> None:
    graph = nx.DiGraph([("a[0]", "b[0]")])
    dot = to_dot(graph, Partition({"p": ["a[0]"], "q": ["b[0]"]}))
    assert '"a[0]" [style=filled, fillcolor="#0072b2"];' in dot
    assert '"b[0]" [style=filled, fillcolor="#e69f00"];' in dot


def test_a_model_s_graph_is_written_whole() -> None:
    from tests.plotting.results import compiled

    scm = compiled(width=2)
    assert to_dot(scm.graph).count("->") == scm.graph.number_of_edges()
