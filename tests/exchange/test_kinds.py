"""Every kind of information: published values, what distinguishes the kinds, what is refused."""

from __future__ import annotations

from math import inf, log2
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod import Estimate, EstimatorError, InputError, information, zoo
from causalmod.information.bins import Bins
from tests.exchange.networks import perceptron

_AY_POLANI = 0.75 * log2(4 / 3)


class Published(NamedTuple):
    """A figure of a paper (see the docstrings of the cases)."""

    case: str
    source: Any
    expected: float
    options: dict[str, Any]


PUBLISHED = [
    Published("two_ways_xor", "x", 0.0, {}),
    Published("two_ways_xor", "x", 1.0, {"given_do": "y"}),
    Published("two_ways_xor", "input[0]", 1.0, {"given_do": "y"}),
    Published("two_ways_copy", "x", 1.0, {}),
    Published("two_ways_copy", "x", 1.0, {"given_do": "y"}),
    Published("two_ways_copy", "input[0]", 1.0, {"given_do": "y"}),
    Published("two_ways_coin", "x", 0.0, {}),
    Published("two_ways_coin", "x", _AY_POLANI, {"given_do": "y"}),
    Published("two_ways_coin", "input[0]", _AY_POLANI, {"given_do": "y"}),
    Published("two_ways_coin", "x", log2(4 / 3), {"kind": "strength", "noise": "input[1]"}),
    Published("confounded", "x", 0.143333, {}),
    Published("confounded", "x", 0.173840, {"reference": "observational"}),
    Published("confounded", "x", 0.274090, {"kind": "observational"}),
    Published("confounded", "x", 0.240059, {"kind": "strength", "noise": "input[2]"}),
    Published("sprinkler", "sprinkler", 0.184699, {}),
    Published("sprinkler", "sprinkler", 0.192021, {"reference": "observational"}),
    Published("sprinkler", "sprinkler", 0.362626, {"given_do": "rain"}),
    Published("sprinkler", "sprinkler", 0.408480, {"kind": "strength", "noise": "input[3]"}),
    Published("sprinkler", "rain", 0.526863, {"kind": "strength", "noise": "input[3]"}),
    Published(
        "sprinkler", ["sprinkler", "rain"], 0.645781, {"kind": "strength", "noise": "input[3]"}
    ),
]
MODELS: dict[str, cm.StructuralCausalModel] = {}


def model(name: str) -> cm.StructuralCausalModel:
    if name not in MODELS:
        MODELS[name] = zoo.get(name).compile()
    return MODELS[name]


def name_of(published: Published) -> str:
    return f"{published.case}-{published.source}-{'-'.join(map(str, published.options.values()))}"


@pytest.mark.parametrize("published", PUBLISHED, ids=name_of)
def test_published_values_exactly(published: Published) -> None:
    found = information(model(published.case), published.source, "output", **published.options)
    assert found.estimator == "exact"  # what auto takes for values that can be counted
    assert found.bits == pytest.approx(published.expected, abs=5e-7)
    assert found.low == found.bits == found.high


@pytest.mark.filterwarnings("ignore::causalmod.errors.CausalmodWarning")  # 0 inside its floor
@pytest.mark.parametrize("estimator", ["binned", "pairwise"])
@pytest.mark.parametrize("published", PUBLISHED, ids=name_of)
def test_published_values_within_the_intervals_of_samples(
    published: Published, estimator: str
) -> None:
    options = published.options
    counted = options.get("kind") == "strength" or options.get("reference") == "observational"
    if estimator == "pairwise" and counted:
        with pytest.raises(EstimatorError, match="use estimator='exact', or 'binned'"):
            information(
                model(published.case), published.source, "output", estimator=estimator, **options
            )
        return
    # Z is constant in some of the data: edges must be given for bins to tell its values apart
    bins = Bins(edges=(-0.5, 0.5, 1.5))
    found = information(
        model(published.case), published.source, "output", estimator=estimator, resolution=0.1,
        bins=bins, **options,
    )  # fmt: skip
    assert found.low is not None
    assert found.high is not None
    top = found.high if found.upper_high is None else found.upper_high
    assert found.low - 1e-9 <= published.expected <= top + 1e-9
    if published.case == "sprinkler":  # the others have few rows, which count as a sample
        assert top - found.low < 0.25


class Weighted(nn.Module):
    """``y = f(w x)``."""

    def __init__(self, weight: float, activation: Any) -> None:
        super().__init__()
        self.weight, self.activation = weight, activation

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.weight * x)


