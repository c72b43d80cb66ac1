"""Do 95% intervals hold the large-sample value about 95% of the time? One hundred samples each.

Seeds are fixed, so a test passes always or never; the tolerance is what a true coverage of 95%
would break once in a thousand such tests.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import log2

import pytest
import torch
from scipy.stats import binom
from torch import Tensor, nn

import causalmod as cm
from causalmod import Estimate, exchange, information
from causalmod.exchange.hybrid import Sample
from causalmod.information import Bounds
from tests.exchange.networks import halves, perceptron

pytestmark = pytest.mark.filterwarnings("ignore::causalmod.errors.CausalmodWarning")

SAMPLES = 100
FIGURES = sys.modules["causalmod.exchange.figures"]


@pytest.fixture(scope="module")
def model() -> cm.StructuralCausalModel:
    return cm.compile(*perceptron(rows=2000))


@pytest.fixture(autouse=True)
def no_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Null floors take most of the time, and play no part here."""
    monkeypatch.setattr(FIGURES, "_PERMUTATIONS", 1)
    monkeypatch.setattr(FIGURES, "_FEW_PERMUTATIONS", 1)


def holds(covered: int, samples: int = SAMPLES) -> bool:
    return bool(binom.cdf(covered, samples, 0.95) > 0.001)


def check(measure: Callable[[int], Estimate], truth: float, upper: float | None = None) -> None:
    found = [measure(seed) for seed in range(SAMPLES)]
    inside = 0
    inside_upper = 0
    for estimate in found:
        assert estimate.low is not None
        assert estimate.high is not None
        inside += estimate.low <= truth <= estimate.high
        if upper is not None:
            assert estimate.upper_low is not None
            assert estimate.upper_high is not None
            inside_upper += estimate.upper_low <= upper <= estimate.upper_high
    assert holds(inside), f"{inside} of {SAMPLES} hold {truth}"
    assert upper is None or holds(inside_upper), f"{inside_upper} of {SAMPLES} hold {upper}"
    widths = torch.tensor([(e.high or 0.0) - (e.low or 0.0) for e in found])
    values = torch.tensor([e.bits for e in found])
    assert float(widths.mean()) < 8 * float(values.std())  # 4 would do: no empty promise


def large_sample(read: Callable[[int], Estimate]) -> tuple[float, float | None]:
    found = [read(10**6 + seed) for seed in range(2)]
    uppers = [estimate.upper for estimate in found if estimate.upper is not None]
    return sum(e.bits for e in found) / 2, sum(uppers) / 2 if uppers else None


GROUPS = (["hidden1[0:3]"], ["output[0:3]"])
SINGLE = (["hidden1[0]"], ["output[0]"])


@pytest.mark.parametrize("resolution", [1.0, 0.5])
@pytest.mark.parametrize("estimator", ["pairwise", "gaussian"])
def test_conditional(model: cm.StructuralCausalModel, estimator: str, resolution: float) -> None:
    def read(seed: int, contexts: int = 128, draws: int = 64) -> Estimate:
        return information(
            model, *GROUPS, "conditional", estimator=estimator, resolution=resolution,
            contexts=contexts, draws=draws, seed=seed,
        )  # fmt: skip

    check(read, *large_sample(lambda seed: read(seed, 2000, 192)))


def test_conditional_binned(model: cm.StructuralCausalModel) -> None:
    def read(seed: int, contexts: int = 128, draws: int = 64) -> Estimate:
        return information(
            model,
            *SINGLE,
            "conditional",
            estimator="binned",
            contexts=contexts,
            draws=draws,
            seed=seed,
        )

    check(read, *large_sample(lambda seed: read(seed, 2000, 512)))


def test_averaged_groups(model: cm.StructuralCausalModel) -> None:
    def read(seed: int, contexts: int = 128, draws: int = 64) -> Estimate:
        return information(
            model,
            *GROUPS,
            "interventional",
            estimator="gaussian",
            contexts=contexts,
            draws=draws,
            seed=seed,
        )

    truth, _ = large_sample(lambda seed: read(seed, 2000, 192))
    assert truth > 0.1
    check(read, truth)


def test_averaged_pairs(model: cm.StructuralCausalModel) -> None:
    def read(seed: int, contexts: int = 128, draws: int = 16) -> Estimate:
        return information(
            model,
            *SINGLE,
            "interventional",
            estimator="binned",
            contexts=contexts,
            draws=draws,
            seed=seed,
        )

    check(read, large_sample(lambda seed: read(seed, 2000, 192))[0])


