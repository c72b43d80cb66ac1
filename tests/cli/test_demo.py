"""What the demonstration claims about the usual measures is what its figures show."""

from __future__ import annotations

from dataclasses import replace

import pytest

import causalmod as cm
from causalmod.cli.baselines import rand_index
from causalmod.cli.demo import Rescaled, comments, rescaled
from causalmod.partition import Partition
from causalmod.report import Baseline, ReportSection
from tests.plotting.results import compiled, found


def test_rescaling_leaves_the_function_and_the_exchange_alone_but_moves_q() -> None:
    case = cm.zoo.two_digits(hidden=8, steps=40)
    scm = case.compile()
    live = Partition(
        {
            name: [u for u in units if u in scm.units.position]
            for name, units in (case.modules or {}).items()
        }
    )
    change = rescaled(case, scm, live, seed=0)
    assert change is not None
    assert change.difference == 0.0
    assert change.exchange == (0.0, 0.0)
    before, after = change.newman_q
    assert before > after + 0.05


@pytest.fixture
def section() -> ReportSection:
    scm = compiled()
    return ReportSection(
        name="halves", description="", result=found(scm, bits=0.0, upper=0.0), scm=scm,
        baselines=(Baseline(name="Observational MI", value=0.5, unit="bits"),),
    )  # fmt: skip


def test_shared_activity_without_exchange_is_pointed_out(section: ReportSection) -> None:
    (said,) = comments(section, None)
    assert "shares 0.50 bits" in said


def test_nothing_is_claimed_that_the_figures_do_not_show(section: ReportSection) -> None:
    talking = replace(section, result=found(section.scm, bits=0.4))
    little = replace(section, baselines=(Baseline(name="Observational MI", value=0.0),))
    assert list(comments(talking, None)) == []
    assert list(comments(little, None)) == []
    assert list(comments(replace(section, result=None), None)) == []
    for change in (
        Rescaled((0.5, 0.5), (0.0, 0.0), 0.0),  # Q did not move
        Rescaled((0.5, 0.1), (1.0, 1.2), 0.0),  # the exchange moved
        Rescaled((0.5, 0.1), (1.0, 1.0), 0.3),  # another function
    ):
        assert list(comments(little, change)) == []
    (said,) = comments(little, Rescaled((0.5, 0.1), (1.0, 1.0), 0.0))
    assert "goes from 0.50 to 0.10" in said


def test_agreement_is_over_the_units_that_both_have() -> None:
    planted = Partition({"a": ["x[0:3]"], "b": ["x[3:6]"]})
    same = Partition({"q": ["x[3:6]"], "p": ["x[1:3]"]})
    other = Partition({"q": ["x[1]", "x[3]", "x[5]"], "p": ["x[2]", "x[4]", "x[0]"]})
    assert rand_index(planted, same) == 1.0
    assert rand_index(planted, other) < 0.1
