"""Interventions on edges: what one receiver sees, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import causalmod as cm
from causalmod.errors import InputError, SelectorError
from tests.compiler.networks import BUILDERS, Net, compiled

NETWORKS = pytest.mark.parametrize("name", BUILDERS)


def other(values: Tensor) -> Tensor:
    return values.roll(1, 0) + 1 if values.is_floating_point() else values.roll(1, 0)


@NETWORKS
def test_all_edges_of_a_site_together_are_the_site(name: str) -> None:
    """Bit for bit, on every other site and on the outputs."""
    scm = compiled(name)
    before = scm.observe()
    for site in scm.sites:
        receivers = scm.receivers(site)
        if not receivers:
            continue
        value = other(before[site])
        expected = scm.do({site: value}).observe()
        found = scm.do({(site, receiver): value for receiver in receivers}).observe()
        assert torch.equal(found[site], before[site]), "the sender itself stays as it was"
        for label in expected:
            if label != site:
                assert torch.equal(found[label], expected[label]), (site, label)


@NETWORKS
def test_an_edge_that_carries_what_was_changes_nothing(name: str) -> None:
    scm = compiled(name)
    before = scm.observe()
    for site in scm.sites:
        for receiver in scm.receivers(site):
            after = scm.do({(site, receiver): lambda natural: natural}).observe()
            assert all(torch.equal(after[label], before[label]) for label in before)


def skip() -> tuple[nn.Module, Tensor]:
    def run(net: Any, x: Tensor) -> Tensor:
        hidden = F.relu(net.fc1(x))
        middle = F.relu(net.fc2(hidden))
        return net.fc3(middle + hidden)

    torch.manual_seed(0)
    parts = {"fc1": nn.Linear(3, 4), "fc2": nn.Linear(4, 4), "fc3": nn.Linear(4, 2)}
    return Net(run, **parts).eval(), torch.randn(5, 3)


@pytest.fixture
def net() -> tuple[nn.Module, Tensor, cm.StructuralCausalModel]:
    with torch.random.fork_rng():
        model, x = skip()
    return model, x, cm.compile(model, x, sites=["relu", "fc2", "relu@2", "add", "output"])


def by_hand(model: Any, x: Tensor, to_middle: Tensor, to_sum: Tensor) -> Tensor:
    """The network with what each of the two readers of the first layer sees written out."""
    with torch.no_grad():
        return model.fc3(F.relu(model.fc2(to_middle)) + to_sum)


def test_one_of_two_readers(net: tuple[nn.Module, Tensor, cm.StructuralCausalModel]) -> None:
    model, x, scm = net
    hidden = scm.observe()["relu"]
    changed = hidden.clone()
    changed[:, 1] = 2.5
    cases = {"fc2": (changed, hidden), "add": (hidden, changed)}
    for receiver, seen in cases.items():
        after = scm.do({("relu[1]", receiver): 2.5}).observe()
        torch.testing.assert_close(after["output"], by_hand(model, x, *seen))
        assert torch.equal(after["relu"], hidden)
    both = scm.do({("relu[1]", "fc2"): 2.5, ("relu[1]", "add"): 2.5}).observe()["output"]
    assert torch.equal(both, scm.do({"relu[1]": 2.5}).observe()["output"])


def test_single_receivers(net: tuple[nn.Module, Tensor, cm.StructuralCausalModel]) -> None:
    model, _, scm = net
    after = scm.do({("relu[1]", "fc2[0]"): 2.5}).observe()
    natural, whole = scm.observe()["fc2"], scm.do({"relu[1]": 2.5}).observe()["fc2"]
    assert torch.equal(after["fc2"][:, 0], whole[:, 0])
    assert torch.equal(after["fc2"][:, 1:], natural[:, 1:])
    two = scm.do({("relu[1]", "fc2[0]"): 2.5, ("relu[2]", "fc2[0,3]"): 1.5}).observe()["fc2"]
    weight = dict(model.named_parameters())["fc2.weight"].detach()
    hidden = scm.observe()["relu"]
    moved = (2.5 - hidden[:, 1, None]) * weight[:, 1], (1.5 - hidden[:, 2, None]) * weight[:, 2]
    expected = natural.clone()
    expected[:, 0] += moved[0][:, 0] + moved[1][:, 0]
    expected[:, 3] += moved[1][:, 3]
    torch.testing.assert_close(two, expected)


def test_values_follow_do(net: tuple[nn.Module, Tensor, cm.StructuralCausalModel]) -> None:
    """Numbers, one per row, another row's, functions."""
    _, _, scm = net
    hidden = scm.observe()["relu"]
    resampled = scm.do({"relu[1]": cm.resample(3)}).observe()["relu"][:, 1]
    cases: list[tuple[Any, Tensor]] = [
        (torch.arange(5.0), torch.arange(5.0)),
        (cm.resample(3), resampled),
        (lambda natural: natural * 2 + 1, hidden[:, 1] * 2 + 1),
    ]
    for value, expected in cases:
        found = scm.do({("relu[1]", "fc2"): value}).observe()
        same = scm.do({("relu[1]", "fc2"): expected}).observe()
        assert torch.equal(found["output"], same["output"])


