"""Which tensors become variables, what they are called, and which of them are one unit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import causalmod as cm
from causalmod.errors import SelectorError
from tests.compiler.networks import Net, built, compiled, laid_open

X = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))

DEFAULT = {
    "mlp": "input 0.0 0.1 1 2 output",
    "in_place": "input fc1 act output",
    "residual": "input up relu tanh output",
    "normalised": "input bn drop output",
    "called_twice": "input fc act fc@2 act@2 output",
    "hook_points": "input fc1 in_line branch last output",
    "keywords": "input.second input.first output.hidden output.pair.0 output.pair.1",
    "by_hand": "input fc1 fc2 mul@3 mul@4 output",
    "whole_numbers": "input embed relu output",
    "convolutions": "input bn act c2 relu output",
    "one_dimensional": "input conv gelu output",
    "cells": "input cell.0 cell.1 cell@2.0 cell@2.1 cell@3.0 output",
    "recurrent": "input lstm.0 gru.0 output",
    "attention": "input attention:q attention:k attention:v heads output",
}


@pytest.mark.parametrize("name", DEFAULT)
def test_default_sites(name: str) -> None:
    """One per nonlinear step, the named tensor before it, hook points, inputs and outputs."""
    found = [site for site in compiled(name).sites if not site.startswith(("mul", "add"))]
    expected = [site for site in DEFAULT[name].split() if not site.startswith("mul")]
    assert found == expected
    assert len(compiled(name).sites) == len(DEFAULT[name].split())


@pytest.mark.parametrize(
    ("name", "site", "shape", "count", "width"),
    [
        ("mlp", "0.0", (5,), 5, 1),
        ("convolutions", "c2", (4, 1, 1), 4, 1),
        ("convolutions", "act", (3, 4, 4), 3, 16),
        ("one_dimensional", "conv", (4, 5), 4, 5),
        ("one_dimensional", "input", (2, 7), 2, 7),
        ("recurrent", "lstm.0", (3, 3), 3, 3),
        ("attention", "heads", (2, 3, 2), 2, 6),
        ("keywords", "output.pair.1", (), 1, 1),
    ],
)
def test_grain(name: str, site: str, shape: tuple[int, ...], count: int, width: int) -> None:
    """Coordinates, channels, features over all positions, heads."""
    found = compiled(name).sites[site]
    assert (found.shape, found.count, found.width) == (shape, count, width)
    values = compiled(name).observe()[site]
    assert torch.equal(found.join(found.split(values)), values)


def test_further_names_work_everywhere() -> None:
    scm = compiled("hook_points")
    assert scm.sites["in_line"].aliases == ("relu",)
    assert scm["relu[2]"] == scm["in_line[2]"]
    assert torch.equal(scm.observe()["relu"], scm.observe()["in_line"])
    by_alias, by_name = scm.do({"relu[0]": 1.0}), scm.do({"in_line[0]": 1.0})
    assert torch.equal(by_alias.observe()["output"], by_name.observe()["output"])
    assert "drop" in compiled("normalised").sites, "dropout in eval mode is a name of its input"
    assert compiled("normalised").sites["output"].aliases == ("fc2",)
    containers = compiled("mlp").sites["0.1"].aliases
    assert containers == ("0",)


def test_an_output_may_be_an_input_or_hidden() -> None:
    scm = compiled("keywords")
    _, inputs = built("keywords")
    assert isinstance(inputs, dict)
    assert torch.equal(scm.observe()["output.same"], inputs["second"])
    assert scm.outputs == ("output.hidden", "output.pair.0", "output.pair.1", "input.second")
    assert scm["output.same[1]"] == scm["input.second[1]"]
    changed = scm.do({"output.hidden[0]": 3.0}).observe()
    assert not torch.equal(changed["output.pair.0"], scm.observe()["output.pair.0"])


def test_modules_called_input_or_output_give_way() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        return torch.tanh(net.output(F.relu(net.input(x))))

    net = Net(run, input=nn.Linear(3, 4), output=nn.Linear(4, 2))
    scm = cm.compile(net.eval(), X)
    assert list(scm.sites) == ["input", "input:linear", "relu", "output:linear", "output"]
    assert torch.equal(scm.observe()["input"], X)
    with torch.no_grad():
        assert torch.equal(scm.observe()["output"], net(X))


def test_names_with_brackets_stay_usable() -> None:
    parts = nn.ModuleDict({"a[0]": nn.Linear(3, 2), "b c": nn.Tanh()})
    net = Net(lambda net, x: net.parts["b c"](net.parts["a[0]"](x)) * 2, parts=parts)
    scm = cm.compile(net.eval(), X)
    assert list(scm.sites) == ["input", "parts.a[0]", "parts.b c", "output"]
    assert len(scm.resolve("parts.a[0]")) == 2
    assert str(scm["parts.a[0][1]"]) == "parts.a[0][1]"
    assert scm.do({"parts.a[0]": 0.0}).observe()["parts.a[0]"].abs().sum() == 0


# --- chosen by the user -------------------------------------------------------------------------


def test_sites_by_name_and_glob() -> None:
    model, x = built("residual")
    assert list(cm.compile(model, x, sites=["up", "down"]).sites) == ["input", "up", "down"]
    assert list(cm.compile(model, x, sites="*p").sites) == ["input", "up", "skip"]
    assert list(cm.compile(model, x, sites=["add", "output"]).sites) == ["input", "add", "output"]
    assert list(cm.compile(model, x, sites="input").sites) == ["input"]


def test_an_alias_may_choose_a_site() -> None:
    model, x = built("normalised")
    scm = cm.compile(model, x, sites=["relu"])
    assert list(scm.sites) == ["input", "drop"]
    assert "relu" in scm.observe()


def test_outputs_are_observed_even_when_they_are_no_variables() -> None:
    model, x = built("keywords")
    scm = cm.compile(model, x, sites=["a"])
    assert list(scm.sites) == ["input.second", "input.first", "a"]
    assert scm.outputs == ("output.hidden", "output.pair.0", "output.pair.1", "input.second")
    observed, full = scm.observe(), compiled("keywords").observe()
    for label in scm.outputs:
        assert torch.equal(observed[label], full[label])
    assert torch.equal(observed["out"], full["output.pair.0"]), "by its further name"
    assert not any(name.startswith("output") for name in scm.variables)
    assert not any(str(node).startswith("output") for node in scm.graph)
    assert scm.units.names == scm.sites["a"].variables, "still read by the outputs"
    changed = scm.do({"a": 9.0}).observe()
    assert not torch.equal(changed["output.hidden"], observed["output.hidden"])
    alone = scm.counterfactual({"a": 9.0}, rows=[2])
    torch.testing.assert_close(alone["output.hidden"], changed["output.hidden"][[2]])


def test_unknown_sites_are_refused_with_the_nearest_name() -> None:
    model, x = built("residual")
    with pytest.raises(SelectorError, match=r"'skp'.*did you mean 'skip'\?"):
        cm.compile(model, x, sites=["skp"])
    with pytest.raises(SelectorError, match=r"no tensor of the network is called 'block\.\*'"):
        cm.compile(model, x, sites=["block.*"])
    with pytest.raises(SelectorError, match=r"names or globs.*given 3"):
        cm.compile(model, x, sites=[3])  # type: ignore[list-item]


@pytest.mark.parametrize("nothing", [[], (), {}, iter([])])
def test_a_choice_of_nothing_is_refused(nothing: Any) -> None:
    model, x = built("residual")
    with pytest.raises(SelectorError, match=r"chooses nothing \(known names are .*leave sites out"):
        cm.compile(model, x, sites=nothing)


def test_a_function_that_takes_nothing_or_fails_is_refused() -> None:
    model, x = built("residual")
    with pytest.raises(SelectorError, match=r"the function takes no site .*leave sites out"):
        cm.compile(model, x, sites=lambda site: site.name == "attention")
    with pytest.raises(SelectorError, match=r"on 'input' it raised AttributeError: .*no_such"):
        cm.compile(model, x, sites=lambda site: site.no_such)  # type: ignore[attr-defined]


def test_a_tensor_without_rows_is_no_site() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self) -> Tensor:
            return self.weight.exp()

    net = Net(lambda net, x: x * net.scale(), scale=Scale())
    with pytest.raises(
        SelectorError,
        match=r"'scale' has shape \(3,\): the rows of the data are no dimension of it",
    ):
        cm.compile(net.eval(), X, sites=["scale"])


# --- ties ---------------------------------------------------------------------------------------


def tied(scm: cm.StructuralCausalModel) -> dict[str, str]:
    return {site: unit for site, unit in scm.representative.items() if site != unit}


TIES = {
    "mlp": {"0.0": "0.1", "1": "2"},
    "normalised": {"bn": "drop"},
    "residual": {"up": "relu"},  # adding to the stream ties nothing
    "called_twice": {"fc": "act", "fc@2": "act@2"},
    "hook_points": {"fc1": "in_line", "branch": "in_line", "last": "in_line"},
    "convolutions": {"bn": "act", "c2": "relu"},
    "recurrent": {},
    "attention": {},
}


@pytest.mark.parametrize("name", TIES)
def test_ties(name: str) -> None:
    assert tied(compiled(name)) == TIES[name]


def test_a_gate_written_out_is_one_unit() -> None:
    scm = compiled("by_hand")
    silu, gelu = scm.representative["fc1"], scm.representative["fc2"]
    assert len({silu, gelu, "output"}) == 3
    assert scm.units.sites == tuple(site for site in scm.sites if site in {silu, gelu, "output"})


def test_ties_among_all_tensors() -> None:
    scm = laid_open("by_hand")
    units = {scm.representative[site] for site in scm.sites}
    assert len(units) == 5, "input, the two activations, their sum, output"


def test_a_pre_activation_that_others_read_stands_for_itself() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        hidden = net.fc(x)
        return net.out(torch.tanh(hidden)) + hidden

    scm = cm.compile(Net(run, fc=nn.Linear(3, 3), out=nn.Linear(3, 3)).eval(), X)
    assert tied(scm) == {"tanh": "fc"}, "the activation does not hold all that the unit sends"


def test_two_activations_of_one_unit() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        hidden = net.fc(x)
        return net.out(torch.cat([F.relu(hidden), F.relu(-hidden)], 1))

    scm = cm.compile(Net(run, fc=nn.Linear(3, 3), out=nn.Linear(6, 1)).eval(), X)
    assert tied(scm) == {"relu": "fc", "relu@2": "fc"}
    both = cm.compile(Net(run, fc=nn.Linear(3, 3), out=nn.Linear(6, 1)).eval(), X, ["relu*"])
    assert tied(both) == {}, "neither is a function of the other"


def test_a_function_of_an_input_is_a_unit() -> None:
    """Inputs are the environment: nothing is tied to them."""
    scm = cm.compile(nn.Sequential(nn.ReLU(), nn.Linear(3, 2)).eval(), X)
    assert tied(scm) == {}
    assert scm.units.sites == ("0", "output")


def test_an_activation_of_the_output() -> None:
    scm = cm.compile(nn.Sequential(nn.Linear(3, 2), nn.Sigmoid()).eval(), X)
    assert tied(scm) == {"0": "output"}


def test_a_look_at_the_shape_is_no_reader() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        hidden = net.fc(x)
        return net.out(F.relu(hidden) + torch.zeros_like(hidden))

    scm = cm.compile(Net(run, fc=nn.Linear(3, 3), out=nn.Linear(3, 1)).eval(), X)
    assert tied(scm) == {"fc": "relu"}
