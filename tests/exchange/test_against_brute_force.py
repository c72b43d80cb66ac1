"""Random networks of whole numbers: every figure against counting by functions of another kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import causalmod as cm
from causalmod import Partition, exchange, information
from tests.exchange.networks import (
    READS,
    SIZES,
    Drawn,
    discrete_model,
    discrete_reference,
)
from tests.reference.brute_force import masses, outcomes

KINDS = ("observational", "interventional", "conditional")
SLOW = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@st.composite
def networks(draw: st.DrawFn) -> Drawn:
    """Random weights, mostly zeros, on a few rows that can repeat."""
    seed = draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    density = draw(st.sampled_from([0.4, 0.7, 1.0]))
    rows = draw(st.integers(2, 12))

    def weights(site: str) -> np.ndarray:
        shape = (SIZES[site], sum(SIZES[sender] for sender in READS[site]))
        return rng.integers(1, 3, shape) * (rng.random(shape) < density)

    return Drawn(
        {site: weights(site) for site in READS},
        {site: rng.integers(0, 3, SIZES[site]) for site in READS},
        rng.integers(0, 3, (rows, SIZES["input"])),
    )


def alive(drawn: Drawn) -> cm.StructuralCausalModel:
    model = discrete_model(drawn)
    try:
        assume(len(model.units) >= 2)
    except cm.InputError:  # no unit is live
        assume(False)
    return model


def constant(model: cm.StructuralCausalModel) -> tuple[str, ...]:
    return tuple(unit for unit, why in model.units.inert.items() if why.startswith("constant"))


@given(networks(), st.data())
@SLOW
def test_exchange(drawn: Drawn, data: st.DataObject) -> None:
    """Two to four modules; each sending module has its own donor row."""
    model = alive(drawn)
    names = model.units.names
    k = data.draw(st.integers(2, min(4, len(names))))
    labels = data.draw(st.permutations([*range(k), *[i % k for i in range(len(names) - k)]]))
    split = Partition.from_labels(
        {name: f"m{label}" for name, label in zip(names, labels, strict=True)}
    )
    found = exchange(model, split, estimator="exact")
    reference = discrete_reference(drawn, constant(model))
    assert found.bits == pytest.approx(reference.exchange(split.modules), abs=1e-9)
    for module in split:
        expected = reference.received(split.modules, module)
        assert found.into[module].bits == pytest.approx(expected, abs=1e-9)
        assert found.into[module].null == 0.0
    for (sender, receiver), estimate in found.matrix.items():
        held = [u for u in names if split.labels[u] not in {sender, receiver}]
        grid = reference.grid([split.modules[sender]], held=held)
        expected = grid_entropy(grid.within_context(split.modules[receiver]))
        assert estimate.bits == pytest.approx(expected, abs=1e-9)


def grid_entropy(mass: np.ndarray) -> float:
    share = mass / mass.sum(1, keepdims=True)
    return float(-(share * np.log2(share, where=share > 0, out=np.zeros_like(share))).sum(1).mean())


@given(networks(), st.data())
@SLOW
def test_information(drawn: Drawn, data: st.DataObject) -> None:
    """Groups of one to three units, inputs among the senders; also the order of the forms."""
    model = discrete_model(drawn)
    names = [f"{site}[{i}]" for site, size in SIZES.items() for i in range(size)]
    order = data.draw(st.permutations(names))
    cut = data.draw(st.integers(1, 3))
    source = order[:cut]
    target = [n for n in order[cut:] if not n.startswith("input")][: data.draw(st.integers(1, 3))]
    fixed = tuple(  # held when on the way, but free when asked about
        f"{site}[{i}]"
        for site, flags in model.constant.items()
        for i, flag in enumerate(flags.tolist())
        if flag and site in READS and f"{site}[{i}]" not in target
    )
    reference = discrete_reference(drawn, fixed)
    found = {k: information(model, source, target, k, estimator="exact").bits for k in KINDS}
    for kind in KINDS:
        assert found[kind] == pytest.approx(getattr(reference, kind)(source, target), abs=1e-9)
    assert found["interventional"] <= found["conditional"] + 1e-9


@given(networks(), st.data())
@SLOW
def test_literal_reference(drawn: Drawn, data: st.DataObject) -> None:
    """Against what is observed; infinite just where the reference has a new outcome."""
    model = discrete_model(drawn)
    source = data.draw(st.sampled_from(["input[0]", "first[0]", "first[1]", "second[0]"]))
    target = data.draw(st.sampled_from([["second[1]"], ["output[0]"], ["output[0]", "second[2]"]]))
    fixed = tuple(  # held when on the way, but free when asked about
        f"{site}[{i}]"
        for site, flags in model.constant.items()
        for i, flag in enumerate(flags.tolist())
        if flag and site in READS and f"{site}[{i}]" not in target
    )
    reference = discrete_reference(drawn, fixed)
    found = information(model, source, target, reference="observational", estimator="exact")
    assert found.bits == pytest.approx(reference.literal([source], target), abs=1e-9)
    plain = information(model, source, target, estimator="exact")
    assert plain.gap == pytest.approx(found.bits - plain.bits, abs=1e-9)


@given(networks(), st.data())
@SLOW
def test_strength_and_direct_effects(drawn: Drawn, data: st.DataObject) -> None:
    """One arrow, all other units held at the context."""
    model = discrete_model(drawn)
    pairs = [
        (model.sites[a].variables[i], model.sites[b].variables[j])
        for (a, b), edges in model.edges.items()
        for i, j in edges.nonzero().tolist()
    ]
    assume(pairs)
    source, target = data.draw(st.sampled_from(pairs))
    reference = discrete_reference(drawn)
    held = [unit for unit in reference.units if unit not in {source, target}]
    grid = reference.grid([[source]], held=held)
    codes = outcomes([np.concatenate([reference.data[target][:, None], grid.values[target]], 1)])
    agree = (codes[:, 1:] == codes[:, :1]) @ grid.weights / reference.rows
    found = information(model, source, target, "strength", estimator="exact")
    assert found.bits == pytest.approx(float(-np.log2(agree).mean()), abs=1e-9)
    direct = information(model, source, target, "conditional", effect="direct", estimator="exact")
    expected = grid_entropy(grid.within_context([target]))
    assert direct.bits == pytest.approx(expected, abs=1e-9)
    assert direct.bits <= found.bits + 1e-9  # H(C) is at most the cross entropy


@given(networks(), st.data())
@SLOW
def test_laws(drawn: Drawn, data: st.DataObject) -> None:
    """Two units set each by itself, to their own values or uniformly to those that they take."""
    model = discrete_model(drawn)
    source, target = ["first[0]", "first[1]"], ["output[0]"]
    fixed = tuple(
        f"{site}[{i}]"
        for site, flags in model.constant.items()
        for i, flag in enumerate(flags.tolist())
        if flag and site in READS and f"{site}[{i}]" not in target
    )
    reference = discrete_reference(drawn, fixed)
    law = data.draw(st.sampled_from(["product", "maxent"]))
    found = information(model, source, target, "conditional", law=law, estimator="exact")
    grid = reference.grid([[name] for name in source])
    weights = grid.weights if law == "product" else np.ones_like(grid.weights)
    expected = grid_entropy(masses(outcomes([grid.values["output[0]"]]), weights))
    assert found.bits == pytest.approx(expected, abs=1e-9)
    averaged = information(model, source, target, law=law, estimator="exact")
    assert averaged.bits <= found.bits + 1e-9


@given(networks(), st.data())
@SLOW
def test_maps_are_the_figures_one_by_one(drawn: Drawn, data: st.DataObject) -> None:
    model = discrete_model(drawn)
    kind = data.draw(st.sampled_from(["observational", "interventional", "conditional"]))
    effect = data.draw(st.sampled_from(["total", "direct"]))
    sources, targets = ["input[0]", "first[0:2]"], ["first[1]", "second[0:2]", "output[1]"]
    found = cm.flow(model, sources, targets, kind, effect=effect, estimator="exact")
    for source in found.bits.index:
        for target in found.bits.columns:
            bits = found.bits.loc[source, target]
            if source == target:
                assert np.isnan(bits)
                continue
            one = information(model, source, target, kind, effect=effect, estimator="exact")
            assert bits == pytest.approx(one.bits, abs=1e-9)


@given(networks(), st.data())
@SLOW
def test_merging_modules_that_send_nothing_sends_nothing(drawn: Drawn, data: st.DataObject) -> None:
    """With a donor for each module, zero means that no combination of the others matters."""
    model = alive(drawn)
    names = model.units.names
    assume(len(names) >= 3)
    labels = [data.draw(st.integers(0, 2)) for _ in names]
    assume(len(set(labels)) == 3)
    apart = Partition.from_labels(dict(zip(names, labels, strict=True)))
    into = exchange(model, apart, estimator="exact").into
    quiet = [module for module, estimate in into.items() if estimate.bits == 0]
    for module in quiet:
        rest = [name for name in names if apart.labels[name] != module]
        merged = Partition({"own": apart.modules[module], "rest": rest})
        assert exchange(model, merged, estimator="exact").into["own"].bits == 0.0