@pytest.mark.parametrize(
    ("activation", "weight", "count", "low", "expected"),
    [
        (torch.sigmoid, 2.0, 8, 0.0, 1.4406),
        (torch.sigmoid, 2.0, 64, 0.0, 4.3820),
        (torch.sigmoid, 5.0, 64, 0.0, 4.0840),
        (torch.tanh, 1.0, 64, -1.0, 5.1988),
        (torch.relu, 1.0, 64, 0.0, 6.0),
        (torch.relu, 2.0, 64, 0.0, 5.0),
        (torch.relu, 5.0, 64, 0.0, 3.6982),
    ],
)
def test_effective_information_of_one_weighted_unit(
    activation: Any, weight: float, count: int, low: float, expected: float
) -> None:
    """Exact integrals, x uniform on (0, 1), or (-1, 1) for tanh; see the issue of this figure.

    On a fine grid of x what is shared is the integral; drawn from the maximum-entropy law, it is in
    the interval.
    """
    grid = low + (1 - low) * (torch.arange(2.0**16, dtype=torch.float64) + 0.5) / 2**16
    edges = tuple((low + (1 - low) * torch.arange(count + 1) / count).tolist())
    scm = cm.compile(Weighted(weight, activation).eval(), grid[:, None])
    bins = Bins(edges=edges, correction="none")
    whole = information(scm, "input", "output", "observational", estimator="binned", bins=bins)
    assert whole.bits == pytest.approx(expected, abs=6e-4)
    scm = cm.compile(Weighted(weight, activation).eval(), grid[::64, None])
    drawn = information(
        scm, "input", "output", "effective", estimator="binned", bins=bins, contexts=1024
    )
    assert drawn.law == "maxent"
    assert drawn.bits == pytest.approx(expected, abs=0.02)


def test_effective_information_is_that_of_uniform_values() -> None:
    """A bit that is 1 in one row of four: H(1/4) as observed, 1 bit as set."""
    scm = cm.compile(nn.ReLU().eval(), torch.tensor([[0.0], [0.0], [0.0], [1.0]]))
    seen = information(scm, "input", "output")
    assert seen.bits == pytest.approx(2 - 0.75 * log2(3), abs=1e-12)
    assert information(scm, "input", "output", "effective").bits == 1.0
    assert information(scm, "input", "output", law="maxent").bits == 1.0


def test_a_linear_gaussian_channel() -> None:
    """``1/2 log2(1 + 4 / .25) = 2.0437`` with ``Y = 2 X + N``, Var X = 1, Var N = 1/4."""

    class Channel(nn.Module):
        def forward(self, rows: Tensor) -> Tensor:
            return 2.0 * rows[:, :1] + 0.5 * rows[:, 1:]

    data = torch.randn(4096, 2, generator=torch.Generator().manual_seed(1))
    scm = cm.compile(Channel().eval(), data)
    for estimator in ("copula", "ksg", "ksg-ranks"):
        found = information(scm, "input[0]", "output", estimator=estimator)
        assert found.low is not None
        assert found.high is not None
        assert found.low <= log2(17) / 2 <= found.high
    with pytest.raises(EstimatorError, match="'binned' for single units, 'pairwise' for groups"):
        information(scm, "input[0]", "output", "conditional", estimator="ksg")


# --- references ---------------------------------------------------------------------------------


def test_the_gap_is_the_difference_of_the_references() -> None:
    scm = model("confounded")
    plain = information(scm, "x", "output")
    literal = information(scm, "x", "output", reference="observational")
    assert plain.gap == literal.gap == pytest.approx(literal.bits - plain.bits, abs=1e-12)
    assert plain.gap == pytest.approx(0.030506, abs=5e-7)
    assert (plain.reference, literal.reference) == ("do", "observational")
    binned = information(scm, "x", "output", estimator="binned", reference="observational")
    assert binned.gap == pytest.approx(0.0305, abs=0.02)
    assert information(scm, "x", "output", "conditional").gap is None


@pytest.mark.parametrize("estimator", ["exact", "binned"])
def test_an_infinite_reading_says_why(estimator: str) -> None:
    """Oracle 4, B = A in the data: C is constant, and setting B brings about its other value."""
    scm = zoo.xor(correlated=True).compile()
    found = information(
        scm, "b", "output", reference="observational", estimator=estimator, bins=Bins(2, "width")
    )
    if estimator == "binned":  # one bin holds all: nothing is seen
        assert found.bits == 0.0
        return
    assert (found.bits, found.low, found.high, found.gap) == (inf, inf, inf, inf)
    assert "50.0% of the interventions bring about outcomes that the data never" in found.note
    assert found.off_manifold == 0.5
    assert "inf" in repr(found)
    finite = information(scm, "b", "output")
    assert (finite.bits, finite.gap) == (0.0, inf)


