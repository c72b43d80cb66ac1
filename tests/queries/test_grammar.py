"""The query language: what is read, what is written back, and where an error points."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import causalmod as cm
from causalmod.errors import QueryError, SelectorError
from causalmod.queries import (
    Bin,
    Effect,
    Equal,
    ExchangedInformation,
    Expectation,
    Information,
    Interval,
    NotEqual,
    OneOf,
    Probability,
    Query,
    Term,
    Treatment,
    parse,
)
from causalmod.queries.grammar import as_query
from tests.strategies import MANY

INF = float("inf")


@pytest.mark.parametrize(
    ("text", "query"),
    [
        (
            "P(fc2[0] | do(fc1[3]=0.5), fc1[2]>0)",
            Probability("fc2[0]", {"fc1[3]": 0.5}, {"fc1[2]": Interval(0, INF, "neither")}),
        ),
        ("P(y)", Probability("y")),
        ("P( y , z|x )", Probability(["y", "z"], given=["x"])),
        ("P(y=1|x=0,z!=2)", Probability({"y": 1}, given={"x": 0, "z": NotEqual(2)})),
        ("P(y == 1)", None),
        (
            "P(y in {1, 0} | x in [0, 1), z in (0, 1])",
            Probability(
                {"y": OneOf((0, 1))}, given={"x": Interval(0, 1), "z": Interval(0, 1, "right")}
            ),
        ),
        ("P(0 < y <= 1)", Probability({"y": Interval(0, 1, "right")})),
        ("P(1 >= y > 0)", Probability({"y": Interval(0, 1, "right")})),
        ("P(y in (-inf, 2])", Probability({"y": Interval(-INF, 2, "right")})),
        ("P(2 < y)", Probability({"y": Interval(2, INF, "neither")})),
        ("P(y | x in bin(3, 10))", Probability("y", given={"x": Bin(3, 10)})),
        ("E[y | do(x)]", Expectation("y", "x")),
        ("E[y, z | do(x = 1, w = -1e-3)]", Expectation(["y", "z"], {"x": 1, "w": -0.001})),
        ("P(y | do(x=1), do(w=2))", Probability("y", {"x": 1, "w": 2})),
        ("P(y | z, do(x=1), w)", Probability("y", {"x": 1}, ["z", "w"])),
        (
            "P(y_{fc1[3]=0} | fc1[3]=1, y=1)",
            Probability(Term("y", world={"fc1[3]": 0}), given={"fc1[3]": 1, "y": 1}),
        ),
        (
            "E[y_{x=1, m=m_{x=0}}]",
            Expectation(
                Term("y", world=(Treatment("x", 1), Treatment("m", Term("m", world={"x": 0}))))
            ),
        ),
        ("P(y | do(a -> b = 1))", Probability("y", {("a", "b"): 1})),
        ("P(y | do(a → b = 1))", Probability("y", {("a", "b"): 1})),
        ("P(y ∣ x ≥ 1)", Probability("y", given={"x": Interval(1, INF)})),
        ("P(y | do(x=[0, 1.5]))", Probability("y", {"x": (0, 1.5)})),
        ("P(y | do(x=resample(7)))", Probability("y", {"x": cm.resample(7)})),
        (
            "P(y | do(x=resample(7, separate)))",
            Probability("y", {"x": cm.resample(7, joint=False)}),
        ),
        ("P(`2`[0] | do(`0`[1] = 2))", Probability("2[0]", {"0[1]": 2})),
        ("P(h.0.attn[2], cell@3, a:relu)", Probability(["h.0.attn[2]", "cell@3", "a:relu"])),
        ("P(fc1[0:4] | fc2[0, 2])", Probability("fc1[0:4]", given=["fc2[0,2]"])),
        ("P(left.a | do(right = 0))", Probability("left.a", {"right": 0})),
        (
            "P(P, E, I, TE | inside, door=1)",
            Probability(["P", "E", "I", "TE"], given=[Term("inside"), Term("door", 1)]),
        ),
        ("P(my_net_{x=1})", Probability(Term("my_net", world={"x": 1}))),
        ("TE(y ; x = 0 -> 1)", Effect("TE", "y", {"x": (0, 1)})),
        ("ATE(y;x=0->1|z>=0)", Effect("TE", "y", {"x": (0, 1)}, given={"z": Interval(0, INF)})),
        ("NDE(y ; fc1[3] = 0 -> 1)", Effect("NDE", "y", {"fc1[3]": (0, 1)})),
        ("NIE(y ; x = 0 -> 1 ; m, n)", Effect("NIE", "y", {"x": (0, 1)}, ["m", "n"])),
        (
            "CDE(y ; x = 0 -> 1, z = 1 -> 2 ; m = 0.5)",
            Effect("CDE", "y", {"x": (0, 1), "z": (1, 2)}, {"m": 0.5}),
        ),
        (
            "PSE(y ; x = 0 -> 1 ; x -> m -> y, x -> y)",
            Effect("PSE", "y", {"x": (0, 1)}, paths=(("x", "m", "y"), ("x", "y"))),
        ),
        ("I(left ; right)", Information("left", "right")),
        ("I(a, b ; c | do(a, b))", Information(["a", "b"], "c", True)),
        ("I(left ; right | do(left), U)", Information("left", "right", True, "U")),
        ("I(a;b|do(a);reference=observational)", Information("a", "b", True, (), "observational")),
        ("Exchange(left ; right, z ; w)", ExchangedInformation(["left", ["right", "z"], "w"])),
    ],
)
def test_what_is_written_is_what_is_meant(text: str, query: Query | None) -> None:
    if query is None:
        with pytest.raises(QueryError):
            parse(text)
        return
    assert parse(text) == query
    assert parse(str(query)) == query
    assert hash(parse(text)) == hash(query)


@pytest.mark.parametrize(
    ("text", "pointer", "says"),
    [
        ("", 0, "expected P(...)"),
        ("Q(y)", 0, "expected P(...)"),
        ("NDR(y ; x = 0 -> 1)", 0, "did you mean 'NDE'?"),
        ("P(y", 3, "expected"),
        ("P(y | do(x = 1)", 15, "')'"),
        ("P(y) x", 5, "ends before this"),
        ("P()", 2, "a name"),
        ("P(y | )", 6, "a name"),
        ("P(2[0] | x)", 2, "`2`[0]"),
        ("P(y | do(0.fc[1] = 1))", 9, "`0.fc`[0]"),
        ("P(y | 2)", 6, "a bare number is a value, never a name"),
        ("P(y | x = 1, 2.5)", 13, "a bare number is a value, never a name"),
        ("I(2 ; y)", 2, "never a name"),
        ("P(fc1[a])", 5, "an index is written"),
        ("P(fc1[-1])", 5, "an index is written"),
        ("P(fc1[1:2:0])", 2, "cannot read"),
        ("P(`a | x)", 2, "backtick"),
        ("P(y | do(x = ))", 13, "a number"),
        ("P(y | do(x = y))", 13, "in its own world"),
        ("P(y | do(x = inf))", 9, "finite"),
        ("P(y | do(a -> b -> c = 1))", 9, "two ends"),
        ("P(y | do(x = 1, x = 2))", 16, "set twice"),
        ("P(y | x = z)", 10, "expected a number"),
        ("P(y | x in 3)", 11, "expected"),
        ("P(y | x in [1, 0])", 8, "empty"),
        ("P(y | x in (1, 1])", 8, "empty"),
        ("P(y | x in (-inf, inf))", 8, "at least one end"),
        ("P(y | x in bin(10, 10))", 8, "from 0"),
        ("P(y | x in bin(1.5, 10))", 15, "whole number"),
        ("P(y | 0 < x > 1)", 12, "same way"),
        ("P(y_{x=1)", 8, "'}'"),
        ("E[y = 1]", 0, "probability"),
        ("TE(y ; x = 0)", 12, "'->'"),
        ("TE(y ; x = 0 -> 1 ; m)", 0, "no mediators"),
        ("CDE(y ; x = 0 -> 1)", 0, "mediators at values"),
        ("NDE(y ; x = 0 -> 1 ; m = 2)", 0, "CDE"),
        ("NDE(y ; x = 0 -> 1 ; x -> m)", 21, "PSE"),
        ("PSE(y ; x = 0 -> 1)", 0, "names paths"),
        ("PSE(y ; x = 0 -> 1 ; m -> y)", 0, "must lead from"),
        ("I(a ; b | do(b))", 10, "do(a)"),
        ("I(a ; b ; reference = observational)", 0, "do(b)"),
        ("I(a ; b | do(a) ; reference = else)", 0, "reference must be"),
        ("Exchange(a)", 10, "';'"),
        ("P(y) or __import__('os')", 5, "ends before this"),
    ],
)
def test_an_error_points_at_the_character(text: str, pointer: int, says: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert caught.value.position == pointer
    message, line, arrow = str(caught.value).split("\n")
    assert says in message
    assert line == f"  {text}"
    assert arrow == " " * (2 + pointer) + "^"


def test_the_pointer_is_in_the_right_line_of_several() -> None:
    with pytest.raises(QueryError) as caught:
        parse("P(y |\n\tdo(x = ))")
    assert str(caught.value).endswith("\n   do(x = ))\n          ^")


@pytest.mark.parametrize("given", [None, 3, ["P(y)"]])
def test_what_is_neither_text_nor_query_is_refused(given: object) -> None:
    with pytest.raises(QueryError, match="a query is text"):
        as_query(given)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("bad", ["", "  ", 3, None])
def test_a_name_that_is_none_is_refused(bad: object) -> None:
    with pytest.raises(SelectorError, match="by text"):
        Term(bad)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("value", [lambda x: x, "1", float("nan"), [1, None]])
def test_a_treatment_takes_plain_values(value: object) -> None:
    with pytest.raises(cm.InputError, match="finite number"):
        Treatment("x", value)  # pyright: ignore[reportArgumentType]


def test_variables_of_a_model_are_names() -> None:
    assert Probability(cm.Variable("fc2", 0)) == parse("P(fc2[0])")


# --- text and objects are two ways to say one thing ----------------------------------------------

numbers = st.floats(allow_nan=False, allow_infinity=False)
plain = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_.:@]{0,8}", fullmatch=True)
odd = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=6
)
indices = st.sampled_from(["", "[3]", "[0:4]", "[0,2,5]", "[::2]"])
names = st.builds(lambda name, index: name + index, plain | odd, indices)
ends = st.lists(numbers, min_size=2, max_size=2, unique=True).map(sorted)
events = (
    numbers.map(Equal)
    | numbers.map(NotEqual)
    | st.lists(numbers, min_size=1, max_size=3).map(lambda values: OneOf(tuple(values)))
    | st.builds(
        lambda pair, closed: Interval(pair[0], pair[1], closed),
        ends,
        st.sampled_from(["both", "left", "right", "neither"]),
    )
    | numbers.map(lambda low: Interval(low, INF))
    | numbers.map(lambda high: Interval(-INF, high, "neither"))
    | st.integers(0, 9).map(lambda index: Bin(index, 10))
)
resamples = st.builds(cm.resample, st.integers(0, 1000), st.booleans())
vectors = st.lists(numbers, min_size=1, max_size=3).map(tuple)
plain_values = numbers | vectors | resamples
inner_worlds = st.dictionaries(names, plain_values, min_size=1, max_size=2)
nested = st.builds(lambda name, world: Term(name, None, world), names, inner_worlds)
worlds = st.dictionaries(names, plain_values | nested, max_size=2)
terms = st.builds(Term, names, st.none() | events, worlds)
variables = st.builds(lambda n, w: Term(n, None, w), names, worlds)
treatments = st.dictionaries(
    names | st.tuples(names, names), st.none() | plain_values | nested, max_size=3
)
conditions = st.lists(terms, max_size=3)
changes = st.dictionaries(names, st.tuples(numbers, numbers), min_size=1, max_size=2)
groups = st.lists(names, min_size=1, max_size=3)


@st.composite
def effects(draw: st.DrawFn) -> Effect:
    kind = draw(st.sampled_from(["TE", "NDE", "NIE", "CDE", "PSE"]))
    moved = draw(changes)
    outcome, given_ = draw(names), draw(conditions)
    if kind == "PSE":
        start = st.sampled_from(sorted(moved))
        path = st.builds(lambda a, m: (a, *m, outcome), start, st.lists(names, max_size=2))
        return Effect(
            kind, outcome, moved, (), draw(st.lists(path, min_size=1, max_size=2)), given_
        )
    held = st.dictionaries(names, numbers, min_size=1, max_size=2)
    if kind == "CDE":
        return Effect(kind, outcome, moved, draw(held), (), given_)
    mediators = draw(st.lists(names, max_size=2, unique=True)) if kind != "TE" else ()
    return Effect(kind, outcome, moved, mediators, (), given_)


queries = (
    st.builds(Probability, st.lists(terms, min_size=1, max_size=3), treatments, conditions)
    | st.builds(Expectation, st.lists(variables, min_size=1, max_size=2), treatments, conditions)
    | effects()
    | st.builds(Information, groups, groups, st.booleans(), st.lists(names, max_size=2))
    | st.builds(lambda a, b: Information(a, b, True, (), "observational"), groups, groups)
    | st.builds(ExchangedInformation, st.lists(groups, min_size=2, max_size=3))
)


@given(queries)
@MANY
def test_a_query_is_read_back_from_its_text(query: Query) -> None:
    assert parse(str(query)) == query


@given(st.text(max_size=40) | st.text("PE(y|do=x1.5,[]{}_`;<>-) ", max_size=40))
@MANY
def test_any_text_is_a_query_or_a_query_error(text: str) -> None:
    error, query = read(text)
    if error is not None:
        assert error.position is not None
        assert 0 <= error.position <= len(text)
    else:
        assert query is not None
        assert parse(str(query)) == query


def read(text: str) -> tuple[QueryError | None, Query | None]:
    try:
        return None, parse(text)
    except QueryError as error:
        return error, None
