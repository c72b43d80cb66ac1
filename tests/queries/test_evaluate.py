"""Queries against networks run by hand, enumeration and published values."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import causalmod as cm
from causalmod.errors import InputError, QueryError, SelectorError
from causalmod.queries import Expectation, Interval, Probability, Term
from tests.queries.networks import (
    COUNT,
    LEVELS,
    ROWS,
    Tables,
    binary_model,
    by_hand,
    enumerate_binary,
    net,
    set_unit,
)
from tests.strategies import SOME

MODEL, X = net()
SCM = cm.compile(MODEL, X)
HIDDEN = MODEL.act(MODEL.fc1(X)).detach()
Y = MODEL(X).detach()
SET = by_hand(MODEL, X, set_unit(3, 0.5))


def test_the_distribution_of_a_continuous_outcome_is_what_the_network_gives() -> None:
    found = cm.query(SCM, "P(output[0] | do(act[3] = 0.5), act[2] > 0)")
    kept = HIDDEN[:, 2] > 0
    assert found.samples is not None
    assert found.kind == "continuous"
    assert torch.equal(found.samples[:, 0].float(), SET[kept, 0])
    assert (found.rows, found.of, found.exact) == (int(kept.sum()), ROWS, True)
    assert found.names == ("output[0]",)


def test_conditions_hold_after_the_intervention() -> None:
    """P(y | do(x), z) speaks of rows that meet z under do(x), unlike P(y_x | z)."""
    after = cm.query(SCM, "E[output[0] | do(act[3] = 0.5), output[1] > 0]")
    before = cm.query(SCM, "E[output[0]_{act[3] = 0.5} | output[1] > 0]")
    one, two = SET[:, 1] > 0, Y[:, 1] > 0
    assert not torch.equal(one, two)
    assert after.mean() == pytest.approx(float(SET[one, 0].double().mean()), abs=1e-12)
    assert before.mean() == pytest.approx(float(SET[two, 0].double().mean()), abs=1e-6)


def test_several_outcomes_and_treatments_in_sites_and_groups() -> None:
    found = cm.query(SCM, "E[output, act[0] | do(act[1:3] = [1, 2], act[3] = 0.5)]")

    def change(hidden: torch.Tensor) -> torch.Tensor:
        return torch.cat([hidden[:, :1], torch.tensor([[1.0, 2.0, 0.5]]).expand(ROWS, 3)], dim=1)

    expected = by_hand(MODEL, X, change).double().mean(0)
    assert found.mean()[["output[0]", "output[1]"]].tolist() == pytest.approx(
        expected.tolist(), abs=1e-12
    )
    assert found.mean()["act[0]"] == pytest.approx(float(HIDDEN[:, 0].double().mean()), abs=1e-12)


def test_modules_are_names() -> None:
    parts = {"left": {"a": "act[0]", "b": "act[1]"}, "right": ["act[2:4]", "output"]}
    scm = SCM.with_partition(parts)
    for module, same in (("left.a", "act[0]"), ("left", "act[0:2]")):
        found = cm.query(scm, f"E[output | do({module} = 0)]")
        expected = cm.query(SCM, f"E[output | do({same} = 0)]")
        assert found.mean().equals(expected.mean())
    assert len(cm.query(scm, "E[right | do(left = 0)]").names) == 4


@pytest.mark.parametrize(
    "event",
    [
        "act[2] > 0",
        "act[2] >= 0.1",
        "0 < act[2] <= 0.5",
        "act[2] < 1",
        "act[2] in [0.1, 2)",
        "act[2] = 0",
        "act[2] != 0",
        "act[2] in bin(1, 3)",
    ],
)
def test_events_are_counted(event: str) -> None:
    values = HIDDEN[:, 2].double()
    held = {
        "act[2] > 0": values > 0,
        "act[2] >= 0.1": values >= 0.1,
        "0 < act[2] <= 0.5": (values > 0) & (values <= 0.5),
        "act[2] < 1": values < 1,
        "act[2] in [0.1, 2)": (values >= 0.1) & (values < 2),
        "act[2] = 0": values == 0,
        "act[2] != 0": values != 0,
        "act[2] in bin(1, 3)": None,
    }[event]
    found = cm.query(SCM, f"P({event})")
    assert found.kind == "probability"
    assert found.low == found.mean() == found.high
    if held is not None:
        assert found.mean() == pytest.approx(float(held.double().mean()), abs=1e-12)
    else:
        three = [cm.query(SCM, f"P(fc1[2] in bin({i}, 3))").mean() for i in range(3)]
        assert three == pytest.approx([1 / 3] * 3, abs=1e-12)


def test_a_value_is_met_up_to_rounding() -> None:
    value = float(torch.tensor(0.1))
    scm = SCM.do({"act[2]": 0.1})
    assert value != 0.1
    assert cm.query(scm, "P(act[2] = 0.1)").mean() == 1.0
    assert cm.query(scm, "P(act[2] in {0.1, 5})").mean() == 1.0
    assert cm.query(scm, "P(act[2] = 0.1001)").mean() == 0.0


def test_a_mutilated_model_can_be_asked() -> None:
    once = cm.query(SCM, "E[output[0] | do(act[3] = 0.5, act[1] = 0)]").mean()
    assert cm.query(SCM.do({"act[3]": 0.5}), "E[output[0] | do(act[1] = 0)]").mean() == once


def test_resampling_is_that_of_do() -> None:
    found = cm.query(SCM, "E[output[0] | do(act[1] = resample(3))]").mean()
    expected = SCM.do({"act[1]": cm.resample(3)}).observe()["output"][:, 0].double().mean()
    assert found == pytest.approx(float(expected), abs=1e-12)


def test_tables_of_binned_outcomes_add_up() -> None:
    found = cm.query(SCM, "P(output | do(act[3] = 0.5))", bins=3)
    assert found.kind == "binned"
    assert found.table["probability"].sum() == pytest.approx(1.0, abs=1e-12)
    first = found.table.iloc[0]
    inside = torch.ones(ROWS, dtype=torch.bool)
    for column, name in enumerate(("output[0]", "output[1]")):
        cell = first[name]
        inside &= torch.tensor([float(v) in cell for v in SET[:, column].double()])
    assert first["probability"] == pytest.approx(float(inside.double().mean()), abs=1e-12)


def test_a_family_has_an_answer_for_each_value() -> None:
    case = cm.zoo.get("xor")
    scm = cm.compile(case.model, case.inputs)
    family = cm.query(scm, "P(output[0] | do(a[0]), b[0])")
    assert family.is_family
    assert set(family.members) == {(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)}
    assert family.members[(1.0, 1.0)].mean() == 0.0
    expected = pd.DataFrame(
        {
            "do(a[0])": [0.0, 0.0, 1.0, 1.0],
            "b[0]": [0.0, 1.0, 0.0, 1.0],
            "output[0]": [0.0, 1.0, 1.0, 0.0],
            "probability": 1.0,
        }
    )
    pd.testing.assert_frame_equal(family.table, expected)
    with pytest.raises(QueryError, match="family with 4 members"):
        family.mean()


def test_what_is_left_open_and_continuous_is_cut_into_bins() -> None:
    family = cm.query(SCM, "P(output[0] > 0 | fc1[1])", bins=3)
    thirds = MODEL.fc1(X)[:, 1].detach().argsort().reshape(3, -1)
    expected = [float((Y[third, 0] > 0).double().mean()) for third in thirds]
    assert family.table["probability"].tolist() == pytest.approx(expected, abs=1e-12)
    assert all(isinstance(label, pd.Interval) for label in family.members)
    doses = cm.query(SCM, "E[output[0] | do(fc1[1])]", bins=3)
    medians = [float(MODEL.fc1(X)[third, 1].detach().median()) for third in thirds]
    assert doses.table["do(fc1[1])"].tolist() == pytest.approx(medians, abs=1e-6)
    one = cm.query(SCM, f"E[output[0] | do(fc1[1] = {list(doses.members)[1]})]")
    assert doses.table["mean"][1] == one.mean()


# --- sampling ------------------------------------------------------------------------------------


def test_a_sample_has_intervals_and_a_seed() -> None:
    text = "P(output[0] > 0 | do(act[3] = 0.5))"
    one, same, other = (cm.query(SCM, text, samples=40, seed=seed) for seed in (1, 1, 2))
    assert (one.mean(), one.low, one.high) == (same.mean(), same.low, same.high)
    assert one.samples is not None
    assert other.samples is not None
    assert not torch.equal(one.samples, other.samples)
    assert one.low < one.mean() < one.high
    assert not one.exact
    assert (one.seed, one.of) == (1, 40)
    assert one.provenance is not None
    assert one.provenance.seed == 1


@pytest.mark.parametrize("text", ["P(output[0] > 0 | act[3] > 0)", "E[output[0] | do(act[3] = 1)]"])
def test_intervals_cover_the_exact_figure(text: str) -> None:
    exact = cm.query(SCM, text).mean()
    found = [cm.query(SCM, text, samples=50, seed=seed) for seed in range(200)]
    covered = sum(one.low <= exact <= one.high for one in found)
    assert 180 <= covered <= 199  # 95% of 200 is 190; four standard deviations are 12


def test_draws_agree_with_the_exact_answer_on_the_rows_drawn() -> None:
    drawn = cm.query(SCM, "P(output[0] | do(act[3] = 0.5))", samples=30, seed=4).samples
    rows = torch.randint(ROWS, (30,), generator=torch.Generator().manual_seed(4))
    assert drawn is not None
    torch.testing.assert_close(drawn[:, 0].float(), SET[rows, 0])


# --- counterfactuals -----------------------------------------------------------------------------


@given(st.integers(0, 3), st.floats(-2, 2, width=32), st.integers(0, ROWS - 1))
@SOME
def test_counterfactuals_are_the_network_on_that_row(unit: int, value: float, row: int) -> None:
    """Abduction finds the row, action sets the unit, prediction runs the network."""
    x = [float(v) for v in X[row].double()]
    given_ = {f"input[{i}]": v for i, v in enumerate(x)}
    asked = Expectation(Term("output[0]", None, {f"act[{unit}]": value}), given=given_)
    expected = by_hand(MODEL, X[row : row + 1], set_unit(unit, value))[0, 0]
    found = cm.query(SCM, asked)
    assert found.rows == 1
    assert found.mean() == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("site", ["fc1", "act", "output", "input"])
def test_setting_what_was_changes_nothing_bit_for_bit(site: str) -> None:
    """Consistency: Y_x = Y on rows where X = x (Pearl, Causality, 2009, corollary 7.3.2)."""
    held = SCM.observe()
    for row in (0, 7):
        values = tuple(float(v) for v in held[site][row].double())
        world = {site: values}
        for name in {"output", "act", "fc1"} - {site}:
            given_ = {f"input[{i}]": float(v) for i, v in enumerate(X[row].double())}
            found = cm.query(SCM, Probability(Term(name, None, world), given=given_))
            assert found.samples is not None
            assert torch.equal(found.samples[0].float(), held[name][row])


@pytest.mark.parametrize("unit", range(4))
def test_setting_what_was_on_all_rows_changes_nothing_bit_for_bit(unit: int) -> None:
    nested = f"act[{unit}] = act[{unit}]_{{skip[0] = 0}}"
    scm = cm.compile(MODEL, X, sites=["act", "skip", "output"])
    found = cm.query(scm, f"P(output_{{{nested}}})")
    assert found.samples is not None
    assert torch.equal(found.samples.float(), Y)


def test_terms_of_several_worlds_share_the_row() -> None:
    """The probability of necessity and sufficiency is joint over two worlds."""
    found = cm.query(SCM, "P(output[0]_{act[3] = 0} > 0, output[0]_{act[3] = 2} < 0)")
    low, high = (by_hand(MODEL, X, set_unit(3, v))[:, 0] for v in (0.0, 2.0))
    assert found.mean() == pytest.approx(float(((low > 0) & (high < 0)).double().mean()), abs=1e-12)


def test_a_subscript_adds_to_what_the_query_does() -> None:
    found = cm.query(SCM, "E[output[0]_{act[1] = 1} | do(act[3] = 0.5), act[1] > 0]")

    def change(hidden: torch.Tensor) -> torch.Tensor:
        return set_unit(1, 1.0)(set_unit(3, 0.5)(hidden))

    kept = HIDDEN[:, 1] > 0
    expected = by_hand(MODEL, X, change)[kept, 0].double().mean()
    assert found.mean() == pytest.approx(float(expected), abs=1e-6)
    over = cm.query(SCM, "E[output[0]_{act[3] = 0.5} | do(act[3] = 9)]").mean()
    assert over == cm.query(SCM, "E[output[0] | do(act[3] = 0.5)]").mean()


# --- against enumeration --------------------------------------------------------------------------

BUILD, NAMES = binary_model()
tables = st.tuples(
    *[
        st.lists(st.integers(0, 1), min_size=2**p * LEVELS, max_size=2**p * LEVELS)
        for p in range(COUNT)
    ]
).map(list)


@given(tables, st.permutations(range(COUNT)), st.lists(st.integers(0, 1), min_size=3, max_size=3))
@settings(max_examples=500, deadline=None)
def test_mutilation_is_enumeration_on_random_binary_models(
    table: Tables, order: list[int], values: list[int]
) -> None:
    scm = BUILD(table)
    treated, known, asked, other = order
    done, seen, wanted = values
    worlds = [w for w in enumerate_binary(table, {treated: done}) if w[known] == seen]
    text = (
        f"P(`{NAMES[asked]}` = {wanted} | do({NAMES[treated]} = {done}), {NAMES[known]} = {seen})"
    )
    if not worlds:
        with pytest.raises(QueryError, match=f"0 of {LEVELS**COUNT} rows"):
            cm.query(scm, text)
        return
    found = cm.query(scm, text)
    assert found.rows == len(worlds)
    exact = sum(world[asked] == wanted for world in worlds) / len(worlds)
    assert found.mean() == pytest.approx(exact, abs=1e-12)
    joint = cm.query(scm, f"P({NAMES[asked]}, {NAMES[other]} | do({NAMES[treated]} = {done}))")
    every = list(enumerate_binary(table, {treated: done}))
    for row in joint.table.itertuples(index=False):
        share = sum((w[asked], w[other]) == (row[0], row[1]) for w in every) / len(every)
        assert row[2] == pytest.approx(share, abs=1e-12)
    assert joint.table["probability"].sum() == pytest.approx(1.0, abs=1e-12)


@given(tables, st.permutations(range(COUNT)), st.lists(st.integers(0, 1), min_size=3, max_size=3))
@SOME
def test_counterfactuals_are_enumeration_on_random_binary_models(
    table: Tables, order: list[int], values: list[int]
) -> None:
    treated, known, asked, _ = order
    before, seen, wanted = values
    facts = list(enumerate_binary(table, {}))
    fictions = list(enumerate_binary(table, {treated: 1 - before}))
    kept = [
        f for w, f in zip(facts, fictions, strict=True) if (w[treated], w[known]) == (before, seen)
    ]
    assume(kept)
    found = cm.query(
        BUILD(table),
        f"P({NAMES[asked]}_{{{NAMES[treated]} = {1 - before}}} = {wanted} | "
        f"{NAMES[treated]} = {before}, {NAMES[known]} = {seen})",
    )
    exact = sum(world[asked] == wanted for world in kept) / len(kept)
    assert found.mean() == pytest.approx(exact, abs=1e-12)


# --- bad questions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("P(outptu[0])", SelectorError, "did you mean 'output'?"),
        ("P(output[7])", SelectorError, "numbered 0 to 1"),
        ("P(output[0] | do(acz[3] = 0))", SelectorError, "did you mean 'act'?"),
        ("P(output[0]_{acz[3] = 0})", SelectorError, "did you mean 'act'?"),
        ("TE(output[0] ; acz[3] = 0 -> 1)", SelectorError, "did you mean 'act'?"),
        ("P(act | do(act[3] = 0))", QueryError, "is set by do(act[3] = 0) and asked about"),
        ("P(output[0] | do(act[3] = 0), act[3] > 0)", QueryError, "conditioned on"),
        ("P(act[3]_{act = 0})", QueryError, "asked about"),
        ("P(output[0] | do(act = 0, act[3] = 1))", QueryError, "act[3] is set twice"),
        ("P(output[0]_{act[3]})", QueryError, "a subscript needs a value"),
        ("P(output[0] | do(act))", QueryError, "leaves 4 variables open"),
        ("P(output[0] | act)", QueryError, "names 4 coordinates"),
        ("P(output[0] | do(act = [1, 2]))", InputError, "2 values for 4 variables"),
        ("P(output[0] | act[2] > 1e6)", QueryError, f"0 of {ROWS} rows satisfy act[2] > 1000000"),
        ("P(output[0] | do(act[3] = 0), output[1] > 1e6)", QueryError, "after the intervention"),
        ("P(output[0] | act in bin(0, 3))", QueryError, "a bin is of one variable"),
    ],
)
def test_a_question_without_an_answer_says_why(
    text: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=re.escape(says)):
        cm.query(SCM, text)


def test_no_support_gives_the_count_of_each_condition() -> None:
    count = int((HIDDEN[:, 2] > 0).sum())
    with pytest.raises(QueryError, match=rf"act\[2\] > 0: {count}; act\[2\] = 0: {ROWS - count}"):
        cm.query(SCM, "P(output[0] | act[2] > 0, act[2] = 0)")


def test_bins_that_equal_values_share_are_not_there() -> None:
    case = cm.zoo.get("xor")
    scm = cm.compile(case.model, case.inputs)
    with pytest.raises(QueryError, match="leaves 2, numbered from 0"):
        cm.query(scm, "P(output[0] | a[0] in bin(3, 4))")


def test_too_large_a_table_names_its_size() -> None:
    many = cm.compile(MODEL, torch.randn(200, 3, generator=torch.Generator().manual_seed(0)))
    with pytest.raises(QueryError, match=f"has {12**6} cells"):
        cm.query(many, "P(fc1, output)", bins=12)


def test_events_beside_a_continuous_outcome_ask_for_bins() -> None:
    many = cm.compile(MODEL, torch.randn(200, 3, generator=torch.Generator().manual_seed(0)))
    with pytest.raises(QueryError, match="bins=10"):
        cm.query(many, "P(output[0], output[1] > 0)")
    table = cm.query(many, "P(output[0], output[1] > 0)", bins=5).table
    share = cm.query(many, "P(output[1] > 0)").mean()
    assert table["probability"].sum() == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize(
    ("settings_", "says"),
    [
        ({"bins": 1}, "bins is a whole number from 2"),
        ({"bins": 2.5}, "bins is a whole number"),
        ({"samples": 0}, "samples is a whole number from 1"),
        ({"resolution": 1.0}, "option of information only"),
    ],
)
def test_settings_that_cannot_be(settings_: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        cm.query(SCM, "P(output[0])", **settings_)


def test_objects_and_text_are_one_question() -> None:
    positive = Interval(0, closed="neither")
    asked = Probability("output[0]", do={"act[3]": 0.5}, given={"act[2]": positive})
    text = cm.query(SCM, str(asked))
    plain = cm.query(SCM, asked)
    assert plain.samples is not None
    assert torch.equal(plain.samples, text.samples)
