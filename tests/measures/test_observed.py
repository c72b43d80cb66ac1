"""Measures that only watch: conditional and subtracted information, correlation."""

from __future__ import annotations

from math import log2

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from causalmod import InputError, Partition, StructuralCausalModel, compile, zoo
from causalmod.measures import (
    ConditionalMutualInformation,
    CorrelationClustering,
    SubtractedInformation,
    correlation_graph,
)
from causalmod.measures.joint_states import read_by
from causalmod.zoo.blocks import fixed_linear
from tests.measures.brute_force import entropy


class Divide(nn.Module):
    """B = A // 3 and C = A + B: C reads the cause itself, and B."""

    def __init__(self, whole: bool) -> None:
        super().__init__()
        self.third = fixed_linear([[1.0 / 3.0]])
        self.whole = whole

    def forward(self, a: Tensor) -> dict[str, Tensor]:
        b = self.third(a)
        b = torch.floor(b + 1e-4) if self.whole else b
        return {"b": b, "c": a + b}


@pytest.mark.parametrize(("whole", "shared"), [(True, log2(10)), (False, log2(30))])
def test_what_a_third_of_the_cause_sends_is_subtracted(whole: bool, shared: float) -> None:
    # THEORY oracle 3: I(B;C) = I(A:B:C), so the subtraction gives 0, though B sends C all it has
    scm = compile(Divide(whole).eval(), torch.arange(30.0)[:, None])
    split = Partition({"b": ["output.b"], "c": ["output.c"]})
    b, c = scm.observe()["output.b"][:, 0].tolist(), scm.observe()["output.c"][:, 0].tolist()
    pairs = list(zip(b, c, strict=True))
    assert entropy(b) + entropy(c) - entropy(pairs) == pytest.approx(shared, abs=1e-6)
    assert SubtractedInformation()(scm, split) == pytest.approx(0, abs=1e-9)
    assert ConditionalMutualInformation()(scm, split) == pytest.approx(0, abs=1e-9)
    assert ConditionalMutualInformation("modules")(scm, split) == pytest.approx(shared, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_counted_against_counts(seed: int) -> None:
    scm = zoo.isolated(seed).compile()
    seen = scm.observe()
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(10) % 3)
    names = scm.units.names
    modules = [[names[u] for u in np.flatnonzero(labels == m)] for m in range(3)]

    def column(name: str) -> list[float]:
        site, _, index = name.rstrip("]").partition("[")
        return [round(value, 5) for value in seen[site][:, int(index)].tolist()]

    def states(members: list[str]) -> list[tuple[float, ...]]:
        columns = [column(name) for name in members]
        return [tuple(each) for each in zip(*columns, strict=True)] if columns else [()] * scm.rows

    def conditional(left: list[str], right: list[str], given: list[str]) -> float:
        a, b, c = states(left), states(right), states(given)
        return (
            entropy(list(zip(a, c, strict=True))) + entropy(list(zip(b, c, strict=True)))
            - entropy(list(zip(a, b, c, strict=True))) - entropy(c)
        )  # fmt: skip

    split = Partition({f"m{number}": members for number, members in enumerate(modules)})
    one, two, three = modules
    expected = conditional(one, two, three) + conditional(one, three, two)
    expected += conditional(two, three, one)
    found = ConditionalMutualInformation("modules")(scm, split)
    assert found == pytest.approx(expected, abs=1e-9)

    weights = {name: value for name, value in scm.parameters.items() if "weight" in name}
    first = next(iter(weights.values()))  # [unit, input] of the first layer

    def own_inputs(members: list[str]) -> list[str]:
        places = [int(m[8:-1]) for m in members if m.startswith("hidden1")]
        reads = (first[places] != 0).any(0) if places else torch.zeros(4, dtype=torch.bool)
        return [f"input[{i}]" for i in range(4) if reads[i]]

    expected = sum(
        conditional(own, [u for m in modules if m is not own for u in m], own_inputs(own))
        for own in modules
    )
    assert ConditionalMutualInformation()(scm, split) == pytest.approx(expected, abs=1e-9)


