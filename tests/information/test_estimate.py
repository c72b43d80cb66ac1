"""What an Estimate says of itself."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import pytest

from causalmod import Estimate

PAIR = Estimate(
    bits=0.316, low=0.3, high=0.33, upper=0.817, upper_low=0.8, upper_high=0.83,
    kind="conditional", estimator="pairwise", resolution=1.0, contexts=256, donors=64, seed=0,
)  # fmt: skip


def test_both_bounds_are_shown() -> None:
    assert PAIR.describe() == "0.32 [0.30, 0.33] to 0.82 [0.80, 0.83]"
    assert repr(PAIR) == (
        "Estimate(0.3160 bits, at most 0.8170, 95% interval 0.3000 to 0.3300; "
        "conditional, pairwise, resolution 1)"
    )


def test_bins_are_shown() -> None:
    binned = Estimate(
        bits=1.0, low=0.9, high=1.1, kind="observational", estimator="binned", bins=12
    )
    assert repr(binned).endswith("observational, binned, 12 bins)")


def test_a_saturated_figure_has_no_interval() -> None:
    full = Estimate(
        bits=5.0, low=None, high=None, kind="conditional", estimator="pairwise", saturated=True
    )
    assert full.describe() == "5.00 (saturating)"
    assert "saturating, no interval" in repr(full)


def test_it_is_plain_data() -> None:
    found = json.loads(json.dumps(PAIR.to_dict()))
    assert found["bits"] == 0.316
    assert found["provenance"] is None


def test_it_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        PAIR.bits = 1.0  # pyright: ignore[reportAttributeAccessIssue]
