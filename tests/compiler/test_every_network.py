"""What holds for every network, checked by plain forward hooks and by running it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from tests.compiler.networks import (
    BUILDERS,
    Change,
    built,
    call,
    compiled,
    hooked,
    laid_open,
    other_data,
    outputs,
    rows_first,
    tensors,
)

NETWORKS = pytest.mark.parametrize("name", BUILDERS)


def shifted(values: Tensor) -> Tensor:
    """Some other values of the same dtype."""
    if values.is_floating_point():
        return values.roll(1, 0) + 1
    return values.roll(1, 0)


@NETWORKS
def test_outputs_are_the_networks_own_bit_for_bit(name: str) -> None:
    expected = outputs(call(*built(name)))
    observed = compiled(name).observe()
    assert set(expected) <= {*observed} | {
        a for s in compiled(name).sites.values() for a in s.aliases
    }
    for label, value in expected.items():
        assert torch.equal(observed[label], rows_first(compiled(name), label, value))
        assert observed[label].dtype == value.dtype
    for label, value in zip(compiled(name).inputs, tensors(built(name)[1]), strict=True):
        assert torch.equal(observed[label], value), "not as an in-place operation left them"


@NETWORKS
@pytest.mark.parametrize("count", [1, 2, 9, 40])
def test_other_data_in_any_number_gives_the_networks_own_bits(name: str, count: int) -> None:
    model, inputs = built(name)
    program = compiled(name).program
    given = other_data(inputs, count)
    seen, expected = hooked(model, given)
    data = dict(zip(program.trace.inputs.values(), tensors(given), strict=True))
    modules = {label: node for label, node in program.trace.names.items() if label in seen}
    found = program.run(data, [*program.trace.outputs.values(), *modules.values()], rows=count)
    for label, node in program.trace.outputs.items():
        assert torch.equal(found[node], expected[label])
    for label, node in modules.items():
        if node not in program.trace.inputs.values():  # a module may write to it in place
            assert torch.equal(found[node], seen[label]), label


@NETWORKS
def test_every_modules_output_is_what_a_forward_hook_sees(name: str) -> None:
    seen, _ = hooked(*built(name))
    observed = laid_open(name).observe()
    compared = [path for path in seen if path in observed]
    if list(built(name)[0].children()):
        assert compared
    for path in compared:
        if path not in laid_open(name).outputs:  # a module may be called output
            expected = rows_first(laid_open(name), path, seen[path])
            assert torch.equal(observed[path], expected), path


@NETWORKS
def test_setting_what_was_changes_nothing(name: str) -> None:
    scm = compiled(name)
    before = scm.observe()
    for site in scm.sites:
        for value in (before[site], lambda natural: natural):
            after = scm.do({site: value}).observe()
            assert all(torch.equal(after[other], before[other]) for other in before), site


@NETWORKS
def test_an_intervention_is_what_a_forward_hook_does(name: str) -> None:
    scm = laid_open(name)
    model, inputs = built(name)
    natural, _ = hooked(model, inputs)
    tried = [p for p in natural if p in scm.sites and p not in scm.outputs]
    for path in tried:
        value = torch.empty_like(natural[path])  # in the same layout, on which bits may depend
        value.copy_(scm.sites[path].join(shifted(scm.blocks(path)), value))
        _, expected = hooked(model, inputs, {path: lambda _, value=value: value.clone()})
        after = scm.do({path: rows_first(scm, path, value)}).observe()
        for label, output in expected.items():
            assert torch.equal(after[label], output), path


@NETWORKS
def test_rows_can_be_replayed_alone(name: str) -> None:
    """Other numbers of rows may round otherwise, but nothing more."""
    scm = compiled(name)
    for site in scm.inputs:
        changed = scm.do({site: shifted}).observe()
        found = scm.counterfactual({site: changed[site][[4, 1, 1]]}, rows=[4, 1, 1])
        assert list(found) == list(changed)
        for other, values in found.items():
            expected = changed[other][[4, 1, 1]]
            assert values.dtype == expected.dtype
            loose = 0.05 if values.dtype in {torch.bfloat16, torch.float16} else 1e-5
            torch.testing.assert_close(values, expected, rtol=loose, atol=loose)


@NETWORKS
def test_replay_on_all_rows_gives_the_recorded_bits(name: str) -> None:
    scm = compiled(name)
    rows = torch.arange(scm.rows)
    for source in scm.inputs:
        blocks = scm.replay(rows, {source: lambda blocks: blocks.clone()}, clamp=False)
        assert all(torch.equal(blocks[site], scm.blocks(site)) for site in scm.sites)


def moved_directly(scm: cm.StructuralCausalModel, source: str, index: int) -> dict[str, Tensor]:
    """Move one variable, hold every other one, and see whose natural value moves."""
    natural: dict[str, Tensor] = {}

    def hold(name: str) -> Change:
        def change(blocks: Tensor) -> Tensor:
            natural[name] = blocks
            held = scm.blocks(name).clone()
            if name == source:
                held[:, index] = shifted(held[:, index])
            return held

        return change

    scm.replay(torch.arange(scm.rows), {name: hold(name) for name in scm.sites}, clamp=False)
    return {
        name: (natural[name] != scm.blocks(name)).any(-1).any(0)
        for name in scm.sites
        if name != source
    }


@NETWORKS
def test_every_direct_influence_is_an_edge(name: str) -> None:
    scm = laid_open(name)
    pairs = [(source, index) for source in scm.sites for index in range(scm.sites[source].count)]
    for source, index in pairs[:: len(pairs) // 100 + 1]:
        for target, moved in moved_directly(scm, source, index).items():
            none = torch.zeros(scm.sites[source].count, len(moved), dtype=torch.bool)
            edges = scm.edges.get((source, target), none)
            assert not (moved & ~edges[index]).any(), (source, index, target)


@NETWORKS
def test_the_graph_has_no_cycles_and_starts_at_the_data(name: str) -> None:
    import networkx as nx

    scm = compiled(name)
    assert nx.is_directed_acyclic_graph(scm.graph)
    assert set(scm.graph.nodes) == {"U", *scm.variables}
    inputs = {v for site in scm.inputs for v in scm.sites[site].variables}
    assert set(scm.graph.successors("U")) == inputs


@NETWORKS
def test_the_model_may_be_trained_on(name: str) -> None:
    model, _ = built(name)
    scm = compiled(name)
    kept = scm.observe()
    held = {key: value.clone() for key, value in model.state_dict().items()}
    try:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1)  # the causal model must not notice
        fresh = scm.do({next(iter(scm.sites)): lambda natural: natural}).observe()
    finally:
        model.load_state_dict(held)
    assert all(torch.equal(fresh[site], kept[site]) for site in kept)


def test_the_check_by_hooks_can_fail() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    seen, _ = hooked(model.eval(), x)
    _, changed = hooked(model, x, {"0": lambda value: value + 1})
    assert not torch.equal(seen["1"], changed["output"])
