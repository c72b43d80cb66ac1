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
