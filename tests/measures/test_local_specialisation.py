"""Lesions against hooks on the network, p-values against scipy's chi-square law."""

from __future__ import annotations

from math import log

import pytest
import torch
from scipy.stats import chi2

from causalmod import InputError, zoo
from causalmod.measures import LocalSpecialisation
from causalmod.measures.weights import partition_by_number


def test_a_lesion_is_what_a_hook_does() -> None:
    case = zoo.planted()
    assert case.partition is not None
    scm = case.compile()
    for lesion in LocalSpecialisation(random=3).lesions(scm, case.partition):
        site = lesion.units[0].partition("[")[0]
        places = [int(unit.partition("[")[2][:-1]) for unit in lesion.units]

        def silence(module: object, given: object, out: torch.Tensor, places=places):  # type: ignore[no-untyped-def]
            out = out.clone()
            out[:, places] = 0.0
            return out

        before = case.model(case.inputs).double()
        handle = case.model.get_submodule(site).register_forward_hook(silence)
        after = case.model(case.inputs).double()
        handle.remove()
        damage = (after - before).square().mean(0) / before.var(0, unbiased=False)
        assert lesion.importance == pytest.approx(float(damage.mean()), rel=1e-4)
        spread = float((damage.max() - damage.min()) / damage.mean())
        assert lesion.coherence == pytest.approx(spread, rel=1e-4)


def test_fishers_method() -> None:
    case = zoo.retina(steps=300)
    assert case.partition is not None
    scm = case.compile()
    measure = LocalSpecialisation(random=19)
    found = measure.lesions(scm, case.partition, seed=4)
    values = [lesion.p_importance for lesion in found]
    values += [lesion.p_coherence for lesion in found if lesion.p_coherence is not None]
    assert len(values) == 2 * len(found)
    assert all(1 / 20 <= value <= 1 for value in values)
    statistic = -2 * sum(log(value) for value in values)
    expected = float(chi2.sf(statistic, 2 * len(values)))
    assert measure(scm, case.partition, seed=4) == pytest.approx(expected)


def test_halves_that_do_different_things_are_told_from_random_ones() -> None:
    case = zoo.planted()
    assert case.partition is not None
    scm = case.compile()
    planted = LocalSpecialisation()(scm, case.partition)
    shuffled = []
    for seed in range(8):
        order = torch.randperm(len(scm.units), generator=torch.Generator().manual_seed(seed))
        split = partition_by_number(scm.units.names, (order % 2).tolist())
        shuffled.append(LocalSpecialisation()(scm, split))
    assert planted < min(shuffled)


def test_one_output_has_no_coherence_and_whole_layers_no_p() -> None:
    scm = zoo.xor().compile()
    split = partition_by_number(scm.units.names, [0, 1, 1])
    found = LocalSpecialisation().lesions(scm, split)
    assert [lesion.p_coherence for lesion in found] == [None, None]
    across = partition_by_number(scm.units.names, [0, 0, 1])
    assert LocalSpecialisation().lesions(scm, across) == ()
    assert LocalSpecialisation()(scm, across) == 1.0


def test_no_random_cluster_is_refused() -> None:
    with pytest.raises(InputError, match="random"):
        LocalSpecialisation(random=0)


def test_few_clusters_of_a_size_are_all_gone_through() -> None:
    # layers of 4 with 2 for each block: 6 clusters of 2, in each layer, whatever the seed
    case = zoo.isolated()
    assert case.partition is not None
    scm = case.compile()
    found = LocalSpecialisation().lesions(scm, case.partition)
    for lesion in found:
        assert lesion.p_coherence is not None
        for value in (lesion.p_importance, lesion.p_coherence):
            assert round(6 * value, 9) in {1, 2, 3, 4, 5, 6}
    assert LocalSpecialisation().lesions(scm, case.partition, seed=5) == found
