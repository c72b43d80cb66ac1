"""To and from pgmpy: exact where parents determine their child, and how far off otherwise."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import causalmod as cm
from causalmod.bridges.extra import load


def eliminate(network: Any, outcome: str, do: dict[str, Any], given: dict[str, Any]) -> Any:
    made = load("pgmpy.inference").VariableElimination(network.do(list(do)))
    found = made.query([outcome], evidence={**do, **given}, show_progress=False)
    return dict(zip(found.state_names[outcome], found.values, strict=True))


def sprinkler() -> Any:
    table = load("pgmpy.factors.discrete").TabularCPD
    network = load("pgmpy.models").DiscreteBayesianNetwork(
        [("c", "s"), ("c", "r"), ("s", "w"), ("r", "w")]
    )
    network.add_cpds(
        table("c", 2, [[0.5], [0.5]]),
        table("s", 2, [[0.5, 0.9], [0.5, 0.1]], ["c"], [2]),
        table("r", 2, [[0.8, 0.2], [0.2, 0.8]], ["c"], [2]),
        table("w", 2, [[1, 0.1, 0.1, 0.01], [0, 0.9, 0.9, 0.99]], ["s", "r"], [2, 2]),
    )
    return network


@pytest.mark.parametrize(
    ("query", "truth"),  # Murphy's sprinkler; the values follow by hand
    [
        ("P(w = 1 | do(s = 1), r = 1)", 0.99),
        ("P(w = 1 | do(s = 1))", 0.945),
        ("P(w = 1 | do(s = 0))", 0.45),
    ],
)
def test_the_sprinkler_comes_over_exactly(query: str, truth: float) -> None:
    scm = cm.from_pgmpy(sprinkler())
    assert not scm.sampled
    assert cm.query(scm, query).mean() == pytest.approx(truth, abs=1e-9)
    found = cm.identify(scm, query, observed=["c", "s", "r", "w"])
    assert found.verified
    assert found(scm.observe()).value == pytest.approx(truth, abs=1e-9)
    checked = cm.verify(scm, query, observed=["c", "s", "r", "w"], draws=0)
    assert checked.agree
    assert checked.difference == pytest.approx(0, abs=1e-9)


def test_the_call_that_is_wrong_in_pgmpy_is_not_the_one_that_the_bridge_names() -> None:
    assert eliminate(sprinkler(), "w", {"s": 1}, {"r": 1})[1] == pytest.approx(0.99)
    assert "CausalInference" in (cm.to_pgmpy.__doc__ or "")


def test_a_discrete_network_is_exact_off_the_data_too() -> None:
    case = cm.zoo.xor()
    scm = case.compile().with_rows(torch.tensor([0, 3]))  # a and b always equal
    network = cm.to_pgmpy(scm)
    assert network.check_model()
    assert eliminate(network, "output[0]", {"a[0]": 1.0}, {"b[0]": 0.0}) == {0.0: 0, 1.0: 1}
    for value in (0.0, 1.0):
        truth = cm.query(scm, f"P(output[0] = 1 | do(a[0] = {value}))").mean()
        found = eliminate(network, "output[0]", {"a[0]": value}, {})
        assert found[1.0] == pytest.approx(truth, abs=1e-12)
    assert set(network.graph["undetermined"].values()) == {0.0}


def test_bins_that_do_not_determine_say_how_much() -> None:
    generator = torch.Generator().manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh(), torch.nn.Linear(2, 1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    scm = cm.compile(model.eval(), torch.randn(300, 2, generator=generator))
    coarse, fine = cm.to_pgmpy(scm, bins=3), cm.to_pgmpy(scm, bins=12)
    assert coarse.check_model()
    assert fine.graph["undetermined"]["output[0]"] > 0
    # Tanh is monotone: the bin of a unit's input determines the bin of its output.
    assert coarse.graph["undetermined"]["1[0]"] == 0
    top = len(coarse.graph["levels"]["1[0]"]) - 1
    level = coarse.graph["levels"]["1[0]"][top]
    real = scm.do({"1[0]": level}).observe()["output"][:, 0].double().numpy()
    edges = (
        scm.observe()["output"][:, 0]
        .double()
        .quantile(torch.tensor([1 / 3, 2 / 3], dtype=torch.float64))
    )
    truth = float((real >= float(edges[1])).mean())
    found = eliminate(coarse, "output[0]", {"1[0]": top}, {})[2]
    assert found == pytest.approx(truth, abs=sum(coarse.graph["undetermined"].values()))


def test_a_table_that_is_too_large_says_how_large_and_what_else() -> None:
    model = torch.nn.Linear(24, 1).eval()
    generator = torch.Generator().manual_seed(0)
    scm = cm.compile(model, torch.randint(0, 2, (64, 24), generator=generator).float())
    with pytest.raises(cm.InputError, match=r"24 parents \(2 × 2 .* cells, more than .*cm.query"):
        cm.to_pgmpy(scm)
    with pytest.raises(cm.InputError, match="bins is a whole number"):
        cm.to_pgmpy(scm, bins=1)


def test_networks_that_do_not_come_over_are_refused() -> None:
    network = sprinkler()
    network.remove_cpds("w")
    with pytest.raises(cm.InputError, match="node 'w' has no table"):
        cm.from_pgmpy(network)
    with pytest.raises(cm.InputError, match="takes a DiscreteBayesianNetwork"):
        cm.from_pgmpy({"a": 1})
