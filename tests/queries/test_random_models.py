"""500 random binary models: mutilation, enumeration, pgmpy and the identified formula agree."""

from __future__ import annotations

import random

import pytest

import causalmod as cm
from causalmod.bridges.extra import load
from causalmod.errors import QueryError
from tests.queries.networks import COUNT, LEVELS, Tables, binary_model, enumerate_binary

MODELS = 500


def random_tables(draw: random.Random) -> Tables:
    return [[draw.randint(0, 1) for _ in range(2**place * LEVELS)] for place in range(COUNT)]


def expected(
    tables: Tables, do: dict[int, int], given: dict[int, int], outcome: int
) -> float | None:
    rows = list(enumerate_binary(tables, do))
    rows = [row for row in rows if all(row[place] == value for place, value in given.items())]
    return sum(row[outcome] for row in rows) / len(rows) if rows else None


def test_mutilation_equals_enumeration_equals_pgmpy_equals_the_formula() -> None:
    elimination = load("pgmpy.inference").VariableElimination
    build, names = binary_model()
    answered = supported = 0
    for seed in range(MODELS):
        draw = random.Random(seed)
        tables = random_tables(draw)
        model = build(tables)
        cause, outcome, other, _ = draw.sample(range(COUNT), COUNT)
        value = draw.randint(0, 1)
        known = {other: draw.randint(0, 1)} if seed % 2 else {}
        truth = expected(tables, {cause: value}, known, outcome)
        given = "".join(f", {names[place]} = {held}" for place, held in known.items())
        text = f"P({names[outcome]} = 1 | do({names[cause]} = {value}){given})"
        if truth is None:
            with pytest.raises(QueryError, match="no row meets"):
                cm.query(model, text)
            continue
        answered += 1
        assert cm.query(model, text).mean() == pytest.approx(truth, abs=1e-12)

        network = cm.to_pgmpy(model)
        held = {f"{names[p]}[0]": float(v) for p, v in {cause: value, **known}.items()}
        target = f"{names[outcome]}[0]"
        if (
            held[f"{names[cause]}[0]"]
            in network.get_cpds(f"{names[cause]}[0]").state_names[f"{names[cause]}[0]"]
        ):  # a table knows the values that a variable can take, and no others
            found = elimination(network.do([f"{names[cause]}[0]"])).query(
                [target], evidence=held, show_progress=False
            )
            one = dict(zip(found.state_names[target], found.values, strict=True)).get(1.0, 0.0)
            assert one == pytest.approx(truth, abs=1e-12)

        identified = cm.identify(model, text)
        assert identified.verified
        answer = identified(model.observe())
        if answer.missing == 0:
            supported += 1
            assert answer.value == pytest.approx(truth, abs=1e-9)
        else:
            assert len(answer.cells)
            assert answer.value != answer.value  # NaN: no number in place of one that is unknown
    assert answered > 400
    assert supported > 100
