"""Samples that come in clusters: no more false alarms than promised, and no bias."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import mutual_info_score
from torch import Tensor

from causalmod.information.clustered import clustered
from causalmod.information.estimators.ksg import neighbour_bits, neighbour_bits_without


def around(clusters: int, each: int, seed: int) -> tuple[Tensor, Tensor]:
    """Five bins of B and of ``X + B`` modulo 1, uniform whatever B is; X once a cluster."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(clusters, 1, generator=generator)
    b = torch.rand(clusters, each, generator=generator)
    return (5 * b).long(), (5 * torch.remainder(x + b, 1.0)).long()


@pytest.mark.parametrize(("clusters", "each"), [(300, 16), (200, 2)])
def test_false_positives_and_bias_where_a_cluster_tells_much(clusters: int, each: int) -> None:
    """Taken for independent, sixteen draws a cluster would be called significant most times."""
    positive = naive = 0
    bits: list[float] = []
    variances: list[float] = []
    for seed in range(400):
        left, right = around(clusters, each, seed)
        found = clustered(left, right)
        positive += found.p <= 0.05
        table = np.zeros((5, 5))
        np.add.at(table, (left.flatten().numpy(), right.flatten().numpy()), 1.0)
        naive += float(np.asarray(stats.chi2_contingency(table, correction=False)[1])) <= 0.05
        plug_in = mutual_info_score(None, None, contingency=table) / log(2)
        bits.append(plug_in - found.bias)
        variances.append(found.variance)
    assert 0.03 <= positive / 400 <= 0.075
    assert abs(np.mean(bits)) < 4 * stats.sem(bits) + 1e-5
    assert np.mean(variances) == pytest.approx(np.var(bits), rel=0.25)  # of 400: 7%, and skewed
    if each == 16:
        assert naive / 400 > 0.2


def test_clusters_of_one_are_pearson() -> None:
    left, right = torch.randint(4, (2, 2000, 1), generator=torch.Generator().manual_seed(0))
    table = np.zeros((4, 4))
    np.add.at(table, (left.flatten().numpy(), right.flatten().numpy()), 1.0)
    found = clustered(left, right)
    expected = float(np.asarray(stats.chi2_contingency(table, correction=False)[1]))
    assert found.p == pytest.approx(expected, abs=0.02)
    assert found.bias == pytest.approx(9 / (2 * 2000 * log(2)), rel=0.03)
    expected = 2 * 9 / (2 * 2000 * log(2)) ** 2  # of a chi-square law with 9 degrees of freedom
    assert found.variance == pytest.approx(expected, rel=0.05)
    assert found.alone == pytest.approx(expected, rel=0.05)
    assert found.independent == pytest.approx(9 / (2 * 2000 * log(2)), rel=1e-12)


def test_one_outcome_tells_nothing() -> None:
    left = torch.zeros(50, 4, dtype=torch.long)
    found = clustered(left, torch.arange(200).reshape(50, 4) % 2)
    assert tuple(found) == (0.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def test_clusters_that_are_all_alike_leave_nothing_to_chance() -> None:
    each = torch.arange(2).expand(100, 2)
    assert (clustered(each, each).bias, clustered(each, each).p) == (0.0, 0.0)
    apart = torch.tensor([[0, 0, 1, 1]]).expand(100, 4), torch.tensor([[0, 1, 0, 1]]).expand(100, 4)
    assert clustered(*apart).p == 1.0


def test_what_is_discarded_does_not_count() -> None:
    left, right = around(100, 4, 0)
    more = torch.cat([left, torch.full((100, 2), -1)], 1), torch.cat([right, right[:, :2]], 1)
    assert tuple(clustered(*more)) == pytest.approx(tuple(clustered(left, right)), rel=1e-9)


@pytest.mark.parametrize("kind", ["continuous", "whole numbers", "half constant"])
def test_neighbours_without_some_samples(kind: str) -> None:
    """As if each group that is left out had never been there."""
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(300, 2, generator=generator, dtype=torch.float64)
    right = 0.8 * left[:, :1] + 0.6 * torch.randn(300, 1, generator=generator).double()
    if kind == "whole numbers":
        left, right = left.round(), right.round()
    if kind == "half constant":
        right = right.relu()
    left_out = torch.arange(300) // 60 == torch.arange(5)[:, None]
    left_out[0, 100:280] = True  # more than there are spare neighbours
    found = neighbour_bits_without(left, right, left_out)
    for bits, out in zip(found, left_out, strict=True):
        assert float(bits) == pytest.approx(
            float(neighbour_bits(left[~out], right[~out])), abs=1e-9
        )
