"""Published n-cuts of Filan et al. (2021), arXiv:2103.03386, computed again."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from benchmarks.published import (
    CLUSTERS,
    DIGITS,
    POLY,
    graph,
    initialised,
    polynomials,
    retina_networks,
    train_polynomials,
)
from causalmod.measures import n_cut, shuffled_cut, spectral_clusters


@pytest.mark.parametrize("seed", range(3))
def test_networks_as_they_are_initialised(seed: int) -> None:
    # published: 10.23 to 10.37, to two decimals, of networks initialised uniformly as Glorot has it
    one_way, layers = graph(initialised(DIGITS, seed))
    assert len(layers) == sum(DIGITS)
    both = one_way + one_way.T
    cut = n_cut(both, spectral_clusters(both, CLUSTERS, seed))
    assert 10.225 <= cut < 10.375


def test_the_outputs_of_poly_are_all_sums_of_monomials() -> None:
    x, y = 2.0, -3.0
    wanted = polynomials(torch.tensor([[x, y]]))[0]
    assert len(wanted) == POLY[-1] == 512
    monomials = [x**a * y**b for a, b in product(range(3), repeat=2)]
    sums = [sum(np.array(chosen) * monomials) for chosen in product((0, 1), repeat=9)]
    assert sorted(wanted.tolist()) == pytest.approx(sorted(sums))


def test_poly_is_more_clusterable_than_shuffled_after_one_epoch() -> None:
    # the published 9.81 against 10.19 takes 20 epochs: python -m benchmarks.published poly
    weights, left = train_polynomials(seed=0, epochs=1)
    assert left < 1
    found = shuffled_cut(*graph(weights), CLUSTERS, shuffles=2)
    assert found.value < min(found.shuffled)


def test_the_retina_rows_say_how_far_from_shuffled_a_network_is() -> None:
    (row,) = retina_networks((0.0,), seeds=1)
    assert row["accuracy"] == 1.0
    assert row["z"] == pytest.approx((row["n_cut"] - row["shuffled"]) / row["spread"])
