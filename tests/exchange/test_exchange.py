"""exchange: what it reports, and with how many draws."""

from __future__ import annotations

import json
from math import log2

import pytest
import torch
from torch import nn

import causalmod as cm
from causalmod import CausalmodWarning, Estimate, exchange, zoo
from causalmod.exchange.contexts import read_with_enough_draws
from causalmod.information import ESTIMATORS, Bounds
from tests.exchange.networks import halves, perceptron


@pytest.fixture(scope="module")
def model() -> cm.StructuralCausalModel:
    return cm.compile(*perceptron((6, 6, 6, 4), rows=300))


class Tracks(nn.Module):
    """Two networks side by side, with activations far from zero."""

    def __init__(self, offset: float) -> None:
        super().__init__()
        self.left, _ = perceptron((3, 5, 5, 2), seed=1)
        self.right, _ = perceptron((3, 5, 5, 2), seed=2)
        self.offset = offset

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = self.left(x[:, :3]), self.right(x[:, 3:])
        return torch.cat([left, right], dim=1) * 0.3 + self.offset


def in_halves(scm: cm.StructuralCausalModel) -> cm.Partition:
    left = [u for u in scm.units.names if u.startswith("left") or u in {"output[0]", "output[1]"}]
    return cm.Partition({"l": left, "r": [u for u in scm.units.names if u not in left]})


