"""Observational mutual information against the closed form for Gaussians."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest
import torch

from causalmod import InputError, Partition, StructuralCausalModel, compile
from causalmod.measures import MutualInformation
from causalmod.zoo.blocks import fixed_linear

ROWS = 4000


def gaussian_units(covariance: list[list[float]], rows: int = ROWS) -> StructuralCausalModel:
    """Units that are Gaussian with exactly this covariance on the data."""
    draws = torch.randn(
        rows, len(covariance), generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    draws = draws - draws.mean(0)
    white = draws @ torch.linalg.inv(torch.linalg.cholesky(draws.T @ draws / rows)).T
    data = white @ torch.linalg.cholesky(torch.tensor(covariance, dtype=torch.float64)).T
    identity = fixed_linear(torch.eye(len(covariance)))
    return compile(torch.nn.Sequential(identity).eval(), data.float())


def closed_form(covariance: list[list[float]], groups: list[list[int]], resolution: float) -> float:
    matrix = np.array(covariance)
    noisy = matrix + np.diag(resolution**2 * np.diag(matrix))
    parts = [np.linalg.slogdet(noisy[np.ix_(group, group)])[1] for group in groups]
    return float(sum(parts) - np.linalg.slogdet(noisy)[1]) / (2 * np.log(2))


def split(groups: list[list[int]]) -> Partition:
    return Partition({f"m{i}": [f"output[{u}]" for u in group] for i, group in enumerate(groups)})


PAIR = [[1.0, 0.9], [0.9, 1.0]]
FOUR = [[1.0, 0.5, 0.4, 0.0], [0.5, 4.0, 0.3, 0.2], [0.4, 0.3, 1.0, 0.6], [0.0, 0.2, 0.6, 2.0]]


@pytest.mark.parametrize("resolution", [0.05, 1.0])
@pytest.mark.parametrize(
    ("covariance", "groups"),
    [(PAIR, [[0], [1]]), (FOUR, [[0, 1], [2, 3]]), (FOUR, [[0, 3], [1], [2]])],
)
def test_closed_form(
    covariance: list[list[float]], groups: list[list[int]], resolution: float
) -> None:
    measure = MutualInformation(resolution=resolution)
    got = measure(gaussian_units(covariance), split(groups))
    assert got == pytest.approx(closed_form(covariance, groups, resolution), abs=2e-3)


def test_correlated_pair_without_noise() -> None:
    got = MutualInformation(resolution=0.01)(gaussian_units(PAIR), split([[0], [1]]))
    assert got == pytest.approx(-log2(1 - 0.9**2) / 2, abs=2e-3)


def test_nothing_shared_reads_nothing_even_with_few_rows() -> None:
    covariance = np.eye(8).tolist()
    scm = compile(
        torch.nn.Sequential(fixed_linear(torch.tensor(covariance))).eval(),
        torch.randn(100, 8, generator=torch.Generator().manual_seed(1)),
    )
    found = MutualInformation().estimate(scm, split([[0, 1, 2, 3], [4, 5, 6, 7]]))
    assert found.bits < 0.05
    assert found.p is not None
    assert found.p > 0.05
    chance = float(found.note.split()[0])
    assert chance > 0.02  # what the uncorrected figure would have read


def test_the_estimate_says_how_it_was_found() -> None:
    scm = gaussian_units(PAIR, rows=400)
    found = MutualInformation(permutations=40).estimate(scm, split([[0], [1]]), seed=5)
    assert (found.kind, found.estimator, found.resolution) == ("observational", "gaussian", 1.0)
    assert (found.contexts, found.seed) == (400, 5)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.bits < found.high
    assert found.p == pytest.approx(1 / 41)
    assert 0 < found.null < found.low
    assert found.provenance is not None


def test_rows_are_those_asked_for() -> None:
    scm = gaussian_units(PAIR, rows=400)
    some = torch.arange(0, 400, 2)
    found = MutualInformation().estimate(scm, split([[0], [1]]), rows=some)
    assert found.contexts == 200
    assert found.bits != MutualInformation()(scm, split([[0], [1]]))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"resolution": 0.0}, "resolution"),
        ({"resolution": float("nan")}, "resolution"),
        ({"permutations": 0}, "perm"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        MutualInformation(**options)  # type: ignore[arg-type]


def test_too_few_rows_are_refused() -> None:
    scm = gaussian_units(PAIR, rows=40)
    with pytest.raises(InputError, match="at least 4 rows"):
        MutualInformation()(scm, split([[0], [1]]), rows=torch.arange(3))