class Sum(nn.Module):
    """``C = A + B`` with ``B = A // 3``, or ``A / 3``."""

    def __init__(self, floor: bool) -> None:
        super().__init__()
        self.floor, self.b = floor, nn.Identity()

    def forward(self, a: Tensor) -> Tensor:
        return a + self.b(torch.floor((a + 0.5) / 3) if self.floor else a / 3)


@pytest.mark.parametrize(
    ("floor", "averaged", "conditional"), [(True, 0.2362, 3.3219), (False, 1.8212, 4.9069)]
)
def test_sum_with_a_third(floor: bool, averaged: float, conditional: float) -> None:
    """Oracle 3: the literal reference is infinite in both."""
    scm = cm.compile(Sum(floor).eval(), torch.arange(30.0)[:, None], sites=["b", "output"])
    assert information(scm, "b", "output").bits == pytest.approx(averaged, abs=5e-5)
    literal = information(scm, "b", "output", reference="observational")
    assert literal.bits == inf
    for kind in ("conditional", "strength"):
        assert information(scm, "b", "output", kind).bits == pytest.approx(conditional, abs=5e-5)


def test_gates_in_every_kind() -> None:
    """Oracles 4 and 5."""
    strength = {
        name: information(zoo.get(name).compile(), "b", "output", "strength").bits
        for name in ("xor", "copy_bit", "and_gate")
    }
    assert strength == pytest.approx({"xor": 1.0, "copy_bit": 1.0, "and_gate": 0.5}, abs=1e-12)
    twins = zoo.and_gate(correlated=True).compile()
    literal = information(twins, "b", "output", reference="observational")
    assert literal.bits == pytest.approx(0.5, abs=1e-12)
    assert information(twins, "b", "output", "conditional").bits == pytest.approx(0.5, abs=1e-12)