def test_observational() -> None:
    """Correlated Gaussians, a fresh data set each time, against the closed form."""

    class Both(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 0.8 * x[:, :1] + 0.6 * x[:, 1:]

    data = torch.randn(SAMPLES * 200, 2, generator=torch.Generator().manual_seed(0))
    population = cm.compile(Both().eval(), data)

    def read(seed: int) -> Estimate:
        some = population.with_rows(torch.arange(200 * seed, 200 * (seed + 1)))
        return information(some, "input[0]", "output", "observational", estimator="gaussian")

    check(read, -log2(1 - (0.8 / 2) ** 2) / 2)  # noise of the signals' own size on both sides


@pytest.mark.parametrize("estimator", ["pairwise", "gaussian"])
def test_exchange(model: cm.StructuralCausalModel, estimator: str) -> None:
    split = halves(model)

    def read(seed: int, contexts: int = 64, draws: int = 48) -> Estimate:
        return exchange(
            model,
            split,
            estimator=estimator,
            resolution=2.0,
            contexts=contexts,
            draws=draws,
            seed=seed,
        ).estimate

    check(read, *large_sample(lambda seed: read(seed, 2000, 192)))


def test_donors_shared_by_all_contexts_would_not_do(model: cm.StructuralCausalModel) -> None:
    """Why each context has its own: errors that agree are not averaged away."""
    source, target = (cm.Partition({"s": GROUPS[0], "t": GROUPS[1]}).modules[n] for n in "st")
    names = model.units.names
    assert set(source) | set(target) <= set(names)
    from causalmod.exchange.receivers import Question, Receivers
    from causalmod.information import ESTIMATORS
    from causalmod.information.intervals import t_interval

    labels = torch.tensor([0 if n in source else 1 if n in target else 2 for n in names])
    states = torch.where(labels == 0, 0, -2)  # the rest responds: total effect
    question = Question(states, labels == 1, ((0,),))
    rows = torch.arange(model.rows)
    receivers = Receivers(model, labels, rows, ESTIMATORS.get("gaussian"), 1.0, memory=10**9)

    def bits(seed: int, shared: bool, contexts: int = 64, donors: int = 16) -> Bounds:
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(rows), generator=generator)[:contexts]
        shape = (1, 1 if shared else contexts, donors)
        picks = torch.randint(len(rows), shape, generator=generator).expand(1, contexts, donors)
        return receivers.read(question, Sample(order, picks))

    truth = float(bits(10**6, False, 2000, 256).bits.mean())

    def covered(shared: bool) -> int:
        found = [t_interval(bits(seed, shared).bits) for seed in range(SAMPLES)]
        return sum(low <= truth <= high for _, low, high in found)

    assert holds(covered(shared=False))
    assert covered(shared=True) < 80


class Around(nn.Module):
    """``a + b`` on a circle: uniform whatever ``a`` is set to, though it moves with ``a``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.remainder(x[:, :1] + x[:, 1:], 1.0)


@pytest.mark.parametrize("estimator", ["binned", "copula", "gaussian"])
def test_averaged_false_positives(estimator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fresh rows each time, several donors on each of them."""
    monkeypatch.setattr(FIGURES, "_PERMUTATIONS", 99)
    monkeypatch.setattr(FIGURES, "_FEW_PERMUTATIONS", 19)
    data = torch.rand(150 * 200, 2, generator=torch.Generator().manual_seed(5)).double()
    every = cm.compile(Around().eval(), data)
    positive = 0
    for seed in range(150):
        scm = every.with_rows(torch.arange(200 * seed, 200 * (seed + 1)))
        found = information(scm, "input[0]", "output", estimator=estimator, seed=seed, contexts=64)
        positive += found.p is not None and found.p <= 0.05
    assert binom.cdf(positive, 150, 0.05) > 0.001
    assert binom.sf(positive - 1, 150, 0.05) > 0.001


@pytest.mark.parametrize(("estimator", "rho"), [("copula", 0.05), ("gaussian", 0.05), ("ksg", 0.5)])
def test_observational_near_zero_and_away(estimator: str, rho: float) -> None:
    """Correlated Gaussians against the closed form; near zero the figure is like a square."""
    data = torch.randn(SAMPLES * 300, 2, generator=torch.Generator().manual_seed(2))

    class Both(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return rho * x[:, :1] + (1 - rho**2) ** 0.5 * x[:, 1:]

    population = cm.compile(Both().eval(), data)
    seen = rho / 2 if estimator == "gaussian" else rho  # noise of the signals' own size
    truth, inside = -log2(1 - seen**2) / 2, 0
    for seed in range(SAMPLES):
        some = population.with_rows(torch.arange(300 * seed, 300 * (seed + 1)))
        found = information(some, "input[0]", "output", "observational", estimator=estimator)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= truth <= found.high
    assert holds(inside)
