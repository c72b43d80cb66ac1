"""What is no model, no number or no log is refused by name, wherever it is given."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
import torch

import causalmod as cm

ASKED: dict[str, Callable[[Any], Any]] = {
    "query": lambda given: cm.query(given, "P(a)"),
    "identify": lambda given: cm.identify(given, "P(a | do(b))"),
    "verify": lambda given: cm.verify(given, "P(a | do(b))"),
    "falsify": cm.falsify,
    "rules": lambda given: cm.rules.insert_or_delete_action(given, "a", "b"),
    "to_pgmpy": cm.to_pgmpy,
    "to_dowhy": cm.to_dowhy,
    "to_frame": cm.to_frame,
    "to_gml": cm.to_gml,
    "to_dot": cm.to_dot,
}


@pytest.fixture(scope="module")
def xor() -> cm.StructuralCausalModel:
    case = cm.zoo.xor()
    return cm.compile(case.model, case.inputs)


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("given", ["net", None, 3])
def test_what_is_no_model(name: str, given: object) -> None:
    with pytest.raises(
        cm.InputError, match=f"expected a compiled model.*; given {type(given).__name__}"
    ):
        ASKED[name](given)


def test_what_is_no_model_of_another_library() -> None:
    with pytest.raises(cm.InputError, match=r"fitted dowhy.*; given int"):
        cm.from_dowhy(3)
    with pytest.raises(cm.InputError, match="DiscreteBayesianNetwork; given int"):
        cm.from_pgmpy(3)


@pytest.mark.parametrize("seed", ["a", None, 0.5, True])
def test_seeds_are_whole_numbers(xor: cm.StructuralCausalModel, seed: Any) -> None:
    with pytest.raises(cm.InputError, match="seed is a whole number"):
        cm.query(xor, "E[output[0]]", samples=10, seed=seed)


def test_more_draws_than_memory(xor: cm.StructuralCausalModel) -> None:
    with pytest.raises(cm.InputError, match="draws do not fit the memory"):
        cm.query(xor, "E[output[0]]", samples=10**17)


def test_logs_of_text(xor: cm.StructuralCausalModel) -> None:
    found = cm.identify(xor, "P(output[0] | do(a[0]))", observed=["input", "a", "b", "output"])
    frame = cm.to_frame(xor)
    with pytest.raises(cm.InputError, match="are numbers; given columns of"):
        found(frame.astype(str) + "?")
    assert isinstance(found(frame.astype(str)).table, pd.DataFrame)  # text of numbers is read


def test_values_of_text() -> None:
    with pytest.raises(cm.InputError, match="'e': a list holds numbers; given 'red'"):
        cm.from_functions({"e": ["red", "blue"], "x": lambda e: e})


def test_dot_and_gml_take_the_model_or_its_graph(xor: cm.StructuralCausalModel) -> None:
    assert cm.to_dot(xor) == cm.to_dot(xor.graph)
    assert cm.to_gml(xor) == cm.to_gml(xor.graph)


class LookUp(torch.nn.Module):
    """A table of five rows, looked up by the input."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(torch.arange(5.0))

    def forward(self, places: torch.Tensor) -> torch.Tensor:
        return self.table.expand(places.shape[0], 5).gather(1, places) * 2


def test_values_that_the_network_cannot_take_are_refused() -> None:
    """Row 7 of five: the error is ours, not one from inside torch."""
    scm = cm.compile(LookUp().eval(), torch.tensor([[0, 1], [2, 3], [4, 0]]))
    for call in (
        lambda: cm.query(scm, "E[output | do(input[0] = 7)]"),
        lambda: scm.do({"input[0]": 7}).observe(),
    ):
        with pytest.raises(cm.InputError, match="intervention"):
            call()


def test_modules_have_no_numbers(xor: cm.StructuralCausalModel) -> None:
    scm = xor.with_partition({"left": "a", "right": ["b", "output"]})
    with pytest.raises(cm.SelectorError, match=r"'left' is a module.*name them, as in 'a\[0\]'"):
        cm.query(scm, "P(left[0] = 1)")


def test_more_bins_than_make_sense_are_refused(xor: cm.StructuralCausalModel) -> None:
    with pytest.raises(cm.QueryError, match="2 to 10000"):
        cm.query(xor, "P(a[0] in bin(1, 1e9))")
    with pytest.raises(cm.InputError, match="from 2 to 10000; given 1000000000"):
        cm.query(xor, "P(a[0])", bins=10**9)
    with pytest.raises(cm.InputError, match="from 2 to 10000"):
        cm.to_pgmpy(xor, bins=10**9)


def test_a_query_loads_no_library_that_it_does_not_need() -> None:
    code = (
        "import sys, causalmod as cm\n"
        "scm = cm.zoo.xor().compile()\n"
        "cm.query(scm, 'P(output[0] | do(a[0]))')\n"
        "cm.identify(scm, 'P(output[0] | do(a[0]))')\n"
        "assert not {'pgmpy', 'dowhy', 'pyagrum', 'sklearn', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