def linear(rows: int, seed: int = 0) -> tuple[StructuralCausalModel, np.ndarray]:
    """Two units of two correlated Gaussian inputs each, and their sums: values ``[row, unit]``."""
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randn(rows, 3, generator=generator)
    data = torch.stack([draws[:, 0], draws[:, 1] + 0.5 * draws[:, 0], draws[:, 2]], 1)
    first = fixed_linear([[1.0, 0.3, 0.0], [0.0, 1.0, 0.5]])
    scm = compile(nn.Sequential(first, nn.Identity(), fixed_linear([[1.0, 0.2]])).eval(), data)
    seen = scm.observe()
    return scm, torch.cat([seen["input"], seen["0"], seen["output"]], 1).double().numpy()


def test_gaussian_form_is_the_partial_covariance() -> None:
    scm, values = linear(4000)
    covariance = np.cov(values.T, bias=True)
    b, c = [3], [4, 5]
    split = Partition({"b": ["0[0]"], "c": ["0[1]", "output"]})
    assert read_by(scm, ["0[0]"], through=True) == ["input[0]", "input[1]"]
    assert read_by(scm, ["output[0]"], through=False) == []

    def closed(given: list[int], one: list[int], two: list[int]) -> float:
        both = [*one, *two]
        rest = covariance[np.ix_(both, both)] - covariance[np.ix_(both, given)] @ np.linalg.solve(
            covariance[np.ix_(given, given)], covariance[np.ix_(given, both)]
        )
        noisy = rest + np.diag(np.diag(covariance)[both])  # at resolution 1
        cut = len(one)
        parts = np.linalg.slogdet(noisy[:cut, :cut])[1] + np.linalg.slogdet(noisy[cut:, cut:])[1]
        return (parts - np.linalg.slogdet(noisy)[1]) / (2 * np.log(2))

    expected = closed([0, 1], b, c)  # the inputs of 0[0]; 0[1] and the output read 2 as well
    assert SubtractedInformation()(scm, split) == pytest.approx(closed([0, 1], b, c), abs=2e-3)
    own = expected + closed([1, 2], c, b)
    assert ConditionalMutualInformation()(scm, split) == pytest.approx(own, abs=4e-3)


def test_too_few_rows_to_explain_are_refused() -> None:
    scm, _ = linear(200)
    split = Partition({"b": ["0[0]"], "c": ["0[1]", "output"]})
    with pytest.raises(InputError, match="at least 6 rows"):
        SubtractedInformation()(scm, split, rows=torch.arange(5))


@pytest.mark.parametrize("options", [{"resolution": 0.0}, {"permutations": 0}, {"given": "others"}])
def test_impossible_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        ConditionalMutualInformation(**options)  # type: ignore[arg-type]


def test_correlations_are_those_of_scipy() -> None:
    scm = zoo.planted().compile()
    seen = scm.observe()
    values = torch.cat([seen[site] for site in scm.units.sites], 1).double().numpy()
    theirs = np.abs(np.asarray(spearmanr(values)[0]))
    np.fill_diagonal(theirs, 0)
    ours = correlation_graph(scm)
    assert ours == pytest.approx(theirs, abs=1e-9)
    labels = np.arange(len(ours)) % 2
    graph = nx.from_numpy_array(theirs)
    expected = sum(
        nx.cut_size(graph, set(np.flatnonzero(labels == m)), weight="weight")
        / nx.volume(graph, set(np.flatnonzero(labels == m)), weight="weight")
        for m in (0, 1)
    )
    names = scm.units.names
    split = Partition({"a": names[::2], "b": names[1::2]})
    assert CorrelationClustering()(scm, split) == pytest.approx(expected)


def test_an_exclusive_or_is_not_seen_by_correlation() -> None:
    scm = zoo.xor().compile()
    assert not correlation_graph(scm).any()
    with pytest.raises(InputError, match="no weight at all"):
        CorrelationClustering()(scm, Partition({"ab": ["a", "b"], "c": ["output"]}))
    with pytest.raises(InputError, match="at least 3 rows"):
        correlation_graph(scm, torch.arange(2))
