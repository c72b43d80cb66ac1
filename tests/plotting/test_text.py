"""Names are made harmless, numbers tell nothing from hardly anything."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalmod.plotting import drawable, number, plain


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("fc1[3]", "fc1[3]"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;title\x07rest", "rest"),
        ("\x9b31mred", "red"),
        ("\x1bPq#0\x1b\\after", "after"),
        ("a\x1b(0b", "ab"),
        ("over\rwritten\nline\ttab\x08\x7f\0", "overwrittenlinetab"),
        ("\u202etxt.exe\u2066\u200f\u200b\ufeff", "txt.exe"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("größe 漢字", "größe 漢字"),
        ("\x1b", ""),
    ],
)
def test_controls_are_taken_out(given_name: str, shown: str) -> None:
    assert plain(given_name) == shown


@given(st.text(), st.integers(5, 40))
def test_what_is_left_prints_on_one_line(name: str, longest: int) -> None:
    shown = plain(name, longest)
    assert len(shown) <= longest
    assert shown.isprintable() or all(
        unicodedata.category(c) == "Zs" for c in shown if not c.isprintable()
    )
    assert plain(shown, longest) == shown


def test_long_names_keep_both_ends() -> None:
    shown = plain("encoder." + "block." * 30 + "out", longest=21)
    assert shown.startswith("encoder.")
    assert shown.endswith("out")
    assert "…" in shown


def test_what_the_font_lacks_is_a_question_mark() -> None:
    assert drawable("fc 漢") == "fc ?"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (-0.0, "0"), (1e-9, "1e-09"), (0.005, "0.01"), (-1.5, "-1.50")],
)
def test_nothing_is_told_from_hardly_anything(value: float, shown: str) -> None:
    assert number(value) == shown