def test_an_edge_and_its_sender(net: tuple[nn.Module, Tensor, cm.StructuralCausalModel]) -> None:
    """The edge has the last word for its receiver; a set receiver listens to nobody."""
    _, _, scm = net
    both = scm.do({"relu[1]": 9.0, ("relu[1]", "fc2"): 2.5}).observe()
    other_way = scm.do({("relu[1]", "fc2"): 2.5}).do({"relu[1]": 9.0}).observe()
    assert torch.equal(both["fc2"], scm.do({"relu[1]": 2.5}).observe()["fc2"])
    assert torch.equal(both["output"], other_way["output"])
    doubled = scm.do({"relu[1]": 9.0, ("relu[1]", "fc2"): lambda seen: seen / 2}).observe()
    torch.testing.assert_close(doubled["fc2"], scm.do({"relu[1]": 4.5}).observe()["fc2"])
    deaf = scm.do({("relu[1]", "fc2"): 2.5, "fc2": 0.0}).observe()
    assert torch.equal(deaf["output"], scm.do({"fc2": 0.0}).observe()["output"])


def test_later_edges_win(net: tuple[nn.Module, Tensor, cm.StructuralCausalModel]) -> None:
    _, _, scm = net
    twice = scm.do({("relu[1]", "fc2"): 2.5}).do({("relu[1]", "fc2"): 1.5}).observe()
    assert torch.equal(twice["fc2"], scm.do({("relu[1]", "fc2"): 1.5}).observe()["fc2"])


def test_what_lies_between_is_kept_when_it_was_set(
    net: tuple[nn.Module, Tensor, cm.StructuralCausalModel],
) -> None:
    """The stream was set by hand, so nothing passes through it, on an edge or otherwise."""
    _, _, scm = net
    held = scm.do({"add": 1.0})
    assert torch.equal(
        held.do({("relu", "output"): 5.0}).observe()["output"], held.observe()["output"]
    )


def test_counterfactuals_on_edges(
    net: tuple[nn.Module, Tensor, cm.StructuralCausalModel],
) -> None:
    _, _, scm = net
    edge = ("relu[1]", "fc2")
    rows = [4, 1]
    whole = scm.do({edge: torch.arange(5.0)}).observe()
    found = scm.counterfactual({edge: torch.tensor([4.0, 1.0])}, rows=rows)
    for label in whole:
        torch.testing.assert_close(found[label], whole[label][rows])
    again = scm.do({edge: torch.arange(5.0)}).counterfactual({"input": lambda x: x}, rows=rows)
    torch.testing.assert_close(again["output"], whole["output"][rows])


def test_the_graph_loses_the_arrow(
    net: tuple[nn.Module, Tensor, cm.StructuralCausalModel],
) -> None:
    _, _, scm = net
    assert scm.graph.has_edge("relu[1]", "fc2[0]")
    cut = scm.do({("relu[1]", "fc2[0]"): 0.0}).graph
    assert not cut.has_edge("relu[1]", "fc2[0]")
    assert cut.has_edge("relu[1]", "fc2[1]")
    soft = scm.do({("relu[1]", "fc2[0]"): lambda seen: seen}).graph
    assert soft.has_edge("relu[1]", "fc2[0]")


# --- transformers -------------------------------------------------------------------------------


