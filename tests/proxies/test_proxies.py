"""Proxies: rank correlations against scipy, and measures whose ranks are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

import causalmod as cm
from causalmod import InputError, Interrupted, Partition, StructuralCausalModel, zoo
from causalmod.measures import MEASURES


class Copy:
    """The truth itself, as another measure."""

    name, paper, lower_is_modular = "copy", "none", False

    def __call__(
        self,
        scm: StructuralCausalModel,
        partition: Partition,
        *,
        rows: torch.Tensor | None = None,
        seed: int = 0,
    ) -> float:
        return MEASURES.get("newman_q")(scm, partition, rows=rows, seed=seed)


class Opposite(Copy):
    """The truth upside down, said to be the less the better: the same ranks."""

    name, lower_is_modular = "opposite", True

    def __call__(self, *given: object, **keywords: object) -> float:
        return -super().__call__(*given, **keywords)  # type: ignore[arg-type]


class Constant(Copy):
    """Reads the same everywhere."""

    name = "constant"

    def __call__(self, *given: object, **keywords: object) -> float:
        return 1.0


@pytest.fixture(scope="module")
def scm() -> StructuralCausalModel:
    return zoo.planted(blocks=2, units=16, leak=0.2, rows=200).compile()


@pytest.fixture(scope="module")
def found(scm: StructuralCausalModel) -> cm.Proxies:
    measures = [Copy(), Opposite(), Constant(), "total_weight", "mutual_information"]
    return cm.proxies(
        scm, truth="newman_q", measures=measures, partitions=24, seed=3, progress=False
    )


def test_the_truth_itself_ranks_as_the_truth(found: cm.Proxies) -> None:
    for name in ("copy", "opposite"):
        proxy = found[name]
        assert proxy.correlation == pytest.approx(1.0)
        assert (proxy.low, proxy.high) == pytest.approx((1.0, 1.0))
        assert proxy.same_best
        assert proxy.rank == 0.0


def test_a_measure_that_never_moves_ranks_nothing(found: cm.Proxies) -> None:
    assert found["constant"].correlation == 0.0
    assert not found["constant"].same_best
    assert found["constant"].rank == pytest.approx(23 / 24)


def test_the_correlation_is_spearmans(found: cm.Proxies) -> None:
    frame = found.values_frame()
    for name in ("total_weight", "mutual_information"):
        expected = -float(np.asarray(spearmanr(frame[name], frame["newman_q"]))[0])
        proxy = found[name]
        assert proxy.correlation == pytest.approx(expected)
        assert proxy.low is not None
        assert proxy.high is not None
        assert proxy.low <= expected <= proxy.high


def test_partitions_are_different_and_of_one_size_class(
    scm: StructuralCausalModel, found: cm.Proxies
) -> None:
    assert len({split.blocks for split in found.partitions}) > 20  # names may be exchanged
    layers = dict(zip(scm.units.names, scm.units.layer.tolist(), strict=True))
    sizes = {
        tuple(sorted(tuple(sorted(layers[u] for u in m)) for m in split.modules.values()))
        for split in found.partitions
    }
    assert len(sizes) == 1


def test_the_same_again(scm: StructuralCausalModel) -> None:
    first, again = (
        cm.proxies(scm, truth="newman_q", measures=["total_weight"], partitions=10, progress=False)
        for _ in range(2)
    )
    assert first.values == again.values
    assert first["total_weight"].low == again["total_weight"].low


def test_against_the_exchange(scm: StructuralCausalModel) -> None:
    found = cm.proxies(scm, measures=["unit_flow"], partitions=16, progress=False)
    best = found.best
    assert best is not None
    assert best.correlation is not None
    assert best.correlation > 0.5  # blocks that leak: flow and exchange grow together
    assert found.truth_passes > 0
    assert found.plot().axes
    assert json.loads(json.dumps(found.to_dict()))["truth"] == "exchange"
    assert list(found.to_frame().index) == ["unit_flow"]
    assert "best unit_flow" in repr(found)
    assert "unit_flow" in found._repr_html_()


def test_a_measure_that_refuses_has_a_note() -> None:
    convolution = zoo.planted_convolution().compile()
    found = cm.proxies(
        convolution, truth="unit_flow", measures=["newman_q"], partitions=8, progress=False
    )
    assert found["newman_q"].correlation is None
    assert found["newman_q"].note
    assert found.best is None
    assert "none applies" in repr(found)


def test_bad_input(scm: StructuralCausalModel) -> None:
    with pytest.raises(InputError, match="partitions"):
        cm.proxies(scm, partitions=3, progress=False)
    with pytest.raises(InputError, match="did you mean 'newman_q'"):
        cm.proxies(scm, measures=["newman"], progress=False)
    small = zoo.ducks_and_shadows().compile()
    with pytest.raises(InputError, match="different partitions"):
        cm.proxies(small, measures=["newman_q"], progress=False)


def test_an_interruption_keeps_what_was_done(scm: StructuralCausalModel) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stopped:
        cm.proxies(
            scm,
            truth="newman_q",
            measures=["total_weight", "unit_flow"],
            partitions=8,
            progress=stop,
        )
    assert [each.name for each in stopped.value.partial.proxies] == ["total_weight"]
    assert not stopped.value.partial.complete
