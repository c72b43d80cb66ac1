"""information: how the forms relate, and what holds of them whatever the estimator."""

from __future__ import annotations

import warnings
from math import log2

import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod import CausalmodWarning, Estimate, EstimatorError, information, zoo
from causalmod.information import ESTIMATORS
from tests.exchange.networks import perceptron

KINDS = ("observational", "interventional", "conditional")

SAMPLED = [name for name, kind in ESTIMATORS if not kind.exact]
CONTEXTUAL = [name for name in SAMPLED if ESTIMATORS.get(name).contextual]
ASKED = [(n, k) for n in SAMPLED for k in KINDS if k != "conditional" or n in CONTEXTUAL]


@pytest.fixture(scope="module")
def model() -> cm.StructuralCausalModel:
    return cm.compile(*perceptron((4, 6, 6, 3), rows=300))


def groups(name: str) -> tuple[list[str], list[str]]:
    if ESTIMATORS.get(name).groups:
        return ["hidden1[0:3]"], ["output"]
    return ["hidden1[0]"], ["output[0]"]


class Sender(nn.Module):
    """A linear channel: ``C = gain B + X``, with B and X independent inputs."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain, self.b = gain, nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * self.b(x[:, :1] * 1.0) + x[:, 1:]


@pytest.fixture(scope="module")
def channel() -> cm.StructuralCausalModel:
    data = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    return cm.compile(Sender().eval(), data, sites=["b", "output"])


@pytest.mark.parametrize(("name", "kind"), ASKED)
def test_what_is_reported(model: cm.StructuralCausalModel, name: str, kind: str) -> None:
    found = information(model, *groups(name), kind, estimator=name, resolution=2.0, seed=5)
    assert isinstance(found, Estimate)
    assert found.kind == kind
    assert found.estimator == name
    assert found.seed == 5
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.bits <= found.high
    if found.upper is not None:
        assert found.upper_low is not None
        assert found.upper_high is not None
        assert found.bits <= found.upper
        assert found.upper_low <= found.upper <= found.upper_high
    assert (found.p is None) == (kind == "conditional")
    assert (found.bins is not None) == ESTIMATORS.get(name).uses_bins
    assert (found.resolution is not None) == ESTIMATORS.get(name).uses_resolution
    assert found.provenance is not None
    again = information(model, *groups(name), kind, estimator=name, resolution=2.0, seed=5)
    assert (again.bits, again.low, again.p) == (found.bits, found.low, found.p)


@pytest.mark.parametrize(("name", "kind"), [a for a in ASKED if a[1] != "observational"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_is_sent_without_a_path(name: str, kind: str, dtype: torch.dtype) -> None:
    """Downstream to upstream, and across tracks: exactly 0, far from zero too."""

    class Tracks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Linear(2, 3), nn.Linear(2, 3)

        def forward(self, x: Tensor) -> Tensor:
            left, right = self.left(x).tanh() + 1e4, self.right(x).tanh() + 1e4
            return torch.cat([left, right], dim=1)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Tracks().eval().to(dtype)
    data = torch.randn(200, 2, generator=torch.Generator().manual_seed(0)).to(dtype)
    scm = cm.compile(network, data, sites=["left", "right", "output"])
    source, target = ["left[0:2]"], ["output[3:6]"]
    if not ESTIMATORS.get(name).groups:
        source, target = ["left[0]"], ["output[4]"]
    for there, back in ((source, target), (target, source)):
        found = information(scm, there, back, kind, estimator=name)
        assert (found.bits, found.low, found.high) == (0.0, 0.0, 0.0)
        assert found.upper in {None, 0.0}
        assert found.null == 0.0
        assert found.p is None
        assert not found.saturated


@pytest.mark.parametrize("name", CONTEXTUAL)
def test_the_averaged_form_is_below_the_conditional(
    model: cm.StructuralCausalModel, name: str
) -> None:
    """The receiver that knows the context can learn more. Within the intervals, when sampled."""
    source, target = groups(name)
    averaged = information(model, source, target, "interventional", estimator=name)
    known = information(model, source, target, "conditional", estimator=name)
    assert averaged.low is not None
    if known.upper is not None and averaged.upper is not None:
        assert averaged.upper <= known.upper + 1e-12
        assert averaged.low <= known.upper
    else:
        assert known.high is not None
        assert averaged.low <= known.high


def test_xor_is_seen_by_the_conditional_form_alone() -> None:
    scm = zoo.xor().compile()
    read = [information(scm, "b", "output", kind).bits for kind in KINDS]
    assert read == pytest.approx([0.0, 0.0, 1.0], abs=1e-12)
    whole = information(scm, "b", ["a", "output"], "interventional").bits
    assert whole == pytest.approx(1.0, abs=1e-12)  # the target holds the context


@pytest.mark.parametrize("name", [name for name in SAMPLED if name not in CONTEXTUAL])
def test_one_context_has_no_pairs(model: cm.StructuralCausalModel, name: str) -> None:
    with pytest.raises(EstimatorError, match=f"{name!r} compares pairs .* use 'binned' for single"):
        information(model, *groups(name), "conditional", estimator=name)


def test_data_processing() -> None:
    """What reaches the output through the hidden layer has reached the hidden layer."""
    network, data = perceptron((2, 3, 2), rows=60)
    scm = cm.compile(network, torch.round(data))
    for kind in KINDS:
        near = information(scm, "input[0]", "hidden1", kind, estimator="exact").bits
        far = information(scm, "input[0]", "output", kind, estimator="exact").bits
        assert far <= near + 1e-9


def test_a_linear_channel_reads_its_information(channel: cm.StructuralCausalModel) -> None:
    """Variances 1 and 1, so C has 2, and so has the noise at resolution 1.

    Conditional: ``1/2 log2(1 + 1/2)``; averaged: ``1/2 log2((1 + 1 + 2) / (1 + 2))``. Binned, the
    averaged form is that of correlation 1/sqrt(2).
    """
    known = information(channel, "b", "output", "conditional", estimator="gaussian")
    averaged = information(channel, "b", "output", "interventional", estimator="gaussian")
    for found, truth in ((known, log2(3 / 2) / 2), (averaged, log2(4 / 3) / 2)):
        assert found.low is not None
        assert found.high is not None
        assert found.high - found.low < 0.05
        assert found.low - 0.01 <= truth <= found.high + 0.01  # 4000 rows, not a population
    bounds = information(channel, "b", "output", "conditional", estimator="pairwise")
    assert bounds.upper is not None
    assert bounds.bits < log2(3 / 2) / 2 < bounds.upper
    binned = information(channel, "b", "output", "interventional", estimator="binned", bins=10)
    watched = information(channel, "b", "output", "observational", estimator="binned", bins=10)
    assert binned.bits == pytest.approx(watched.bits, abs=0.05)  # nothing is confounded here
    assert binned.bits < 0.5


def test_observational_groups_use_a_sample_of_many_rows(channel: cm.StructuralCausalModel) -> None:
    pairwise = information(channel, "b", "output", "observational", estimator="pairwise")
    gaussian = information(channel, "b", "output", "observational", estimator="gaussian")
    assert (pairwise.contexts, gaussian.contexts) == (1024, 4000)
    assert gaussian.p == 0.05  # the least that 19 permutations can show
    assert gaussian.bits > gaussian.null


def test_what_is_not_shared_is_inside_the_floor(channel: cm.StructuralCausalModel) -> None:
    """Two independent inputs: whatever chance shows of them is warned about."""
    warned = 0
    for part in range(8):
        model = channel.with_rows(torch.arange(60 * part, 60 * (part + 1)))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = information(
                model, "input[0]", "input[1]", "observational", estimator="binned", bins=4
            )
        inside = 0 < found.bits <= found.null
        assert [w.category for w in caught] == [CausalmodWarning] * inside
        assert all("inside the null floor" in str(w.message) for w in caught)
        warned += inside
    assert 0 < warned < 8


def test_saturation_of_groups_that_tell_rows_apart() -> None:
    network, data = perceptron((8, 40, 40), rows=300)
    scm = cm.compile(network, data)
    for kind in ("observational", "conditional"):
        with pytest.warns(CausalmodWarning, match="raise resolution"):
            found = information(scm, "hidden1", "output", kind, resolution=0.1)
        assert found.saturated
        assert found.low is found.high is None


def test_an_averaged_figure_that_saturates_has_the_bounds_of_the_conditional() -> None:
    """One weak sender among many: C varies with the context, hardly with the sender."""
    network, data = perceptron((8, 40, 40), rows=300)
    scm = cm.compile(network, data)
    found = information(scm, "hidden1[0]", "output", "interventional", resolution=0.5)
    known = information(scm, "hidden1[0]", "output", "conditional", resolution=0.5)
    assert found.bits == 0.0
    assert found.upper == known.upper
    assert not found.saturated


def test_a_constant_target_answers_and_constant_units_on_the_way_do_not() -> None:
    """THEORY: units that are constant on the data are clamped in every run."""
    scm = zoo.xor(correlated=True).compile()  # the output is constant on the data
    assert information(scm, "b", "output", "conditional").bits == 1.0

    class OnTheWay(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.p, self.q, self.e = nn.Identity(), nn.Identity(), nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            p, q = self.p(x * 1.0), self.q(x * 1.0)
            return 5.0 * self.e((p != q).float()) + p

    bit = torch.tensor([[0.0], [1.0]])
    scm = cm.compile(OnTheWay().eval(), bit, sites=["p", "q", "e", "output"])
    assert scm.units.inert == {"e[0]": "constant on the data", "q[0]": "influences no output"}
    assert information(scm, "q", "e", "conditional").bits == 1.0  # it is asked about
    assert information(scm, "q", "output", "conditional").bits == 0.0  # it is on the way


@pytest.mark.parametrize("kind", KINDS)
def test_auto_counts_bins_or_bounds(model: cm.StructuralCausalModel, kind: str) -> None:
    read = information(zoo.xor().compile(), "b", "output", kind)
    assert read.estimator == "exact"
    assert read.low == read.bits == read.high
    single = information(model, "hidden1[0]", "output[0]", kind)
    assert (single.estimator, single.bins) == ("binned", 10)
    group = information(model, "hidden1[0:2]", "output[0]", kind, resolution=2.0)
    assert (group.estimator, group.resolution) == ("pairwise", 2.0)
    assert group.note == "3 coordinates with continuous values, which no bins can hold"


def test_as_many_bins_as_rows(model: cm.StructuralCausalModel) -> None:
    """Every row has its own bin, and leaving rows out for the interval leaves too few."""
    few = model.with_rows(torch.arange(12))
    found = information(
        few, "hidden1[0]", "output[0]", "observational", estimator="binned", bins=12
    )
    assert found.low is not None
    assert found.bits == 0.0  # log2 12, less the bias of a table of 144 cells