class Layer(nn.Module):
    """Pre-norm block with named projections."""

    def __init__(self, width: int = 8, heads: int = 2) -> None:
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.proj = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 12), nn.Linear(12, width)
        self.heads = heads

    def attend(self, x: Tensor, x_query: Tensor | None = None) -> Tensor:
        """Heads before the projection, ``[rows, heads, positions, width]``."""
        own = x if x_query is None else x_query
        q, k, v = (
            part(self.n1(source)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part, source in ((self.query, own), (self.key, x), (self.value, x))
        )
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    def finish(self, x: Tensor, heads: Tensor) -> Tensor:
        middle = x + self.proj(heads.transpose(1, 2).flatten(-2))
        return middle + self.down(F.gelu(self.up(self.n2(middle))))

    def forward(self, x: Tensor) -> Tensor:
        return self.finish(x, self.attend(x))


def stack() -> tuple[Any, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layers = nn.ModuleList([Layer(), Layer(), Layer()])
        net = Net(
            lambda net, x: net.out(net.layers[2](net.layers[1](net.layers[0](x)))),
            layers=layers, out=nn.Linear(8, 3),
        )  # fmt: skip
        return net.eval(), torch.randn(4, 5, 8)


def test_path_patching_reaches_one_later_head_only() -> None:
    """A head of layer 0 to the queries of one head of layer 2, written out by hand."""
    net, x = stack()
    scm = cm.compile(net, x)
    first, second, third = net.layers
    assert "layers.2.q" in scm.receivers("layers.0.heads[1]")
    after = scm.do({("layers.0.heads[1]", "layers.2.q[0]"): cm.resample(5)}).observe()
    donor = scm.do({"layers.0.heads[1]": cm.resample(5)}).observe()["layers.0.heads"]
    with torch.no_grad():
        one = first.attend(x)
        after_first = first.finish(x, one)
        after_second = second(after_first)
        # What the stream would hold with the other head's output and all the rest as it was:
        delta = F.linear((donor - one).transpose(1, 2).flatten(-2), first.proj.weight)
        stream = after_second + delta
        heads = third.attend(after_second, stream)
        heads[:, 1] = third.attend(after_second)[:, 1]
        middle = third.finish(after_second, heads)
        expected = net.out(middle)
    torch.testing.assert_close(after["output"], expected, rtol=1e-4, atol=1e-5)
    before = scm.observe()
    for label in ("layers.0.heads", "layers.1.heads", "layers.2.k", "layers.2.v", "layers.1"):
        assert torch.equal(after[label], before[label]), label
    assert torch.equal(after["layers.2.q"][:, 1], before["layers.2.q"][:, 1])
    assert not torch.equal(after["layers.2.q"][:, 0], before["layers.2.q"][:, 0])


def test_a_head_does_not_reach_past_other_heads() -> None:
    """Its direct effect on the last stream leaves what other parts answer as it was."""
    net, x = stack()
    scm = cm.compile(net, x)
    after = scm.do({("layers.0.heads", "output"): 0.0}).observe()
    before = scm.observe()
    assert torch.equal(after["layers.2.heads"], before["layers.2.heads"])
    gone = net.layers[0].proj(before["layers.0.heads"].transpose(1, 2).flatten(-2))
    gone = gone - net.layers[0].proj.bias
    expected = before["output"] - F.linear(gone, net.out.weight)
    torch.testing.assert_close(after["output"], expected.detach(), rtol=1e-4, atol=1e-5)


def test_only_what_must_is_run_again() -> None:
    """A head to one later query: its projection, the stream, a norm, the query, what follows."""
    net, x = stack()
    scm = cm.compile(net, x)
    route = scm.edge_routes.route(["layers.1.heads"], "layers.2.q")
    assert route is not None
    ops = [str(scm.program.nodes[name].target) for name in route.steps]
    linear = [op for op in ops if "linear" in op]
    assert len(linear) == 2, "the projection of the head, and the queries"
    assert sum("add" in op for op in ops) == 2, "the stream after attention, and after the rest"
    assert not any("softmax" in op or "attention" in op or "gelu" in op for op in ops)
    scm.observe()
    after = scm.do({("layers.1.heads", "layers.2.q"): 0.0})
    kept = set(after._recorded)
    follows = scm.program.descendants(scm.node_of("layers.2.q"))
    sites = {scm.node_of(name) for name in scm.sites}
    assert sites - kept == ({*follows, scm.node_of("layers.2.q")} & sites)


# --- refusals -----------------------------------------------------------------------------------


def test_edges_that_there_are_not() -> None:
    net, x = stack()
    scm = cm.compile(net, x)
    with pytest.raises(
        SelectorError, match=r"no edge from 'layers.2.heads' to 'layers.0.q'; .*lead"
    ):
        scm.do({("layers.2.heads", "layers.0.q"): 0.0})
    with pytest.raises(SelectorError, match="'output'"):
        scm.do({("layers.2.heads", "layers.2.heads"): 0.0})
    with pytest.raises(SelectorError, match="nothing reads 'output'"):
        scm.do({("output", "layers.2.heads"): 0.0})


def test_weights_of_zero_are_no_edge() -> None:
    last = nn.Linear(2, 2)
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), last)
    with torch.no_grad():
        last.weight[0, 1] = 0
    scm = cm.compile(net.eval(), torch.eye(2))
    with pytest.raises(SelectorError, match=r"no edge from '1\[1\]' to 'output\[0\]'"):
        scm.do({("1[1]", "output[0]"): 0.0})
    scm.do({("1[1]", "output[1]"): 0.0})


@pytest.mark.parametrize(
    ("key", "error", "match"),
    [
        (("relu", "fc2", "add"), SelectorError, r"an edge is a pair"),
        (("relu", 3), SelectorError, "each key is one selector"),
        (("rel", "fc2"), SelectorError, "did you mean 'relu'"),
        (("relu", "fc9"), SelectorError, "unknown site 'fc9'"),
        (("relu", "fc2[9]"), SelectorError, "numbered 0 to 3"),
    ],
)
def test_bad_edges(
    net: tuple[nn.Module, Tensor, cm.StructuralCausalModel],
    key: Any,
    error: type[Exception],
    match: str,
) -> None:
    with pytest.raises(error, match=match):
        net[2].do({key: 0.0})


def test_an_edge_set_twice(net: tuple[nn.Module, Tensor, cm.StructuralCausalModel]) -> None:
    with pytest.raises(InputError, match=r"the edge from relu\[1\] to fc2\[0\] is set twice"):
        net[2].do({("relu", "fc2"): 0.0, ("relu[1]", "fc2[0]"): 1.0})