def test_threshold_and_lookup() -> None:
    """Oracles 1 and 15: the smallest prime factor of A, copied."""
    for fires, bits in ((5, 1.0), (9, 0.4690)):
        scm = zoo.threshold(fires_on=fires).compile()
        unit = scm.units.names[-1]
        source = next(name for name in scm.variables if name.startswith("input"))
        found = information(scm, source, unit, estimator="exact").bits
        assert found == pytest.approx(bits, abs=5e-5)

    numbers = torch.arange(2, 34)
    factors = torch.tensor([next(p for p in range(2, n + 1) if n % p == 0) for n in numbers])

    class Lookup(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.b = nn.Identity()
            self.table = nn.Embedding.from_pretrained(factors.float()[:, None])

        def forward(self, a: Tensor) -> Tensor:
            return self.b(self.table(a[:, 0].long() - 2)) * 1.0

    scm = cm.compile(Lookup().eval(), numbers.float()[:, None], sites=["b", "output"])
    got: dict[str, Estimate] = {
        kind: information(scm, "b", "output", kind)
        for kind in ("observational", "interventional", "conditional")
    }
    got["literal"] = information(scm, "b", "output", reference="observational")
    for estimate in got.values():
        assert estimate.bits == pytest.approx(2.4528, abs=5e-5)


# --- laws, effects, what is given ---------------------------------------------------------------


class Pair(nn.Module):
    """P = Q in the data; C is P xor Q, D is P + Q, E reads D alone."""

    def __init__(self) -> None:
        super().__init__()
        self.p, self.q, self.d = nn.Identity(), nn.Identity(), nn.Identity()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        p, q = self.p(x * 1.0), self.q(x * 1.0)
        d = self.d(p + q)
        return {"c": torch.remainder(p + q, 2), "e": d + p}


@pytest.fixture(scope="module")
def pair() -> cm.StructuralCausalModel:
    bit = torch.tensor([[0.0], [1.0]])
    return cm.compile(Pair().eval(), bit, sites=["p", "q", "d", "output.c", "output.e"])


def test_laws_of_a_group(pair: cm.StructuralCausalModel) -> None:
    """Set together, P and Q stay equal; set each by itself, their exclusive or is a fair bit."""
    assert information(pair, ["p", "q"], "output.c").bits == 0.0
    for law in ("product", "maxent"):
        assert information(pair, ["p", "q"], "output.c", law=law).bits == pytest.approx(1.0)
    sampled = information(
        pair, ["p", "q"], "output.c", "conditional", law="product", estimator="pairwise",
        resolution=0.01,
    )  # fmt: skip
    # the scale of a unit that is constant on the data is 1
    assert sampled.bits == pytest.approx(1.0, abs=0.02)


def test_direct_and_total_effects(pair: cm.StructuralCausalModel) -> None:
    """``E = 2 P + Q``; with D held, P moves E by 1 instead of 2. Through D alone Q moves it."""
    for effect, bits in (("total", 1.0), ("direct", 0.0)):
        found = information(pair, "q", "output.e", "conditional", effect=effect)
        assert (found.bits, found.effect) == (bits, effect)
    assert information(pair, "p", "output.e", "conditional", effect="direct").bits == 1.0


def test_the_direct_effect_keeps_a_unit_and_its_activation_together() -> None:
    scm = cm.compile(*perceptron((4, 6, 6, 3), rows=100))
    for source in ("hidden1[0]", "linear1[0]"):
        for target in ("linear2[1]", "hidden2[1]"):
            some: dict[str, Any] = {"kind": "conditional", "contexts": 20}
            direct = information(scm, source, target, effect="direct", **some)
            total = information(scm, source, target, **some)
            assert direct.bits == total.bits > 0
    skipped = information(scm, "hidden1[0]", "output", "conditional", effect="direct")
    assert skipped.bits == 0.0


def test_what_is_given_in_the_conditional_form(pair: cm.StructuralCausalModel) -> None:
    found = information(pair, "p", "output.c", "conditional", given_do="q")
    assert found.bits == pytest.approx(1.0)
    assert found.given == ("q[0]",)
    sampled = information(
        pair, "p", "output.c", "conditional", given_do="q", estimator="pairwise", resolution=0.01
    )
    assert sampled.bits == pytest.approx(1.0, abs=0.05)
    with pytest.raises(EstimatorError, match="leave given_do out, or use reference='do'"):
        information(pair, "p", "output.c", given_do="q", reference="observational")


def test_many_given_values_are_drawn() -> None:
    scm = cm.compile(*perceptron((4, 6, 6, 3), rows=200))
    found = information(scm, "hidden1[0]", "hidden2[0]", given_do="hidden1[1]", contexts=32)
    plain = information(scm, "hidden1[0]", "hidden2[0]", contexts=32)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.bits < found.high
    assert found.bits > plain.bits  # the other sender is known now


def test_off_manifold() -> None:
    scm = cm.compile(*perceptron((4, 6, 6, 3), rows=200))
    found = information(scm, "hidden1", "output", "conditional", estimator="gaussian")
    assert found.off_manifold is not None
    assert 0 <= found.off_manifold < 0.2
    assert information(scm, "hidden1", "output", "observational").off_manifold is None


# --- strength ----------------------------------------------------------------------------------


def test_strength_needs_an_arrow() -> None:
    scm = cm.compile(*perceptron((4, 6, 6, 3), rows=100))
    with pytest.raises(
        InputError, match=r"hidden1\[0\] has no direct edge to output\[1\]; next on "
    ):
        information(scm, "hidden1[0]", "output[1]", "strength")
    with pytest.raises(InputError, match=r"to hidden2\[0\]; next on the path is linear2\[0\]"):
        information(scm, "hidden1[0]", "hidden2", "strength")
    with pytest.raises(InputError, match=r"no direct edge to linear1\[0\]; and no path either"):
        information(scm, "output[0]", "linear1[0]", "strength")
    with pytest.raises(InputError, match=r"input.* has no direct edge to linear2"):
        information(scm, ["hidden1[0]", "input[0]"], "linear2[0]", "strength")


def test_strength_can_exceed_the_entropy_of_the_target(pair: cm.StructuralCausalModel) -> None:
    """C is constant in the data, and the cut arrow makes it a coin."""
    assert information(pair, "p", "output.c", "strength").bits == 1.0


def test_strengths_of_several_targets_add_up() -> None:
    scm = model("two_ways_xor")
    both = information(scm, "input[0]", ["x", "y"], "strength")
    assert both.bits == pytest.approx(2.0)  # two arrows, a fair bit each
    assert (both.law, both.effect) == ("product", "direct")


def test_strength_of_continuous_units() -> None:
    """``Y = X`` in ten bins: ``log2 10``; and what is drawn agrees with what is gone through."""
    scm = cm.compile(nn.Tanh().eval(), torch.linspace(-2, 2, 500)[:, None])
    found = information(scm, "input", "output", "strength")
    assert found.estimator == "binned"
    assert found.bits == pytest.approx(log2(10), abs=1e-6)
    many = cm.compile(*perceptron((4, 6, 6, 3), rows=200))
    few = information(many, ["hidden1[0]", "hidden1[1]"], "linear2[0]", "strength", draws=256)
    more = information(many, ["hidden1[0]", "hidden1[1]"], "linear2[0]", "strength", draws=2048)
    assert few.low is not None
    assert few.high is not None
    assert few.low <= more.bits <= few.high
