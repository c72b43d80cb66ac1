"""Expressions of sizes: the arithmetic of Python on what is allowed, and nothing else."""

from __future__ import annotations

import contextlib

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from causalmod.compiler.pt2.expressions import DEEPEST, LONGEST, MOST_PARTS, read_expression
from causalmod.errors import CompileError

SIZES = {"s0": 7, "s1": 12}
LEAVES = st.one_of(st.integers(0, 99).map(str), st.sampled_from(["s0", "s1"]))


def join(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "-", "*", "//", "%"])
    return st.one_of(
        st.tuples(parts, operators, parts).map(" ".join),
        parts.map(lambda inner: f"({inner})"),
        parts.map(lambda inner: f"-({inner})"),
    )


@given(st.recursive(LEAVES, join, max_leaves=12))
def test_formulas_have_the_value_that_python_gives_them(text: str) -> None:
    try:
        expected = eval(text, {"__builtins__": {}}, dict(SIZES))
    except ZeroDivisionError:
        with pytest.raises(CompileError, match="divides by zero"):
            read_expression(text).value(SIZES)
        return
    with contextlib.suppress(CompileError):  # a part of it may pass 2**63
        assert read_expression(text).value(SIZES) == expected


@given(st.recursive(LEAVES, join, max_leaves=6).filter(lambda t: "//" not in t and "%" not in t))
def test_what_sympy_prints_is_read_as_it_means(text: str) -> None:
    symbols = {name: sympy.Symbol(name, positive=True, integer=True) for name in SIZES}
    expression = eval(text, {"__builtins__": {}}, dict(symbols))
    printed = sympy.srepr(sympy.sympify(expression))
    value = sympy.sympify(expression).subs({symbols[name]: size for name, size in SIZES.items()})
    if "Pow" in printed or abs(int(value)) >= 2**63:
        return
    assert read_expression(printed).value(SIZES) == int(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Symbol('s0', positive=True, integer=True)", 7),
        ("FloorDiv(Symbol('s1'), Integer(5))", 2),
        ("PythonMod(Symbol('s1'), Integer(5))", 2),
        ("Mod(Add(Symbol('s0'), Integer(-1)), Integer(4))", 2),
        ("Min(Integer(4), Mul(Integer(4), Symbol('s0')))", 4),
        ("max(s0, s1, 3)", 12),
    ],
)
def test_what_torch_writes(text: str, value: int) -> None:
    assert read_expression(text).value(SIZES) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("s0 == 7", 1),
        ("(s1 % 2) != 0", 0),
        ("Eq(Symbol('s0'), Integer(7))", 1),
        ("GreaterThan(Symbol('s0'), Integer(8))", 0),
        ("StrictLessThan(Symbol('s0'), Symbol('s1'))", 1),
    ],
)
def test_comparisons_where_they_are_asked_for(text: str, value: int) -> None:
    assert read_expression(text, compare=True).value(SIZES) == value
    with pytest.raises(CompileError):
        read_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "__import__('os').system('true')",
        "exec('1')",
        "s0.__class__",
        "s0[0]",
        "lambda: 0",
        "[1]",
        "s0 if s0 else 1",
        "1 ** 2",
        "s0 / 2",
        "s0 << 60",
        "s0 & 1",
        "~s0",
        "1.5",
        "1e9",
        "0x10",
        "s0 s1",
        "(s0",
        "s0)",
        "+s0",
        "s0 +",
        "'s0'",
        '"s0"',
        "Symbol(s0)",
        "Symbol('s0', evaluate=True)",
        "Symbol('s0', positive=exit)",
        "Symbol('a b')",
        "Integer(s0)",
        "Integer(Integer(1))",
        "Function('f')(1)",
        "Pow(Symbol('s0'), Integer(2))",
        "factorial(Integer(9))",
        "Mod(1)",
        "Mod(1, 2, 3)",
        "Add()",
        "Float('1.5')",
        "Lambda(Symbol('s0'), Integer(1))",
        "9" * 20,
        "9" * 19 + "0",
        "s0 == 1 == 1",
        "s0;s1",
        "s0\x00",
        "²",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(CompileError, match="size in the file"):
        read_expression(text, compare="==" in text)


def test_bounds_on_length_depth_and_numbers() -> None:
    for text in ("1+" * LONGEST + "1", "1+" * MOST_PARTS + "1", "(" * 200 + "1" + ")" * 200):
        with pytest.raises(CompileError, match="size in the file is no size"):
            read_expression(text)
    with pytest.raises(CompileError, match=f"more than {DEEPEST} levels"):
        read_expression("-" * 100 + "1")
    with pytest.raises(CompileError, match=r"passes 2\*\*63"):
        read_expression("s0*s0*s0*s0").value({"s0": 2**40})
    with pytest.raises(CompileError, match=r"passes 2\*\*63"):
        read_expression("9999999999999999999")


@given(st.text(max_size=60))
def test_no_text_does_anything_but_parse_or_fail(text: str) -> None:
    with contextlib.suppress(CompileError):
        read_expression(text, compare=True)