@pytest.mark.parametrize("estimator", ["pairwise", "gaussian"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_modules_that_send_nothing_receive_exactly_nothing(
    estimator: str, dtype: torch.dtype, offset: float
) -> None:
    data = torch.randn(200, 6, generator=torch.Generator().manual_seed(0)).to(dtype)
    scm = cm.compile(Tracks(offset).eval().to(dtype), data)
    for resolution in (0.1, 1.0):
        found = exchange(scm, in_halves(scm), estimator=estimator, resolution=resolution)
        assert found.bits == 0.0
        assert (found.estimate.low, found.estimate.high) == (0.0, 0.0)
        assert found.estimate.upper in {None, 0.0}
        assert found.estimate.null == 0.0
        assert not found.estimate.saturated


@pytest.mark.parametrize("name", [n for n, kind in ESTIMATORS if kind.groups and kind.contextual])
def test_what_is_reported(model: cm.StructuralCausalModel, name: str) -> None:
    """For every estimator that takes groups: the same fields, and no noise floor."""
    scm = zoo.isolated().compile() if ESTIMATORS.get(name).exact else model
    split = halves(scm)
    found = exchange(scm, split, estimator=name, resolution=2.0, seed=3, held_out=True)
    assert set(found.into) == {"even", "odd"}
    assert found.matrix["even", "odd"] == found.into["odd"]
    assert found.bits == pytest.approx(sum(estimate.bits for estimate in found.into.values()))
    for estimate in [found.estimate, *found.into.values(), *found.matrix.values()]:
        assert estimate.null == 0.0
        assert estimate.p is None
        assert estimate.kind == "conditional"
        assert estimate.seed == 3
        assert estimate.held_out
        assert estimate.provenance is not None
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.low <= estimate.bits <= estimate.high
        assert estimate.upper is None or estimate.upper >= estimate.bits
        assert estimate.donors > 0
    assert (found.estimate.resolution is None) == (not ESTIMATORS.get(name).uses_resolution)


def test_the_result_as_data(model: cm.StructuralCausalModel) -> None:
    found = exchange(model, halves(model), resolution=2.0)
    content = json.loads(json.dumps(found.to_dict()))
    assert content["total"]["bits"] == found.bits
    assert content["partition"] == found.partition.to_dict()
    assert {entry["sender"] for entry in content["matrix"]} == {"even", "odd"}
    frame = found.to_frame()
    assert list(frame.index) == ["into even", "into odd", "total"]
    assert frame.loc["total", "bits"] == found.bits
    assert repr(found).startswith("Exchange(")
    assert repr(found).endswith("bits over 2 modules, conditional)")


def test_the_same_seed_gives_the_same(model: cm.StructuralCausalModel) -> None:
    split = halves(model)
    first, again, other = (exchange(model, split, resolution=2.0, seed=s) for s in (1, 1, 2))
    assert first.bits == again.bits
    assert first.bits != other.bits
    before = torch.get_rng_state()
    exchange(model, split, resolution=2.0)
    assert torch.equal(torch.get_rng_state(), before)


def test_memory_changes_nothing(model: cm.StructuralCausalModel) -> None:
    split = halves(model)
    plain = exchange(model, split, draws=64, resolution=2.0)
    scarce = exchange(model, split, draws=64, resolution=2.0, memory="100KB")
    assert scarce.bits == pytest.approx(plain.bits, abs=1e-6)  # products in other batches


def test_only_the_given_rows_are_used(model: cm.StructuralCausalModel) -> None:
    split, rows = halves(model), torch.arange(0, 300, 3)
    part = exchange(model, split, rows=rows, resolution=2.0)
    assert part.estimate.contexts == 100
    small = cm.compile(*(perceptron((6, 6, 6, 4), rows=300)[0], _data()[rows]))
    alone = exchange(small, split, resolution=2.0)  # scales differ a little: other rows
    assert part.bits == pytest.approx(alone.bits, rel=0.2)


def _data() -> torch.Tensor:
    return perceptron((6, 6, 6, 4), rows=300)[1]


def test_more_draws_are_taken_where_few_saturate(model: cm.StructuralCausalModel) -> None:
    split = halves(model)
    coarse = exchange(model, split, resolution=2.0)
    assert (coarse.estimate.contexts, coarse.estimate.donors) == (256, 64)
    fine = exchange(model, split, resolution=0.7)
    assert fine.estimate.donors > 64
    assert not fine.estimate.saturated
    assert fine.estimate.low is not None
    with pytest.warns(CausalmodWarning, match="saturating"):
        few = exchange(model, split, resolution=0.7, draws=64)
    assert few.estimate.saturated


def test_a_figure_that_saturates_all_the_same(model: cm.StructuralCausalModel) -> None:
    with pytest.warns(CausalmodWarning, match=r"1024 draws .* at most 10.00 .* raise resolution"):
        found = exchange(model, halves(model), resolution=0.05)
    assert (found.estimate.contexts, found.estimate.donors) == (64, 1024)
    for estimate in (found.estimate, *found.into.values()):
        assert estimate.saturated
        assert estimate.low is estimate.high is estimate.upper_low is estimate.upper_high is None
    assert "saturating" in repr(found)


def test_memory_limits_the_draws(model: cm.StructuralCausalModel) -> None:
    with pytest.warns(CausalmodWarning, match=r"256 draws tell at most 8.00"):
        found = exchange(model, halves(model), resolution=0.05, memory=16 * 64 * 512)
    assert found.estimate.donors == 256


def test_each_module_saturates_by_itself() -> None:
    """One module of two receives much, the other nothing: the total is saturating with it."""
    network, data = perceptron((6, 8, 8), rows=300, gain=3.0)
    scm = cm.compile(network, data)
    split = cm.Partition({"senders": ["hidden1"], "receivers": ["output"]})
    with pytest.warns(CausalmodWarning, match="module 'receivers' receives up to"):
        found = exchange(scm, split, resolution=0.3, draws=64)
    assert found.into["receivers"].saturated
    assert not found.into["senders"].saturated
    assert found.into["senders"].high == 0.0
    assert found.estimate.saturated
    assert found.estimate.low is None


def test_a_total_of_quiet_modules_is_not_saturating() -> None:
    """Eight modules that receive 1 bit each: 8 bits in all, and nothing is near its ceiling."""
    case = zoo.broadcast(receivers=16, modules=8)
    assert case.partition is not None
    found = exchange(case.compile(), case.partition, estimator="pairwise", resolution=0.1, draws=64)
    assert found.bits == pytest.approx(8.0, abs=0.05)
    assert found.estimate.upper is not None
    assert found.estimate.upper > log2(64)
    assert not found.estimate.saturated
    assert found.estimate.low is not None


def test_draws_that_would_saturate_are_passed_over() -> None:

    def asked(
        upper: float, contexts: int = 256, draws: int | None = None, most: int = 10**6
    ) -> list[tuple[int, int]]:
        calls: list[tuple[int, int]] = []

        def read(contexts: int, draws: int) -> list[Bounds]:
            calls.append((contexts, draws))
            return [Bounds(torch.zeros(2), torch.full((2,), upper))]

        assert read_with_enough_draws(read, contexts, draws, most)[1] == calls[-1][1]
        return calls

    assert asked(3.0) == [(256, 64)]
    assert asked(3.5) == [(256, 64), (256, 256)]
    assert asked(4.5) == [(256, 64), (64, 1024)]
    assert asked(7.0) == [(256, 64), (64, 1024)]
    assert asked(7.0, most=256) == [(256, 64), (256, 256)]
    assert asked(7.0, contexts=40) == [(40, 64), (40, 1024)]  # never more contexts than asked
    assert asked(7.0, draws=32) == [(256, 32)]


def test_an_interval_needs_two_contexts() -> None:
    with pytest.raises(cm.InputError, match="contexts"):
        exchange(zoo.isolated().compile(), zoo.isolated().partition, contexts=1)  # type: ignore[arg-type]


def test_noise_is_told_from_bits(model: cm.StructuralCausalModel) -> None:
    """What stands at or below the null floor is called noise."""
    from causalmod.exchange import modules

    noise = Estimate(
        bits=1e-9, low=0.0, high=1e-8, kind="conditional", estimator="pairwise", null=1e-8
    )
    split = halves(model)
    found = cm.Exchange(estimate=noise, into={}, matrix={}, partition=split)
    with pytest.warns(CausalmodWarning, match="inside the null floor"):
        modules._warn(found)
