"""identify on networks: what is logged, by which route, and what is refused."""

from __future__ import annotations

import itertools
import time

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod.errors import InputError, PartitionError, QueryError, SelectorError
from causalmod.queries import CausalDiagram
from causalmod.queries.levels import diagram_of, grouped


class Bottleneck(nn.Module):
    """Signs: the input drives x, x drives m, m and the input drive y."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.m, self.y = nn.Identity(), nn.Identity(), nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        x = self.x((inputs[:, :2].sum(1, keepdim=True) > 0.5).to(inputs.dtype))
        m = self.m((x + inputs[:, 2:3] - 0.5 > 0.6).to(inputs.dtype))
        return self.y((m + inputs[:, 1:2] > 1).to(inputs.dtype))


def bits(width: int) -> Tensor:
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * width)


@pytest.fixture(scope="module")
def bottleneck() -> cm.StructuralCausalModel:
    return cm.compile(Bottleneck().eval(), bits(3), sites=["x", "m", "y"])


@pytest.fixture(scope="module")
def layers() -> cm.StructuralCausalModel:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return cm.compile(
        model.eval(), torch.randn(200, 3, generator=generator), sites=["1", "3", "output"]
    )


def test_a_row_that_is_not_logged_confounds(bottleneck: cm.StructuralCausalModel) -> None:
    found = cm.identify(bottleneck, "P(y | do(m))", observed=["m", "y"])
    assert not found.identifiable
    assert found.hedge is not None
    assert found.hedge.larger == {"m", "output"}
    assert "hedge" in str(found)
    assert found.latex is None
    with pytest.raises(QueryError, match="not identifiable from m, output"):
        found(bottleneck.observe())
    logged = cm.identify(bottleneck, "P(y | do(m))", observed=["input", "m", "y"])
    assert logged.route == "adjustment"
    assert logged.through == ("input[1]",)


def test_front_door_needs_a_mediator_without_confounding() -> None:
    graph = nx.DiGraph([("U", "x"), ("U", "y"), ("x", "m"), ("m", "y")])
    found = cm.identify(graph, "P(y | do(x))", ["x", "m", "y"])
    assert found.route == "front-door"
    assert found.formula == "P(y | do(x)) = Σ_{m} P(m | x) Σ_{x'} P(y | m, x') P(x')"
    assert found.latex is not None
    assert r"\sum_{m} P\left(m \mid x\right)" in found.latex
    assert found.verified
    assert found.models == 4
    draw = np.random.default_rng(0)
    u, noise = draw.integers(2, size=4000), draw.random((3, 4000))
    x = (noise[0] < 0.2 + 0.6 * u).astype(int)
    m = (noise[1] < 0.1 + 0.8 * x).astype(int)
    y = (noise[2] < 0.1 + 0.4 * m + 0.4 * u).astype(int)
    answer = found(pd.DataFrame({"x": x, "m": m, "y": y}), draws=100)
    assert answer.value is None
    effect = answer.table.set_index(["do(x)", "y"])["probability"].to_dict()
    # By hand: P(y | do x) = .3 + .4 P(m | x), P(m | x) = .1, .9
    assert effect[0, 1] == pytest.approx(0.1 + 0.2 + 0.4 * 0.1, abs=0.03)
    assert effect[1, 1] == pytest.approx(0.1 + 0.2 + 0.4 * 0.9, abs=0.03)
    one = cm.identify(graph, "P(y = 1 | do(x = 1))", ["x", "m", "y"])
    sure = one(pd.DataFrame({"x": x, "m": m, "y": y}), draws=100)
    assert sure.low is not None
    assert sure.high is not None
    assert sure.low < 0.66 < sure.high


def test_an_unlogged_layer_hides_only_the_row(layers: cm.StructuralCausalModel) -> None:
    """A latent layer has no noise: with its inputs logged, what it feeds is not confounded."""
    logged = ["input", "3[0]", "output"]
    found = cm.identify(layers, "P(output[0] | do(`3`[0]))", logged)
    assert found.identifiable
    assert found.through == ("input[0]", "input[1]", "input[2]")
    assert not cm.identify(layers, "P(output[0] | do(`3`[0]))", ["3[0]", "output"]).identifiable


def test_the_diagram_is_as_coarse_as_the_question_allows(layers: cm.StructuralCausalModel) -> None:
    found = cm.identify(layers, "P(output[0] | do(`3`[0]), `3`[1:3])", level="group")
    assert set(found.observed) == {
        "input", "1", "3[0]", "3[1:3]", "3[3]", "output[0]", "output[1]",
    }  # fmt: skip
    units = cm.identify(layers, "P(output[0] | do(`3`[0]))", level="unit")
    assert set(units.observed) == set(layers.variables)
    assert cm.identify(layers, "P(output[0] | do(`3`[0]))").observed == units.observed
    sites = cm.identify(layers, "P(output | do(`3`))", level="site")
    assert set(sites.observed) == {"input", "1", "3", "output"}
    assert sites.estimand is not None
    with pytest.raises(InputError, match="names a part of it"):
        cm.identify(layers, "P(output[0] | do(`3`))", level="site")
    with pytest.raises(InputError, match="level is one of"):
        cm.identify(layers, "P(output | do(`3`))", level="layer")


def test_a_cyclic_module_graph_says_why_and_what_else(layers: cm.StructuralCausalModel) -> None:
    parts = layers.with_partition({"left": ["1[0:2]", "3[0:2]"], "right": ["1[2:4]", "3[2:4]"]})
    with pytest.raises(PartitionError, match=r"left -> right \(by .*site and module"):
        cm.identify(parts, "P(right | do(left))", level="module")
    found = cm.identify(parts, "P(output | do(left))", level="site and module")
    assert set(found.observed) == {
        "input", "1[0:2]", "1[2:4]", "3[0:2]", "3[2:4]", "output",
    }  # fmt: skip
    ordered = layers.with_partition({"early": "1", "late": "3"})
    assert cm.identify(ordered, "P(late | do(early))", level="module").identifiable
    with pytest.raises(PartitionError, match="needs modules"):
        cm.identify(layers, "P(output | do(`3`))", level="module")


def test_the_quotient_has_exactly_the_arrows_of_its_members(
    layers: cm.StructuralCausalModel,
) -> None:
    named = [(name, layers.resolve(name)) for name in ("1[0]", "3[1:3]")]
    groups = grouped(layers, named)
    owner = {str(v): name for name, members in groups.members.items() for v in members}
    owner["U"] = "U"
    expected = {(owner[a], owner[b]) for a, b in layers.graph.edges} - {("U", "U")}
    assert set(groups.graph.edges) == expected
    assert diagram_of(groups, groups.members).hidden == {}  # one input group: nothing to confound


def test_events_values_and_effects(bottleneck: cm.StructuralCausalModel) -> None:
    logs = bottleneck.observe()
    for text in (
        "P(y = 1 | do(m = 1))",
        "P(y >= 1 | do(m = 1))",
        "P(y in {1} | do(m = 1), input[1] in [0.5, 2])",
        "E[y | do(m = 1)]",
        "E[y | do(m = 1), input[1] = 1]",
        "P(y = 1, x = 0 | do(m = 1))",
        "TE(y ; m = 0 -> 1)",
        "CDE(y ; x = 0 -> 1 ; m = 1)",
        "P(y = 1)",
        "P(y = 1 | x = 1)",
        "P(m = 1 | do(y = 0))",
    ):
        found = cm.identify(bottleneck, text)
        assert found.verified, text
        answer = found(logs)
        assert answer.missing == 0, text
        assert answer.value == pytest.approx(float(cm.query(bottleneck, text).mean()), abs=1e-9), (
            text
        )


def test_a_route_can_be_asked_for() -> None:
    graph = nx.DiGraph([("z", "x"), ("z", "y"), ("x", "m"), ("m", "y")])
    asked = "P(y | do(x))"
    assert cm.identify(graph, asked, route="adjustment").through == ("z",)
    assert cm.identify(graph, asked, route="front-door").through == ("m",)
    assert cm.identify(graph, asked, route="ID").route == "ID"
    with pytest.raises(QueryError, match="conditioning on 'm', which the treatment 'x' influences"):
        cm.identify(graph, "P(y | do(x), m)", route="adjustment")
    assert cm.identify(graph, "P(y | do(x), m)").route == "IDC"
    with pytest.raises(QueryError, match=r"the path y <- z -> x is open.*route='auto'"):
        cm.identify(graph, asked, ["x", "m", "y"], route="adjustment")
    with pytest.raises(QueryError, match="no place for what is known"):
        cm.identify(graph, "P(y | do(x), z)", route="front-door")
    with pytest.raises(QueryError, match="front-door criterion"):
        cm.identify(graph, asked, ["x", "y"], route="front-door")
    with pytest.raises(InputError, match="route is one of 'auto'"):
        cm.identify(graph, asked, route="backdoor")


def test_the_search_gives_up_at_the_limit() -> None:
    names = [f"v{place}" for place in range(300)]
    zigzag = CausalDiagram.build(
        list(itertools.pairwise(names)), list(zip(names, names[2:], strict=False))
    )
    with pytest.raises(QueryError, match=r"gave up after 0\.01 s.*300 variables.*seconds="):
        cm.identify(zigzag, "P(v299 | do(v0))", seconds=0.01)
    with pytest.raises(InputError, match="seconds is a number above 0"):
        cm.identify(zigzag, "P(v299 | do(v0))", seconds=0)


def test_logs_in_other_shapes(bottleneck: cm.StructuralCausalModel) -> None:
    found = cm.identify(bottleneck, "P(y = 1 | do(m = 1))")
    frame = cm.to_frame(bottleneck)
    assert found(frame).value == found(bottleneck.observe()).value
    assert (
        found(frame.rename(columns={"output[0]": "output", "m[0]": "m"})).value
        == found(frame).value
    )
    answer = found(frame, draws=20)
    assert "LoggedAnswer(P(y = 1 | do(m = 1))" in repr(answer)
    assert set(answer.to_dict()) >= {"value", "missing", "table"}
    assert found.to_dict()["verified"] is True
    assert "$$" in found._repr_html_()


def test_bad_logs_are_named(bottleneck: cm.StructuralCausalModel) -> None:
    found = cm.identify(bottleneck, "P(y = 1 | do(m = 1))")
    frame = cm.to_frame(bottleneck)
    with pytest.raises(InputError, match=r"no column 'm\[0\]'"):
        found(frame.drop(columns="m[0]"))
    with pytest.raises(InputError, match=r"'m\[0\]' is NaN in 2 of 8 rows"):
        found(frame.assign(**{"m[0]": [float("nan")] * 2 + [1.0] * 6}))
    with pytest.raises(InputError, match="a pandas frame"):
        found([1, 2])
    with pytest.raises(InputError, match="draws is a number"):
        found(frame, draws=-1)
    many = pd.concat([frame] * 20, ignore_index=True)
    many["output[0]"] = np.linspace(0, 1, len(many))
    with pytest.raises(InputError, match="160 distinct values; say bins=4"):
        found(many)
    assert found(many, bins=4).binned == ("output[0]",)
    with pytest.raises(InputError, match="bins is a whole number from 2"):
        found(many, bins=1)
    with pytest.raises(QueryError, match=r"cells .* cells="):
        cm.identify(bottleneck, "P(y | do(m), input[1])")(frame, cells=4)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ([float("inf")] + [1.0] * 7, r"'m\[0\]' is infinite in 1 of 8 rows"),
        ([1j] * 8, "given columns of complex128"),
        (["low"] * 8, "encode or drop text"),
        (pd.date_range("2020", periods=8), "given columns of datetime64"),
    ],
)
def test_logs_that_are_no_numbers_are_named(
    bottleneck: cm.StructuralCausalModel, column: object, says: str
) -> None:
    found = cm.identify(bottleneck, "P(y = 1 | do(m = 1))")
    with pytest.raises(InputError, match=says):
        found(cm.to_frame(bottleneck).assign(**{"m[0]": column}))


def test_logs_of_a_scalar_site_and_lists(bottleneck: cm.StructuralCausalModel) -> None:
    """scm.observe() gives scalar sites of textbook models as [rows]."""
    found = cm.identify(bottleneck, "P(y = 1 | do(m = 1))")
    frame = cm.to_frame(bottleneck)
    flat = {name: torch.tensor(frame[f"{name}[0]"].tolist()) for name in ("m", "output")}
    lists = {name: values.tolist() for name, values in flat.items()}
    rest = {"input": bottleneck.observe()["input"]}
    assert found(flat | rest).value == found(lists | rest).value == found(frame).value
    with pytest.raises(InputError, match="bins for an unknown column 'mm': did you mean 'm'"):
        found(frame, bins={"mm": 3})
    with pytest.raises(InputError, match=r"logged with shape \[8, 1\], where 'input\[1\]'"):
        found({**flat, "input": rest["input"][:, :1]})


@pytest.mark.parametrize(
    ("graph", "observed", "level", "says"),
    [
        (
            nx.Graph([("x", "y")]),
            None,
            "auto",
            "a networkx.DiGraph or a CausalDiagram; given Graph",
        ),
        (nx.DiGraph([(1, 2)]), None, "auto", "named by text, and 1 is int"),
        (nx.DiGraph([("x", "y")]), 5, "auto", "expected names such as"),
        (nx.DiGraph([("x", "y")]), None, "layer", "level is one of"),
    ],
)
def test_graphs_that_are_none_are_named(
    graph: object, observed: object, level: str, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        cm.identify(graph, "P(y | do(x))", observed, level=level)  # type: ignore[arg-type]


def test_bad_questions_are_named(bottleneck: cm.StructuralCausalModel) -> None:
    with pytest.raises(SelectorError, match="unknown site 'mm'"):
        cm.identify(bottleneck, "P(y | do(mm))")
    with pytest.raises(QueryError, match="'output' is asked about and set"):
        cm.identify(bottleneck, "P(y | do(y))")
    with pytest.raises(QueryError, match="'m' is set and was not logged"):
        cm.identify(bottleneck, "P(y | do(m))", observed=["x", "y"])
    with pytest.raises(QueryError, match="lives in a world of its own"):
        cm.identify(bottleneck, "P(y_{m = 0} = 1 | y = 1)")
    with pytest.raises(QueryError, match="intervention on an edge"):
        cm.identify(bottleneck, "P(y | do(x -> m = 1))")
    with pytest.raises(QueryError, match="NDE compares worlds"):
        cm.identify(bottleneck, "NDE(y ; x = 0 -> 1 ; m)")
    with pytest.raises(InputError, match="unknown variable 'q' in observed"):
        cm.identify(nx.DiGraph([("x", "y")]), "P(y | do(x))", ["x", "q"])


def test_a_value_that_was_never_logged_has_no_answer(bottleneck: cm.StructuralCausalModel) -> None:
    answer = cm.identify(bottleneck, "P(y = 1 | do(m = 7))")(bottleneck.observe())
    assert answer.missing == 1
    assert np.isnan(answer.value or 0)


@pytest.mark.parametrize(("count", "seconds"), [(30, 0.5), (300, 10.0)])
def test_large_graphs_are_answered(count: int, seconds: float) -> None:
    """Five times the limits of the benchmark: a guard against what never ends."""
    draw = np.random.default_rng(0)
    names = [f"v{place}" for place in range(count)]
    arrows = [
        (names[int(draw.integers(max(0, end - 8), end))], names[end])
        for end in range(1, count)
        for _ in range(2)
    ]
    hidden = [(names[place], names[place + 3]) for place in range(0, count - 5, 4)]
    diagram = CausalDiagram.build(arrows, hidden)
    start = time.perf_counter()
    cm.identify(diagram, f"P({names[-1]} | do({names[count // 2]}))")
    assert time.perf_counter() - start < seconds
